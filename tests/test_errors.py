"""Of several errors one is told: the one that says most."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from swarm import errors
from swarm.errors import TELLING, SwarmError, most_telling

DOCS = Path(__file__).parent.parent / "docs"

ONE_OF_EACH = (
    errors.TrustError("5"),
    errors.CorruptError("7"),
    errors.ConflictError("8"),
    errors.SourceChangedError("9"),
    errors.HookError("10"),
    errors.NoSpaceError("6"),
    errors.UsageError("2"),
    errors.MissingError("3"),
    errors.InternalError("1"),
    errors.TransportError("4"),
)


def kinds(kind: type[SwarmError]) -> set[int]:
    return {kind.exit_code}.union(*(kinds(child) for child in kind.__subclasses__()))


def test_every_code_has_a_place_in_the_row_and_the_docs_have_the_same_row() -> None:
    assert sorted(TELLING) == sorted(kinds(SwarmError))
    row = re.search(r"in this order: ([\d, ]+)\.", (DOCS / "exit-codes.md").read_text())
    assert row
    assert tuple(int(code) for code in row[1].split(", ")) == TELLING


@pytest.mark.parametrize("place", range(len(ONE_OF_EACH)))
def test_of_several_the_first_in_the_row_decides_wherever_it_is_in_the_group(place: int) -> None:
    said = ONE_OF_EACH[place]
    later = list(ONE_OF_EACH[place + 1 :])
    assert said.exit_code == TELLING[place]
    assert most_telling(ExceptionGroup("", [*later, ExceptionGroup("", [said])])) is said


def test_of_equals_the_first_decides() -> None:
    first, second = errors.TransportError("a"), errors.UnreachableError("b")
    assert most_telling(ExceptionGroup("", [first, second])) is first


def test_an_error_alone_is_itself() -> None:
    alone = KeyError("x")
    assert most_telling(alone) is alone


def test_what_the_system_says_of_room_counts_as_room_and_what_nobody_foresaw_as_internal() -> None:
    full, unforeseen = OSError(errno.ENOSPC, "full"), OSError(errno.EIO, "broken")
    usage, lost = errors.UsageError("2"), errors.TransportError("4")
    assert most_telling(ExceptionGroup("", [usage, full])) is full
    assert most_telling(ExceptionGroup("", [unforeseen, usage])) is usage
    assert most_telling(ExceptionGroup("", [lost, unforeseen])) is unforeseen


def test_an_interruption_decides() -> None:
    stop = KeyboardInterrupt()
    assert most_telling(BaseExceptionGroup("", [errors.TrustError("5"), stop])) is stop
