"""Every exception that swarm raises on purpose, in one tree.

    SwarmError                      what happened, what to do next, an exit code
    ├── InternalError        1      a broken promise of our own
    ├── UsageError           2      the call was wrong
    ├── NotFoundError        3      no such name, tag, version, path; or it is gone
    ├── UnreachableError     4      no source can be reached
    ├── RefusedError         5      we could, and will not
    │   ├── TrustError              a key or realm that is not trusted
    │   ├── SignatureError          a record whose signature is wrong
    │   ├── ForkError               two records with one number
    │   └── UnsafeManifestError     a manifest that would harm
    ├── NoSpaceError         6      the disk is full
    ├── PermissionError_     6      the system or the store forbids it
    ├── VerificationError    7      bytes are not what they should be
    ├── EditedFilesError     7      somebody changed files of a holding
    ├── ConflictError        8      another producer was first
    ├── SourceChangedError   9      the data changed while it was being published
    ├── HookError            10     a new version was there, and the user's own command failed
    ├── DecodeError          5      bytes from outside that break a format's rules
    ├── StoreError                  what a store may answer (three different things):
    │   ├── MissingError     3          it has no such object
    │   ├── CorruptError     7          it has one, and it is wrong
    │   └── UnavailableError 4          it cannot say now; try again later
    └── TransportError       4      a connection could not be made or has ended

A foreign exception (libp2p, botocore, sqlite) ends at the adapter that imports the library.

trio gathers in groups what fails at once; `most_telling` says which one of a group a caller hears of.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import ClassVar, Final

NO_ROOM: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS))
"""What the system says about room and rights, wherever it comes up; exit code 6."""

TELLING: Final = (5, 7, 8, 9, 10, 6, 2, 3, 1, 4)
"""Exit codes: of several errors the first in this row decides; later ones are often consequences of earlier ones."""


class SwarmError(Exception):
    """`message` says what happened; `hint` says what to do next; `exit_code` is what the command returns."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InternalError(SwarmError):
    """A promise of our own was broken: a defect in swarm."""


class UsageError(SwarmError):
    """The command or the call was used wrongly."""

    exit_code = 2


class NotFoundError(SwarmError):
    """There is no such name, tag, version or path, or it is gone."""

    exit_code = 3


class UnreachableError(SwarmError):
    """No source that could answer can be reached."""

    exit_code = 4


class RefusedError(SwarmError):
    """It could be done, and is refused."""

    exit_code = 5


class TrustError(RefusedError):
    """A key or a realm that is not the pinned one."""


class SignatureError(RefusedError):
    """A record whose signature does not hold."""


class ForkError(RefusedError):
    """Two records carry the same number and say different things."""


class UnsafeManifestError(RefusedError):
    """A manifest that reaches outside its directory or past a bound."""


class DecodeError(RefusedError):
    """Bytes from outside that break the rules of their format."""


class NoSpaceError(SwarmError):
    """The file system has not enough room."""

    exit_code = 6


class PermissionError_(SwarmError):  # noqa: N801  # the builtin has the name
    """The operating system or the store forbids it."""

    exit_code = 6


class VerificationError(SwarmError):
    """Bytes are not what their name says."""

    exit_code = 7


class EditedFilesError(SwarmError):
    """Files of a holding were changed by somebody else."""

    exit_code = 7


class ConflictError(SwarmError):
    """Another producer was first; nothing was overwritten. `newest` is the record that is there, where one is."""

    exit_code = 8

    def __init__(self, message: str, *, hint: str = "", newest: bytes | None = None) -> None:
        super().__init__(message, hint=hint)
        self.newest = newest


class SourceChangedError(SwarmError):
    """The data changed while it was being published."""

    exit_code = 9


class HookError(SwarmError):
    """The user's own command for a new version has failed; the version before is current again."""

    exit_code = 10


class StoreError(SwarmError):
    """A store could not do what was asked; see its three kinds."""


class MissingError(StoreError):
    """The store has no such object."""

    exit_code = 3


class CorruptError(StoreError):
    """The store has the object, and its bytes are wrong."""

    exit_code = 7


class UnavailableError(StoreError):
    """The store cannot answer now; the same request may succeed later."""

    exit_code = 4

    def __init__(self, message: str, *, hint: str = "", is_slow_down: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_slow_down = is_slow_down


class TransportError(SwarmError):
    """A connection could not be made, or has ended."""

    exit_code = 4


def most_telling(error: BaseException) -> BaseException:
    """The leaf of an exception group that says most; of equals the first. An error that is no group is itself.

    What is no Exception (KeyboardInterrupt) comes before all, trio's Cancelled after all, and what nobody has foreseen
    counts as internal.
    """
    return min(leaves(error), key=_rank)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group and in the groups within it, in their order."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    else:
        yield error


def _rank(error: BaseException) -> int:
    if type(error).__name__ == "Cancelled":  # by its name: trio is not imported for this
        return len(TELLING)
    if not isinstance(error, Exception):
        return -1
    if isinstance(error, SwarmError):
        return TELLING.index(error.exit_code)
    is_room = isinstance(error, OSError) and error.errno in NO_ROOM
    return TELLING.index(PermissionError_.exit_code if is_room else InternalError.exit_code)
