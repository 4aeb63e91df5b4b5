"""What the operating system says about a file, in the words of `swarm.errors`. Called by `directory` only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, EFBIG, EISDIR, ELOOP, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS

from swarm.errors import CorruptError, MissingError, NoSpaceError, PermissionError_, SwarmError, UnavailableError

_FORBIDDEN = {EACCES, EPERM, EROFS}
_FULL = {ENOSPC, EDQUOT, EFBIG}
_NOT_A_FILE = {ELOOP, EISDIR, ENOTDIR}


@contextmanager
def os_errors(url: str, key: str) -> Iterator[None]:
    """Translates every OSError of the block."""
    try:
        yield
    except OSError as error:
        raise error_of(error, url, key) from error


def error_of(error: OSError, url: str, key: str) -> SwarmError:
    what = f"{key} in {url}" if key else url
    reason = error.strerror or str(error)
    if error.errno == ENOENT:
        return MissingError(f"{url} has no {key}")
    if error.errno in _FULL:
        return NoSpaceError(f"no room for {what}: {reason}", hint="make room on that file system, then run it again")
    if error.errno in _FORBIDDEN:
        hint = "run as a user of the store's group, or let its owner change the modes (chmod g+rws, umask 002)"
        return PermissionError_(f"no permission for {what}: {reason}", hint=hint)
    if error.errno in _NOT_A_FILE:
        return CorruptError(f"{what} is not a file of its own: {reason}", hint="symbolic links are not followed")
    return UnavailableError(f"cannot use {what}: {reason}", hint="look at the disk or the mount")
