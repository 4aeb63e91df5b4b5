"""Whatever is raised becomes one message and one exit code."""

from __future__ import annotations

import errno
import re

import pytest

from cli.exit_codes import MEANINGS, ExitCode
from cli.failures import Interrupted, failure_of, telling
from swarm import errors
from swarm.errors import (
    InternalError,
    NoSpaceError,
    SwarmError,
    TransportError,
    TrustError,
    UnavailableError,
    UnreachableError,
)


def subclasses(kind: type[SwarmError]) -> list[type[SwarmError]]:
    return [kind, *(one for child in kind.__subclasses__() for one in subclasses(child))]


@pytest.mark.parametrize("kind", subclasses(SwarmError))
def test_every_error_has_a_code_of_the_table(kind: type[SwarmError]) -> None:
    assert ExitCode(kind.exit_code) in MEANINGS


def test_the_codes_that_the_tree_of_errors_draws_are_the_ones_it_has() -> None:
    drawn = re.findall(r"[├└]── (\w+) +(\d+)", errors.__doc__ or "")
    assert len(drawn) > 10
    for name, code in drawn:
        assert getattr(errors, name).exit_code == int(code)


def test_a_swarm_error_keeps_its_words() -> None:
    failure = failure_of(NoSpaceError("no room", hint="make some"))
    assert (failure.message, failure.hint, failure.exit_code, failure.is_defect) == ("no room", "make some", 6, False)


@pytest.mark.parametrize("error", [KeyError("x"), InternalError("promise broken"), AssertionError()])
def test_anything_else_is_a_defect_and_says_how_to_report_it(error: Exception) -> None:
    failure = failure_of(error)
    assert failure.exit_code == 1
    assert failure.is_defect
    assert "defect" in failure.message
    assert "report" in failure.hint


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_the_systems_refusals_are_no_defect(number: int) -> None:
    failure = failure_of(OSError(number, "said so", "/some/file"))
    assert failure.exit_code == 6
    assert "/some/file" in failure.message
    assert failure.hint


def test_a_group_is_told_by_the_error_that_says_most() -> None:
    lost, down = TransportError("connection lost"), UnavailableError("slow down")
    trust = TrustError("another key")
    group = BaseExceptionGroup("", [lost, ExceptionGroup("", [down, trust]), UnreachableError("nobody")])
    assert telling(group) is trust
    assert failure_of(group).exit_code == 5
    assert telling(ExceptionGroup("", [lost, down])) is lost


def test_a_defect_hides_no_refusal_and_is_not_hidden_by_a_lost_connection() -> None:
    defect, lost, full = KeyError("x"), TransportError("lost"), NoSpaceError("full")
    assert telling(ExceptionGroup("", [lost, defect])) is defect
    assert telling(ExceptionGroup("", [defect, full])) is full


def test_an_interruption_in_a_group_decides() -> None:
    stop = Interrupted(ExitCode.TERMINATED)
    assert telling(BaseExceptionGroup("", [TrustError("x"), stop])) is stop
    keyboard = KeyboardInterrupt()
    assert telling(BaseExceptionGroup("", [TrustError("x"), keyboard])) is keyboard
