"""Everything under a directory with its status, following symlinks where asked. Reads no file's bytes.

Problems are collected, not raised one by one, so that a user hears of all of them at once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from swarm.dataset.entries import ScanOptions, cannot_read, name_some, show
from swarm.errors import PermissionError_, UsageError
from swarm.protocol.bounds import PATH_BYTES_MAX

OWN_DIRECTORY = b".swarm"
"""At the top of a directory that is a mount point, a fetch keeps its staging there: never part of a version."""


KEPT_HINT = (
    "make them relative and within the dataset, or say --links follow (publishes what they point to) "
    "or --links skip (leaves all symlinks out)"
)
FOLLOWED_HINT = "mend them, or leave them out with --exclude or --links skip"


class Found(NamedTuple):
    """One thing under the root. `status` is the target's where a symlink was followed."""

    path: bytes
    status: os.stat_result


@dataclass(slots=True)
class Complaints:
    """What is in the way of publishing, by kind, in the words of the error."""

    unreadable: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    follows: bool = False
    """Links are followed: those named lead nowhere, or in a circle."""

    def raise_any(self) -> None:
        """One error for the first kind that there is, naming all of it. PermissionError_ or UsageError."""
        if self.unreadable:
            raise PermissionError_(
                f"cannot read {name_some(sorted(self.unreadable))}", hint="run as a user who may, or --exclude them"
            )
        if self.special:
            raise UsageError(
                f"neither files, directories nor symlinks: {name_some(sorted(self.special))}",
                hint="leave them out with --skip-special or --exclude",
            )
        if self.links:
            raise UsageError(
                f"symlinks that a dataset cannot hold: {name_some(sorted(self.links))}",
                hint=FOLLOWED_HINT if self.follows else KEPT_HINT,
            )


class _Directory(NamedTuple):
    path: bytes
    above: frozenset[tuple[int, int]]
    """(device, inode) of itself and the directories above: a followed link back into them would never end."""


def walk(root: bytes, status: os.stat_result, options: ScanOptions, complaints: Complaints) -> Iterator[Found]:
    """All that is below the directory `root`, in no order, without the inside of excluded directories.

    Raises SourceChangedError where something vanishes meanwhile, PermissionError_ where the disk fails, UsageError for
    a path past the format's bound.
    """
    waiting = [_Directory(b"", frozenset({(status.st_dev, status.st_ino)}))]
    while waiting:
        directory = waiting.pop()
        for found in _read(root, directory, options, complaints):
            yield found
            if stat.S_ISDIR(found.status.st_mode):
                waiting.extend(_below(directory, found, complaints))


def _below(directory: _Directory, found: Found, complaints: Complaints) -> list[_Directory]:
    place = (found.status.st_dev, found.status.st_ino)
    if place in directory.above:
        complaints.links.append(f"{show(found.path)} leads back to a directory above it")
        return []
    return [_Directory(found.path, directory.above | {place})]


def _read(root: bytes, directory: _Directory, options: ScanOptions, complaints: Complaints) -> Iterator[Found]:
    for item in _listing(root, directory.path, complaints):
        path = directory.path + b"/" + item.name if directory.path else item.name
        if path == OWN_DIRECTORY or not options.selection.may_enter(path):
            continue
        if len(path) > PATH_BYTES_MAX:
            raise UsageError(
                f"the path {show(path)} is longer than {PATH_BYTES_MAX} bytes", hint="shorten or --exclude it"
            )
        status = _status(path, item, options, complaints)
        if status:
            yield Found(path, status)


def _listing(root: bytes, path: bytes, complaints: Complaints) -> list[os.DirEntry[bytes]]:
    try:
        with os.scandir(root + b"/" + path) as listing:
            return list(listing)
    except PermissionError:
        complaints.unreadable.append(show(path or b"."))
        return []
    except OSError as error:
        raise cannot_read(path or b".", error) from error


def _status(
    path: bytes, item: os.DirEntry[bytes], options: ScanOptions, complaints: Complaints
) -> os.stat_result | None:
    try:
        status = item.stat(follow_symlinks=False)
    except PermissionError:
        complaints.unreadable.append(show(path))
        return None
    except OSError as error:
        raise cannot_read(path, error) from error
    return _followed(path, item, complaints) if stat.S_ISLNK(status.st_mode) and options.links == "follow" else status


def _followed(path: bytes, item: os.DirEntry[bytes], complaints: Complaints) -> os.stat_result | None:
    try:
        return item.stat(follow_symlinks=True)
    except PermissionError:
        complaints.unreadable.append(show(path))
    except OSError as error:
        complaints.links.append(f"{show(path)} leads nowhere ({error.strerror})")
    return None
