"""Which symlinks a version may hold. Pure.

A link's target is relative: k leading `..` parts, k at most the number of directories above the link, and then plain
parts. So a link leads only to places inside the dataset, wherever that is put and through whatever other links.
"""

from __future__ import annotations

import posixpath


def tidy_target(target: bytes) -> bytes:
    """The same place without `.` parts and doubled slashes, which a version does not hold and which mean nothing."""
    if target.startswith(b"/"):
        return target
    return b"/".join(part for part in target.split(b"/") if part not in {b"", b"."})


def refusal(path: bytes, target: bytes) -> str | None:
    """Why a version cannot hold the link `path` -> `target` (tidied), as words after "it"; None if it can."""
    if target.startswith(b"/"):
        return "is absolute"
    parts = target.split(b"/")
    ups = next((number for number, part in enumerate(parts) if part != b".."), len(parts))
    if not target:
        return "points to its own directory"
    if ups > path.count(b"/"):
        return "leaves the dataset"
    if b".." in parts[ups:]:
        return "has `..` after a name"
    return None


def relative_target(path: bytes, target: bytes, root: bytes) -> bytes | None:
    """What an absolute `target` would be as a relative one, if it points inside `root`; None if it does not."""
    inside = posixpath.normpath(target)
    if not target.startswith(b"/") or not inside.startswith(root.rstrip(b"/") + b"/"):
        return None
    place = inside[len(root.rstrip(b"/")) + 1 :]
    return posixpath.relpath(b"/" + place, b"/" + posixpath.dirname(path))
