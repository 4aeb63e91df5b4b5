"""The moment in which DEST becomes the new version: one rename, or one exchange of two directories."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from swarm.holdings import linux
from swarm.holdings.area import TREE

REFUSALS = linux.UNSUPPORTED | {errno.EBUSY, errno.EXDEV}
"""EBUSY: a mount point. EXDEV: another file system, or a directory of overlayfs that comes from a lower layer."""


def swap(area: bytes, dest: bytes) -> bool:
    """Puts the staged tree at `dest`, and what was there where the staged tree was, in one step.

    Returns False where kernel or file system cannot do that for this pair; nothing was changed then. Raises OSError,
    and FileExistsError where something appeared at a `dest` that was free.
    """
    above, name = os.path.split(dest)
    area_directory, above_directory = _open(area), _open(above)
    try:
        if not os.path.lexists(dest):
            linux.rename_to_free_name(area_directory, TREE, above_directory, name)
        else:
            mode = _take_ownership(area_directory, above_directory, name)
            linux.exchange(area_directory, TREE, above_directory, name)
            os.chmod(name, mode, dir_fd=above_directory)
    except OSError as error:
        if error.errno in REFUSALS:
            return False
        raise
    else:
        sync_directories(area_directory, above_directory)
        return True
    finally:
        os.close(area_directory)
        os.close(above_directory)


def sync_directories(*descriptors: int) -> None:
    """Puts their names on the disk, where the file system has such a thing (some of FUSE's do not)."""
    for descriptor in descriptors:
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in linux.UNSUPPORTED:
                raise


def identity(path: bytes) -> tuple[int, int] | None:
    """(device, inode) of the directory at `path`, by which it is known again wherever it was renamed to."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _take_ownership(area: int, above: int, name: bytes) -> int:
    """The new directory gets the old one's owner, as far as we may; returns the old one's mode. No version says them.

    A directory cannot be moved to another one without its owner's right to write, which both get for the moment.
    """
    old = os.stat(name, dir_fd=above, follow_symlinks=False)
    with suppress(PermissionError):
        os.chown(TREE, old.st_uid, old.st_gid, dir_fd=area, follow_symlinks=False)
    mode = stat.S_IMODE(old.st_mode)
    if not mode & 0o200:
        os.chmod(name, mode | 0o200, dir_fd=above)
    return mode


def _open(path: bytes) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
