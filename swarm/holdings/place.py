"""Where a DEST is staged: beside it, or inside it where nothing beside it could take its place.

    DEST's parent/.<name>.swarm-<8 hex>/      beside: the staged tree becomes DEST by one rename or exchange
    DEST/.swarm/<8 hex>/                      inside: DEST is a mount point, the working directory, or in a directory
                                              where we may not write; files are moved one by one

Both are found again by the next run, whatever its $SWARM_HOME is: the name says DEST and version.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from swarm.holdings.mounts import is_mount_point
from swarm.protocol.ids import VersionId, digest

INSIDE = b".swarm"
NAME_BYTES_MAX = 200
"""Of DEST's own name within the area's: with the rest it stays below the 255 bytes that a name may have."""


PARTS = frozenset({b"lock", b"journal", b"journal.new", b"margins", b"tree", b"probe-a", b"probe-b"})
"""What an area may have in it."""

_NUMBER = re.compile(rb"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Place:
    """`dest` and `area` are absolute. `is_inside`: the area is below DEST, which therefore cannot be exchanged;
    `reason` says why, for people."""

    dest: bytes
    area: bytes
    is_inside: bool
    reason: str


def place(dest: bytes, version: VersionId) -> Place:
    """Decides by what is there now. `dest` is absolute, links resolved."""
    reason = _why_inside(dest)
    number = version[:4].hex().encode()
    if reason:
        return Place(dest, dest + b"/" + INSIDE + b"/" + number, True, reason)
    return Place(dest, os.path.dirname(dest) + b"/" + _prefix(dest) + number, False, "")


def areas(dest: bytes) -> list[bytes]:
    """Staging areas of `dest` that exist, of any version. Nothing else is named like them and has only their parts."""
    above, prefix = os.path.dirname(dest), _prefix(dest)
    beside = [
        above + b"/" + name
        for name in _names(above)
        if name.startswith(prefix) and _NUMBER.fullmatch(name, len(prefix))
    ]
    within = dest + b"/" + INSIDE
    inside = [within + b"/" + name for name in _names(within) if _NUMBER.fullmatch(name)]
    return [path for path in sorted(beside) + sorted(inside) if _is_area(path)]


def _is_area(path: bytes) -> bool:
    return os.path.isdir(path) and not os.path.islink(path) and PARTS.issuperset(_names(path))


def _prefix(dest: bytes) -> bytes:
    name = os.path.basename(dest)
    if len(name) > NAME_BYTES_MAX:
        name = digest(name)[:16].hex().encode()
    return b"." + name + b".swarm-"


def _why_inside(dest: bytes) -> str:
    if not os.path.isdir(dest):
        return ""
    if is_mount_point(dest):
        return "it is a mount point"
    working = os.path.realpath(os.getcwdb())
    if working == dest or working.startswith(dest.rstrip(b"/") + b"/"):
        return "it is the working directory"
    if not os.access(os.path.dirname(dest), os.W_OK | os.X_OK):
        return "the directory that it is in cannot be written"
    return ""


def _names(directory: bytes) -> list[bytes]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
