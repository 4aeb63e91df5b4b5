"""The result of one check, and what turns an exception into one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from cli.exit_codes import ExitCode
from cli.failures import failure_of
from swarm.errors import SwarmError


class Status(StrEnum):
    """OK: nothing to do. WARN: it works, and could be better. FAIL: something that was asked for will not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, how it stands, and what to do about it."""

    name: str
    status: Status
    text: str
    hint: str = ""
    exit_code: ExitCode = ExitCode.DONE
    """What the command ends with where this is the first that failed."""


def ok(name: str, text: str) -> Check:
    """Nothing to do."""
    return Check(name, Status.OK, text)


def warn(name: str, text: str, hint: str) -> Check:
    """It works, and could be better."""
    return Check(name, Status.WARN, text, hint)


def fail(name: str, text: str, hint: str, code: ExitCode) -> Check:
    """It will not work."""
    return Check(name, Status.FAIL, text, hint, code)


Checks = list[Check]


async def guarded(name: str, look: Callable[[], Awaitable[Checks]]) -> Checks:
    """What `look` finds; what it raises becomes a failed check."""
    try:
        return await look()
    except (SwarmError, OSError, ExceptionGroup) as error:
        failure = failure_of(error)
        return [fail(name, failure.message, failure.hint or "see the message", ExitCode(failure.exit_code))]
