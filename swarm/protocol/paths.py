"""Which paths and symlink targets a version may hold, so that nothing outside DEST can ever be named.

Paths are byte strings, relative, with '/' between parts. A target may climb with leading `..`, at most to the
dataset's own top: as no entry lies below a symlink, every link then resolves inside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from swarm.errors import UnsafeManifestError
from swarm.protocol.bounds import PATH_BYTES_MAX, PATH_PART_BYTES_MAX, TARGET_BYTES_MAX

OWN_DIRECTORY = b".swarm"
"""At a version's top: a fetch into a mount point stages there, and no version may write into another's staging."""

_FORBIDDEN_PARTS = (b"", b".", b"..")
_FORBIDDEN_SET = frozenset(_FORBIDDEN_PARTS)
_CLIMB = re.compile(rb"(?:\.\.(?:/|\Z))*")


def check_path(path: bytes) -> None:
    """Raises UnsafeManifestError unless `path` stays below where it starts."""
    check_paths([path])


def check_paths(paths: Sequence[bytes]) -> None:
    """The same for many at once, in any order: whole lists at a time, as a million paths come by."""
    if not paths:
        return
    _check_parts(paths)
    joined = b"\0" + b"\0".join(paths) + b"\0"
    if b"\0" + OWN_DIRECTORY + b"\0" in joined or b"\0" + OWN_DIRECTORY + b"/" in joined:
        raise UnsafeManifestError("a path below .swarm, which is swarm's own")


def _check_parts(paths: Sequence[bytes]) -> None:
    joined = b"\0".join(paths)
    if joined.count(0) != len(paths) - 1:
        raise UnsafeManifestError("a path with a NUL byte")
    longest = max(map(len, paths))
    if longest > PATH_BYTES_MAX:
        raise UnsafeManifestError(f"a path longer than {PATH_BYTES_MAX} bytes")
    # An absolute path, a trailing or a double slash each make an empty part.
    parts = joined.replace(b"/", b"\0").split(b"\0")
    if any(part in parts for part in _FORBIDDEN_PARTS):
        raise UnsafeManifestError(f"an unsafe path: {_first_bad(paths)}")
    if longest > PATH_PART_BYTES_MAX and max(map(len, parts)) > PATH_PART_BYTES_MAX:
        raise UnsafeManifestError(f"a part of a path longer than {PATH_PART_BYTES_MAX} bytes")


def _first_bad(paths: Sequence[bytes]) -> str:
    bad = next(path for path in paths if not _FORBIDDEN_SET.isdisjoint(path.split(b"/")))
    return repr(bad[:80])


def check_target(path: bytes, target: bytes) -> None:
    """Raises UnsafeManifestError unless `target` is k `..` (k at most the depth of `path`), then plain parts."""
    climb = _CLIMB.match(target)
    end = climb.end() if climb else 0
    rest = target[end:]
    steps = (end + 1) // 3
    is_plain = bool(rest) or target.endswith(b"..")
    if not target or not is_plain or len(target) > TARGET_BYTES_MAX or b"\0" in target or steps > path.count(b"/"):
        raise UnsafeManifestError(f"a symlink that leads outside: {path[:80]!r} -> {target[:80]!r}")
    if rest:
        _check_parts([rest])
