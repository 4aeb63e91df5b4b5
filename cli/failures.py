"""From whatever was raised to one message, one hint and one exit code.

trio gathers errors in groups; the user gets the one that says most: a refusal or a full disk says more than the lost
connection that came with it. What is not a SwarmError is a defect, except for what the system says about rights,
room and a closed pipe.
"""

from __future__ import annotations

import errno
import os
import traceback
from dataclasses import dataclass

from cli.exit_codes import ExitCode
from swarm.errors import NO_ROOM, InternalError, SwarmError, leaves, most_telling

ISSUES = "the project's issue tracker"


class Interrupted(Exception):
    """A signal ended the command after it had tidied up; `exit_code` is 130 or 143."""

    def __init__(self, exit_code: ExitCode) -> None:
        super().__init__(exit_code.name.lower())
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Failure:
    """What the user is told. `is_defect`: it is our fault, and `details` holds the traceback."""

    message: str
    hint: str
    exit_code: int
    is_defect: bool = False
    details: str = ""


def failure_of(error: BaseException) -> Failure:
    """The failure that an exception (or a group of them) means."""
    found = telling(error)
    if isinstance(found, SwarmError) and not isinstance(found, InternalError):
        return Failure(found.message, found.hint, found.exit_code, details=_traceback(error))
    if isinstance(found, OSError) and found.errno in NO_ROOM:
        name = f"{os.fsdecode(found.filename)}: " if isinstance(found.filename, str | bytes) else ""
        hint = "make room, and start it again" if found.errno in (errno.ENOSPC, errno.EDQUOT) else "check the rights"
        return Failure(f"{name}{found.strerror}", hint, ExitCode.NO_ROOM, details=_traceback(error))
    if isinstance(found, MemoryError):
        return Failure("out of memory", "close something else, or use a machine with more", ExitCode.NO_ROOM)
    text = found.message if isinstance(found, SwarmError) else f"{type(found).__name__}: {found}"
    return Failure(
        f"this is a defect in swarm: {text}",
        f"please report it to {ISSUES}, with what `-v` (or SWARM_DEBUG=1) prints when you run it again",
        ExitCode.INTERNAL,
        is_defect=True,
        details=_traceback(error),
    )


def telling(error: BaseException) -> BaseException:
    """The leaf of an exception group that says most: that somebody has ended the command, else what `errors` ranks."""
    ended = (leaf for leaf in leaves(error) if isinstance(leaf, KeyboardInterrupt | Interrupted))
    return next(ended, None) or most_telling(error)


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
