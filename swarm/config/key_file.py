"""Secret keys as text and as files: publisher keys, and the identities of services.

    # a comment
    swarm-key-v1:<64 hex digits: the ed25519 seed>

A file is made with mode 0600 and never overwritten; one that others can read is refused, as ssh does.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from swarm.config.configs import CommonConfig
from swarm.config.values import KEY_PREFIX
from swarm.errors import NotFoundError, PermissionError_, UsageError
from swarm.protocol.keys import SigningKey, fingerprint

PUBLISHER_FILE = "publisher.key"
FILE_BYTES_MAX = 64 * 1024
SEED_BYTES = 32

_KEY = re.compile(re.escape(KEY_PREFIX) + r"([0-9a-fA-F]{64})")


def publisher_path(config: CommonConfig) -> Path:
    """The publisher key's file: the configured one, else `$SWARM_HOME/publisher.key`."""
    return config.key or config.home / PUBLISHER_FILE


def load_publisher_key(config: CommonConfig) -> SigningKey:
    """The publisher key from SWARM_KEY's text or its file. Raises NotFoundError where there is none."""
    if config.key_text is not None:
        return parse_key_text(config.key_text, "SWARM_KEY")
    return load_key(publisher_path(config), is_default=config.key is None)


def load_or_make_publisher_key(config: CommonConfig) -> tuple[SigningKey, bool]:
    """The publisher key, made on first use where no file was named; whether it is new."""
    if config.key_text is not None or config.key is not None or publisher_path(config).exists():
        return load_publisher_key(config), False
    return make_key_file(publisher_path(config), "publisher key"), True


def load_or_make_identity(path: Path, noun: str) -> SigningKey:
    """A service's own key, kept in `path`; made on first use."""
    return load_key(path) if path.exists() else make_key_file(path, noun)


def load_key(path: Path, *, is_default: bool = False) -> SigningKey:
    """Reads a key file. Raises NotFoundError, PermissionError_ (unreadable, or readable by others), UsageError."""
    try:
        with path.open("rb") as file:
            if os.name == "posix":
                _refuse_loose_rights(path, os.fstat(file.fileno()))
            text = file.read(FILE_BYTES_MAX)
    except FileNotFoundError:
        option = "" if is_default else f" --key {path}"
        raise NotFoundError(f"there is no key at {path}", hint=f"make one with: swarm key new{option}") from None
    except OSError as error:
        raise PermissionError_(f"the key {path} cannot be read: {error.strerror}", hint="check its rights") from None
    return parse_key_text(text.decode(errors="replace"), str(path))


def parse_key_text(text: str, place: str) -> SigningKey:
    """The one key in a text. The error never repeats the text."""
    found = [match for line in text.splitlines() if (match := _KEY.fullmatch(line.strip()))]
    if len(found) != 1:
        raise UsageError(f"{place} does not hold one swarm key", hint=f"a key is a line {KEY_PREFIX} and 64 hex digits")
    return SigningKey.from_seed(bytes.fromhex(found[0].group(1)))


def make_key_file(path: Path, noun: str) -> SigningKey:
    """Makes a fresh key and writes it: mode 0600, its directory 0700, synced. Raises UsageError where a file exists."""
    key = SigningKey.from_seed(os.urandom(SEED_BYTES))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key_text(key, noun))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise UsageError(f"{path} exists and is not overwritten", hint="choose another file with --key") from None
    except OSError as error:
        raise PermissionError_(f"{path} cannot be written: {error.strerror}", hint="choose another place") from None
    return key


def key_text(key: SigningKey, noun: str) -> str:
    """The contents of a key file."""
    shown = fingerprint(key.public_key)
    return f"# swarm {noun}, secret. Its public fingerprint: {shown}\n{KEY_PREFIX}{key.seed.hex()}\n"


def _refuse_loose_rights(path: Path, status: os.stat_result) -> None:
    # Group and others of a pipe or of a mounted secret cannot always be changed: only regular files are judged.
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        raise PermissionError_(
            f"others can read the key {path} (mode {status.st_mode & 0o777:04o})", hint=f"chmod 600 {path}"
        )
