"""What the file system of a staging area can do, found out by trying: nothing else tells it for sure."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import FileIO

from swarm.holdings import linux
from swarm.holdings.swap import REFUSALS

PROBES = (b"probe-a", b"probe-b")

PROBE_BYTES = 65_536
"""A whole unit of every file system: some share no less."""


def can_exchange(area: bytes) -> bool:
    """Whether it exchanges names at all: tried with two empty directories. Raises OSError."""
    return _is_done(area, _exchange, os.rmdir)


def can_clone(area: bytes) -> bool:
    """Whether it lets files share their bytes: tried with two files. Raises OSError."""
    return _is_done(area, _clone, os.unlink)


def can_clone_beside(path: bytes) -> bool:
    """Whether a staging area that is to be made at `path` could: tried with two files that get no name, so that nothing
    is to be seen of it. False where that cannot be tried."""
    directory = os.path.dirname(path)
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    try:
        with _nameless(directory) as source, _nameless(directory) as target:
            source.write(bytes(PROBE_BYTES))
            linux.clone(source.fileno(), target.fileno())
    except OSError:
        return False
    return True


def _nameless(directory: bytes) -> FileIO:
    """Raises OSError, also where there is no such thing."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return FileIO(os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600), "w")


def _is_done(area: bytes, attempt: Callable[[int], None], remove: Callable[..., None]) -> bool:
    directory = os.open(area, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        attempt(directory)
    except OSError as error:
        if error.errno in REFUSALS:
            return False
        raise
    finally:
        for name in PROBES:
            with suppress(OSError):
                remove(name, dir_fd=directory)
        os.close(directory)
    return True


def _exchange(directory: int) -> None:
    for name in PROBES:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=directory)
    linux.exchange(directory, PROBES[0], directory, PROBES[1])


def _clone(directory: int) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
    files = [os.open(name, flags, 0o600, dir_fd=directory) for name in PROBES]
    try:
        os.write(files[0], bytes(PROBE_BYTES))
        linux.clone(*files)
    finally:
        for file in files:
            os.close(file)
