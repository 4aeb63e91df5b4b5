"""Which paths and symlink targets a version may hold, so that nothing outside DEST can ever be named.

Paths are byte strings, relative, with '/' between parts. A target may climb with leading `..`, at most to the
dataset's own top: as no entry lies below a symlink, every link then resolves inside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from swarm.errors import UnsafeManifestError
from swarm.protocol.bounds import PATH_BYTES_MAX, PATH_PART_BYTES_MAX, TARGET_BYTES_MAX

# An empty part (also: absolute, trailing or double slash), or a part of one or two dots. Paths are joined by NUL.
_BAD_PART = re.compile(rb"(?:^|[\0/])\.{0,2}(?=[\0/]|\Z)")
_LONG_PART = re.compile(rb"[^\0/]{%d}" % (PATH_PART_BYTES_MAX + 1))
_CLIMB = re.compile(rb"(?:\.\.(?:/|\Z))*")


def check_path(path: bytes) -> None:
    """Raises UnsafeManifestError unless `path` stays below where it starts."""
    check_paths([path])


def check_paths(paths: Sequence[bytes]) -> None:
    """The same for many at once, in any order. At C speed: 1,000,000 paths in well under a second."""
    if not paths:
        return
    joined = b"\0".join(paths)
    if joined.count(0) != len(paths) - 1:
        raise UnsafeManifestError("a path with a NUL byte")
    if max(map(len, paths)) > PATH_BYTES_MAX:
        raise UnsafeManifestError(f"a path longer than {PATH_BYTES_MAX} bytes")
    if _BAD_PART.search(joined) or _LONG_PART.search(joined):
        raise UnsafeManifestError(f"an unsafe path: {_first_bad(paths)}")


def _first_bad(paths: Sequence[bytes]) -> str:
    for path in paths:
        if _BAD_PART.search(path) or _LONG_PART.search(path):
            return repr(path[:80])
    return "among them"


def check_target(path: bytes, target: bytes) -> None:
    """Raises UnsafeManifestError unless `target` is k `..` (k at most the depth of `path`), then plain parts."""
    climb = _CLIMB.match(target)
    end = climb.end() if climb else 0
    rest = target[end:]
    steps = (end + 1) // 3
    is_plain = bool(rest) or target.endswith(b"..")
    if not target or not is_plain or len(target) > TARGET_BYTES_MAX or b"\0" in target or steps > path.count(b"/"):
        raise UnsafeManifestError(f"a symlink that leads outside: {path[:80]!r} -> {target[:80]!r}")
    if rest and (_BAD_PART.search(rest) or _LONG_PART.search(rest)):
        raise UnsafeManifestError(f"an unsafe symlink: {path[:80]!r} -> {target[:80]!r}")
