"""One text -> one checked value, for the settings that are neither a quantity nor an address.

Each parser takes the text and the directory that relative paths in it start from, and raises UsageError.
"""

from __future__ import annotations

import math
import re
import shlex
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from swarm.config.configs import Links, Mtime, MtimeKind, OriginBudget, Sites
from swarm.config.quantities import parse_duration, parse_size, show_size
from swarm.dataset.selection import Selection
from swarm.errors import UsageError
from swarm.protocol.ids import Realm

BLOCK_SIZE_MIN = 64 * 1024
BLOCK_SIZE_MAX = 4 * 1024 * 1024
"""The format's bounds for a cutter's average."""

KEY_PREFIX = "swarm-key-v1:"
"""What a secret key begins with, so that a person, a scanner for leaked secrets and `--key` recognise it."""

REALM_BYTES = 16
SECRET_BYTES_MIN = 8
"""Shorter is guessed offline from one recorded hello."""

COUNT_DIGITS_MAX = 6
"""Of a number of things that somebody keeps."""

SITE_BYTES_MAX = 255
SITES_MAX = 65_536
"""Lines of a sites file: a /16 in single addresses."""

_SITE = re.compile(r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$")


def parse_path(text: str, base: Path) -> Path:
    """Absolute, `~` expanded; need not exist."""
    if not text:
        raise UsageError("an empty path", hint="name a file or a directory")
    try:
        return base / Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text!r}: {error}", hint="write the path without ~") from None


def parse_store(text: str, base: Path) -> str:
    """A store's URL (`s3://bucket/prefix`, `https://…`, `file:///path`); a path becomes an absolute path."""
    text = text.strip()
    if not text:
        raise UsageError("an empty store", hint="it is s3://BUCKET/PREFIX, a directory, or the http(s) URL of one")
    if "://" not in text:
        return str(parse_path(text, base))
    scheme = text.partition("://")[0].lower()
    if scheme not in ("s3", "file", "http", "https", "memory"):
        raise UsageError(
            f"no store speaks {scheme}://", hint="it is s3://BUCKET/PREFIX, a directory, or an http(s) URL"
        )
    return text


def parse_secret(text: str, base: Path) -> bytes:
    """The words themselves, or `@FILE` (white space around them is dropped)."""
    if text.startswith("@"):
        text = _read_text(parse_path(text[1:], base), "secret")
    secret = text.strip().encode()
    if len(secret) < SECRET_BYTES_MIN:
        raise UsageError(
            f"the secret has {len(secret)} bytes; it needs at least {SECRET_BYTES_MIN}",
            hint="make one with: openssl rand -hex 32",
        )
    return secret


def parse_key(text: str, base: Path) -> Path | str:
    """A key file's path; or the key itself, where the text begins as one (see `key_file`)."""
    return text.strip() if text.strip().startswith(KEY_PREFIX) else parse_path(text, base)


def parse_block_size(text: str) -> int:
    """A power of two between 64 KiB and 4 MiB."""
    size = parse_size(text)
    if size & (size - 1) or not BLOCK_SIZE_MIN <= size <= BLOCK_SIZE_MAX:
        raise UsageError(
            f"a block size of {text!r} is not possible", hint="it is 64KiB, 128KiB, 256KiB, 512KiB, 1MiB, 2MiB or 4MiB"
        )
    return size


def parse_mtime(text: str) -> Mtime:
    """`keep`, `none`, Unix seconds or an ISO 8601 time (without a zone: UTC)."""
    word = text.strip()
    if word in ("keep", "none"):
        return Mtime(MtimeKind(word))
    try:
        seconds = int(word) if re.fullmatch(r"-?\d{1,12}", word) else _iso_seconds(word)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time", hint="write keep, none, 1767225600 or 2026-01-01T00:00:00Z"
        ) from None
    return Mtime(MtimeKind.FIXED, seconds * 10**9)


def parse_links(text: str) -> Links:
    """`keep`, `follow` or `skip`."""
    if text not in tuple(Links):
        raise UsageError(f"links cannot be {text!r}", hint="it is keep, follow or skip")
    return Links(text)


