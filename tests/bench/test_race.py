from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.race import DONE, READY, Churn, Entrant, RaceError, race
from bench.turns import killed_of

ENDS = "print('READY', flush=True); print('DONE', flush=True)"


def entrant(place: Path, name: str, code: str) -> Entrant:
    moments = {"READY": READY, "DONE": DONE}
    command = [sys.executable, "-c", code]
    return Entrant(name, command, dict(os.environ), lambda line: moments.get(line.strip()), place / name, True)


def test_at_least_one_is_killed_where_any_are() -> None:
    assert [killed_of(10, 20), killed_of(8, 20), killed_of(1, 20), killed_of(8, 0)] == [2, 2, 1, 0]


def test_who_is_killed_is_not_waited_for_and_who_comes_is(tmp_path: Path) -> None:
    sleeps = entrant(tmp_path, "sleeps", "import time; print('READY', flush=True); time.sleep(1000)")
    late = entrant(tmp_path, "late", ENDS)
    runs = race([entrant(tmp_path, "quick", ENDS), sleeps], 60, Churn(lambda: True, frozenset({"sleeps"}), [late]))
    assert [(run.name, run.is_late, run.is_killed, DONE in run.moments) for run in runs] == [
        ("quick", False, False, True),
        ("sleeps", False, True, False),
        ("late", True, False, True),
    ]
    assert runs[2].started_s > 0


def test_who_ends_without_being_done_ends_the_race(tmp_path: Path) -> None:
    with pytest.raises(RaceError, match="fails ended before it was done"):
        race([entrant(tmp_path, "fails", "")], 60)
