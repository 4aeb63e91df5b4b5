"""Interleavings of publishers and collectors, request by request: what a tag means is whole at every moment, and
garbage is freed in the end. And that these checks find it where a rule is taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.protocol.ids import BlockId
from swarm.store import marker, store, sweep
from swarm.store.condemned import Run
from swarm.store.layout import BLOCKS, GC, VERSIONS, gc_key
from swarm.store.sweep import Sweep
from tests.store.machine import Step, run_schedule

SMALL = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("publish"), SMALL, SMALL, SMALL),
    st.tuples(st.just("collect"), SMALL, st.just(0), st.just(0)),
    st.tuples(st.just("step"), SMALL, st.integers(1, 60), st.just(0)),
    st.tuples(st.just("step"), SMALL, st.integers(1, 6), st.just(0)),
    st.tuples(st.just("untag"), SMALL, st.just(0), st.just(0)),
    st.tuples(st.just("kill"), SMALL, st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([6, 1200, 3600, 25_200, 46_800, 90_000]), st.just(0), st.just(0)),
    st.just(("finish", 0, 0, 0)),
)
SCHEDULES = st.lists(STEPS, min_size=5, max_size=40)


@given(SCHEDULES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_a_tag_means_is_whole_and_garbage_goes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    run_schedule(steps, tmp_path_factory.getbasetemp())


CONDEMNED: list[Step] = [
    ("publish", 0, 0, 0),
    ("finish", 0, 0, 0),
    ("publish", 0, 2, 1),
    ("finish", 0, 0, 0),
    ("untag", 0, 0, 0),
    ("wait", 90_000, 0, 0),
    ("collect", 0, 0, 0),
    ("finish", 0, 0, 0),
]
"""The first version is condemned, the third is tagged."""

DAY: Step = ("wait", 90_000, 0, 0)
END: Step = ("finish", 0, 0, 0)
PUBLISH: Step = ("publish", 0, 0, 0)
COLLECT: Step = ("collect", 0, 0, 0)
UNTIL_DELETES: Step = ("until", "collector 0", "delete", BLOCKS)
PUBLISHER_ENDS: Step = ("until", "publisher 0", "nothing", "")
COLLECTOR_ENDS: Step = ("until", "collector 0", "nothing", "")


def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "in_the_way", lambda *_: [])


def no_draining(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drained(_sweep: Sweep, _markers: set[str]) -> bool:
        return True

    monkeypatch.setattr(Sweep, "_drained", drained)


def no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marker, "COMMIT_AGE_MAX_S", float("inf"))


def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    async def condemned(_store: store.Store, _blocks: object) -> set[BlockId]:
        return set()

    monkeypatch.setattr(store.Store, "condemned", condemned)


def no_ownership(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "SWEEP_LIFE_S", -1.0)


def no_afterlife(monkeypatch: pytest.MonkeyPatch) -> None:
    async def end(self: Sweep, run: Run, *, is_dry_run: bool = False) -> None:
        await self._objects.delete(gc_key(run.name))

    monkeypatch.setattr(Sweep, "_end", end)


SCENARIOS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], list[Step]]] = {
    "a publisher who needs what is being deleted waits for the end of it": (
        no_waiting,
        [
            *CONDEMNED,
            DAY,
            COLLECT,
            UNTIL_DELETES,
            PUBLISH,
            PUBLISHER_ENDS,
            END,
        ],
    ),
    "a sweep waits for who has looked before and may write what it would delete": (
        no_draining,
        [
            *CONDEMNED,
            DAY,
            PUBLISH,
            ("until", "publisher 0", "put", BLOCKS),
            COLLECT,
            UNTIL_DELETES,
            PUBLISHER_ENDS,
            END,
        ],
    ),
    "a publisher who was suspended for longer than his marker does not commit": (
        no_gap,
        [*CONDEMNED[:6], PUBLISH, ("until", "publisher 0", "put", VERSIONS), ("wait", 30, 0, 0)]
        + [COLLECT, COLLECTOR_ENDS, DAY, DAY]
        + [COLLECT, COLLECTOR_ENDS] * 2
        + [
            DAY,
            COLLECT,
            COLLECTOR_ENDS,
            END,
        ],
    ),
    "a publisher looks at what is condemned before he counts on it": (
        no_second_look,
        [
            *CONDEMNED,
            DAY,
            COLLECT,
            UNTIL_DELETES,
            PUBLISH,
            PUBLISHER_ENDS,
            END,
        ],
    ),
    "nobody ends a sweep under a collector who may still delete": (
        no_ownership,
        [
            *CONDEMNED,
            DAY,
            COLLECT,
            UNTIL_DELETES,
            ("collect", 1, 0, 0),
            ("until", "collector 1", "nothing", ""),
            PUBLISH,
            PUBLISHER_ENDS,
            END,
        ],
    ),
    "a publisher who has seen a block before it was deleted hears of it": (
        no_afterlife,
        [
            *CONDEMNED,
            DAY,
            COLLECT,
            UNTIL_DELETES,
            PUBLISH,
            ("until", "publisher 0", "list", GC),
            COLLECTOR_ENDS,
            END,
        ],
    ),
}


@pytest.mark.parametrize("rule", SCENARIOS)
def test_each_rule_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    """With the rule nothing is lost; without it the machine says what."""
    break_it, steps = SCENARIOS[rule]
    run_schedule(steps, tmp_path)
    break_it(monkeypatch)
    with pytest.raises(AssertionError, match="a tag's version lacks"):
        run_schedule(steps, tmp_path, is_freed=False)


@pytest.mark.slow
@given(SCHEDULES)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_same_at_length(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    run_schedule(steps, tmp_path_factory.getbasetemp())