def parse_origin_budget(text: str) -> OriginBudget:
    """`2`: copies in all; `1/site`: copies per site; `50GB`: bytes in all."""
    word = text.strip().lower()
    found = re.fullmatch(r"(\d{1,6})(/site)?", word)
    if found and int(found.group(1)) >= 1:
        return OriginBudget(int(found.group(1)), is_per_site=found.group(2) is not None)
    # Bytes need their unit: a lone number is copies.
    if found or "/" in word or not word.endswith("b"):
        raise UsageError(f"{text!r} is not an origin budget", hint="write 1, 2, 1/site or 50GB")
    amount = parse_size(text)
    if amount == 0:
        raise UsageError("an origin budget of nothing lets nothing out", hint="write 1, 2, 1/site or 50GB")
    return OriginBudget(copies=None, bytes=amount)


def parse_fails(text: str) -> bool:
    """`open` is True."""
    if text not in ("open", "closed"):
        raise UsageError(f"origin-budget-fails cannot be {text!r}", hint="it is open or closed")
    return text == "open"


def parse_price(text: str) -> float:
    """What a GB costs: a plain number, of whatever currency."""
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0 <= price < math.inf:
        raise UsageError(f"{text!r} is not a price", hint="write what 10^9 bytes cost as a plain number: 0.09")
    return price


def parse_words(text: str) -> tuple[str, ...]:
    """A command line's words, quoted as a POSIX shell has it; nothing else of a shell holds."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{text!r} is no command line: {error}", hint="close each quotation mark") from None
    if not words:
        raise UsageError("an empty command", hint="name a program and its arguments")
    return words


def parse_count(text: str) -> int:
    """A whole number, 0 or more."""
    if not text.strip().isascii() or not text.strip().isdigit() or len(text) > COUNT_DIGITS_MAX:
        raise UsageError(f"{text!r} is not a number of things", hint="write for example 0, 1 or 5")
    return int(text)


def parse_positive_duration(text: str) -> float:
    """Seconds, more than none; infinite for `forever`."""
    seconds = parse_duration(text)
    if not seconds:
        raise UsageError(f"{text!r} is no time at all", hint="write for example 500ms, 30s or 5min")
    return seconds


def parse_realm(text: str) -> Realm:
    """32 hex digits."""
    try:
        realm = bytes.fromhex(text.strip())
    except ValueError:
        realm = b""
    if len(realm) != REALM_BYTES:
        raise UsageError(f"{text!r} is not a realm", hint="it is 32 hex digits, as swarm inspect shows it")
    return Realm(realm)


def parse_site(text: str) -> str:
    """`eu`, `eu/fra1`: parts of letters, digits, `.`, `_`, `-`; empty: the one site."""
    site = text.strip()
    if site and (not _SITE.match(site) or len(site) > SITE_BYTES_MAX):
        raise UsageError(f"{text!r} is not a site", hint="write it as eu/fra1: small letters, digits, and / between")
    return site


def parse_glob(text: str) -> str:
    """A pattern on paths within the dataset (`swarm.dataset.selection`): `*.db`, `/logs/**`."""
    Selection((text,))
    return text


def parse_sites(text: str, base: Path) -> Sites:
    """The file of `--sites`: lines `NETWORK SITE`, `#` comments. Longest prefix first."""
    path = parse_path(text, base)
    found: list[tuple[IPv4Network | IPv6Network, str]] = []
    for number, line in enumerate(_read_text(path, "sites").splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            found.append(_site_line(words, f"{path}, line {number}"))
    if len(found) > SITES_MAX:
        raise UsageError(f"{path} has {len(found)} networks; at most {SITES_MAX} are read", hint="use larger networks")
    return tuple(sorted(found, key=lambda pair: (-pair[0].prefixlen, str(pair[0]))))


def show_block_size(size: int) -> str:
    """`1MiB`, as the option takes it."""
    return f"{size // 2**20}MiB" if size >= 2**20 else f"{size // 2**10}KiB" if size >= 2**10 else show_size(size)


def _site_line(words: list[str], place: str) -> tuple[IPv4Network | IPv6Network, str]:
    if len(words) != 2:
        raise UsageError(f"{place}: not a network and a site", hint="a line is: 10.1.0.0/16 eu/fra1")
    try:
        return ip_network(words[0]), parse_site(words[1])
    except ValueError as error:
        raise UsageError(f"{place}: {error}", hint="a line is: 10.1.0.0/16 eu/fra1") from None


def _iso_seconds(text: str) -> int:
    when = datetime.fromisoformat(text)
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def _read_text(path: Path, noun: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"the {noun} file {path} cannot be read: {reason}", hint="check the path and its rights"
        ) from None
