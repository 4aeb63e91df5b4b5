"""What the operating system's refusals mean to a user: OSError and sqlite3.Error in, our errors out."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from swarm.errors import NoSpaceError, PermissionError_, RefusedError, SwarmError, UsageError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
UNNAMEABLE = frozenset({errno.ENAMETOOLONG, errno.EILSEQ})


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns what the system raises within into a SwarmError; `doing` completes "cannot ..." ("write /data/x")."""
    try:
        yield
    except OSError as error:
        raise explain(error, doing) from error
    except sqlite3.Error as error:
        raise explain_index(error, doing) from error


def explain(error: OSError, doing: str) -> SwarmError:
    """Our error for one of the system's."""
    path = shown(os.fsencode(error.filename)) if isinstance(error.filename, str | bytes) else ""
    where = f"{path}: " if path and not doing.endswith(path) else ""
    message = f"cannot {doing}: {where}{error.strerror or error}"
    if error.errno == errno.EFBIG:
        return NoSpaceError(message, hint="the file system or a limit (ulimit -f) forbids files this large")
    if error.errno in FULL:
        return NoSpaceError(message, hint="make room and run the same command again: it goes on where it stopped")
    if error.errno in FORBIDDEN:
        return PermissionError_(message, hint="the user that runs swarm must be able to read and write there")
    if error.errno in UNNAMEABLE:
        return UsageError(message, hint="this file system cannot hold that name; choose another place for DEST")
    if is_missing(error):
        return UsageError(
            message, hint="what should be a directory is none, or is gone; choose another DEST (or SWARM_HOME)"
        )
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return PermissionError_(message, hint="raise the limit of open files (ulimit -n)")
    return SwarmError(message)


def explain_index(error: sqlite3.Error, doing: str) -> SwarmError:
    """Our error for one of SQLite's."""
    message = f"cannot {doing}: {error}"
    text = str(error)
    if "full" in text or "disk I/O" in text:
        return NoSpaceError(message, hint="make room where $SWARM_HOME is and run the same command again")
    if "readonly" in text or "unable to open" in text:
        return PermissionError_(message, hint="the user that runs swarm must be able to write to $SWARM_HOME")
    if "locked" in text:
        return SwarmError(message, hint="another swarm command holds the index for very long; try again")
    if isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
        return RefusedError(
            message, hint="move index.sqlite out of $SWARM_HOME; the datasets themselves are not touched"
        )
    return SwarmError(message)


def shown(path: bytes) -> str:
    """A path for people: bytes that are not UTF-8 as `\\xff`, so that any terminal can show it."""
    return path.decode("utf-8", "backslashreplace")


def is_missing(error: OSError) -> bool:
    """Whether the name (or a directory on the way to it) is not there, or is not a directory or is a link."""
    return error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


def real(path: str | bytes | os.PathLike[str]) -> bytes:
    """The absolute path with links resolved; what does not exist yet keeps its name."""
    return os.path.realpath(os.fsencode(path))
