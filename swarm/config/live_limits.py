"""The rate limits as `config.toml` says them now: what a running service follows."""

from __future__ import annotations

from pathlib import Path

from swarm.config.configs import LiveLimits
from swarm.config.file import FILE_NAME, read_config_file
from swarm.config.quantities import parse_rate
from swarm.errors import UsageError

LIMITS = ("upload-limit", "download-limit", "origin-limit")

Stamp = tuple[int, int, int] | None
"""Modification time, inode and size; None where there is no file."""


def stamp_of(home: Path) -> Stamp:
    """Whether the file has changed is seen by this."""
    try:
        found = (home / FILE_NAME).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def read_limits(home: Path, live: LiveLimits) -> dict[str, int | None]:
    """Bytes per second of each limit that is followed, None for none. Raises UsageError naming file and key."""
    file = read_config_file(home)
    found: dict[str, int | None] = {}
    for name in live.names:
        texts = file.find(live.section, name) or file.find("", name)
        try:
            found[name] = parse_rate(texts[-1]) if isinstance(texts, tuple) else None
        except UsageError as error:
            raise UsageError(f"{name} (from {file.path}): {error.message}", hint=error.hint) from None
    return found
