"""The runs of a collection under `gc/`, and who may take the next step with them (docs/store.md section 4).

    begun ► condemned ─(24 h, its markers gone)► claimed ► sweeping ─(its markers gone, deletions)► swept
    ─(its markers gone)► removed

Each step that must know who publishes is written first and looks at the markers afterwards: so a publisher either is
among those that are awaited, or has begun late enough to read what was written.
"""

from __future__ import annotations

import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import trio

from swarm.errors import UnavailableError
from swarm.protocol.ids import DIGEST_BYTES, BlockId
from swarm.store._objects import Objects
from swarm.store.ages import DELETE_AGE_MAX_S, DRAIN_S, GRACE_S, STALE_MARKER_S, SWEEP_LIFE_S, SWEEP_RENEW_S
from swarm.store.condemned import Condemnation, Run, State, condemn, load_runs, split, with_state
from swarm.store.layout import gc_key
from swarm.store.marker import live_markers

DRAIN_POLL_S = 2.0
OPEN_RUNS_MAX = 16
"""Condemned at once: sixteen million objects, 512 MiB of ids for who reads them all."""


def boot_time_s() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Rules:
    """How a collection goes about it. `collector` names whoever may take up his own sweep again at once; nobody else
    of that name runs. `clock`: seconds that also count suspension."""

    collector: str = field(default_factory=lambda: uuid.uuid4().hex)
    grace_s: float = GRACE_S
    drain_s: float = DRAIN_S
    clock: Callable[[], float] = boot_time_s


class Sweep:
    """The runs that are this collection's to delete from. `waiting` says why others are not, in words."""

    def __init__(self, objects: Objects, rules: Rules) -> None:
        self._objects = objects
        self._rules = rules
        self._written_s = 0.0
        self.claimed: list[Run] = []
        self.open: list[Run] = []
        self.waiting: list[str] = []

    async def load(self, now_s: float, *, is_dry_run: bool = False) -> list[Run]:
        """Ends what has ended, counts what was not counted. Returns the runs that may be claimed."""
        ripe: list[Run] = []
        self.claimed, self.open, self.waiting = [], [], []
        for found in await load_runs(self._objects):
            state = found.condemnation.state
            is_uncounted = state is State.BEGUN and not is_dry_run
            run = await self._write(found, State.CONDEMNED, await self._live()) if is_uncounted else found
            if state is State.SWEPT:
                await self._end(run, is_dry_run=is_dry_run)
            elif await self._is_ripe(run, now_s):
                ripe.append(run)
            else:
                self.open.append(run)
        return ripe

    async def claim(self, ripe: list[Run]) -> None:
        """Makes `ripe` ours to delete from once nobody who publishes now counts on it; else leaves it as it was."""
        if not ripe:
            return
        runs = [await self._write(run, State.CLAIMED, (), collector=self._rules.collector) for run in ripe]
        markers = await self._live()
        self._written_s = self._rules.clock()
        runs = [await self._write(run, State.SWEEPING, markers, collector=self._rules.collector) for run in runs]
        if await self._drained(set(markers)):
            self.claimed = runs
            return
        for run in runs:
            self.open.append(await self._write(run, State.CONDEMNED, ()))
        self.waiting.append("somebody publishes, and whoever begins now would have to wait for us: try again later")

    async def check(self) -> None:
        """Before each deletion. Raises UnavailableError where we were suspended: the sweep may be another's."""
        age_s = self._rules.clock() - self._written_s
        if age_s > DELETE_AGE_MAX_S:
            message = "this collection of garbage was suspended for too long to go on deleting"
            raise UnavailableError(message, hint="run it again: it goes on from there")
        if age_s > SWEEP_RENEW_S:
            self._written_s = self._rules.clock()
            for run in self.claimed:
                await condemn(self._objects, run.name, run.condemnation)

    async def finish(self) -> None:
        """Everything is deleted: publishers need not wait any longer."""
        for run in self.claimed:
            await self.check()
            # Looked at after the last deletion: who comes later finds nothing there to count on.
            await self._end(await self._write(run, State.SWEPT, await self._live()))
        self.claimed = []

    async def add(self, condemnation: Condemnation) -> None:
        """Condemns something new."""
        run = Run(uuid.uuid4().hex, 0.0, replace(condemnation, state=State.BEGUN))
        await condemn(self._objects, run.name, run.condemnation)
        self.open.append(await self._write(run, State.CONDEMNED, await self._live()))

    @property
    def is_full(self) -> bool:
        return len(self.open) + len(self.claimed) >= OPEN_RUNS_MAX

    # --- inside

    async def _is_ripe(self, run: Run, now_s: float) -> bool:
        condemnation = run.condemnation
        if condemnation.is_swept_now:
            is_ours = condemnation.collector == self._rules.collector
            if is_ours or now_s - run.modified_s >= SWEEP_LIFE_S:
                return True
            self.waiting.append(
                "another collection is deleting, or was killed: it may be taken up two hours after that"
            )
            return False
        if now_s - condemnation.time_ms / 1000 < self._rules.grace_s:
            return False
        live = await live_markers(self._objects)
        if set(condemnation.markers) & live.keys():
            self.waiting.append("somebody who was publishing at the condemnation has not ended yet")
            return False
        if any(now_s - written_s > STALE_MARKER_S for written_s in live.values()):
            self.waiting.append("a publisher was killed or hangs: it is counted for 24 h after its last sign of life")
            return False
        return True

    async def _drained(self, markers: set[str]) -> bool:
        deadline = trio.current_time() + self._rules.drain_s
        while markers & (await live_markers(self._objects)).keys():
            if trio.current_time() >= deadline or self._rules.clock() - self._written_s > DELETE_AGE_MAX_S:
                return False
            await trio.sleep(DRAIN_POLL_S)
        return True

    async def _end(self, run: Run, *, is_dry_run: bool = False) -> None:
        if not is_dry_run and not set(run.condemnation.markers) & (await live_markers(self._objects)).keys():
            await self._objects.delete(gc_key(run.name))

    async def _live(self) -> tuple[str, ...]:
        return tuple(sorted(await live_markers(self._objects)))

    async def _write(self, run: Run, state: State, markers: tuple[str, ...], *, collector: str = "") -> Run:
        condemnation = replace(with_state(run.condemnation, state, markers), collector=collector)
        await condemn(self._objects, run.name, condemnation)
        return Run(run.name, run.modified_s, condemnation)


def times_of(runs: Iterable[Run], first_byte: int) -> dict[BlockId, int]:
    """The condemned blocks that begin with a byte, each with the time (Unix ms) of the last run that names it."""
    found: dict[BlockId, int] = {}
    for run in runs:
        blocks = run.condemnation.blocks
        for block in split(_part(blocks, first_byte)):
            found[block] = max(run.condemnation.time_ms, found.get(block, 0))
    return found


def root_times_of(runs: Iterable[Run]) -> dict[bytes, int]:
    """The same for roots, all of them."""
    found: dict[bytes, int] = {}
    for run in runs:
        for root in split(run.condemnation.roots):
            found[root] = max(run.condemnation.time_ms, found.get(root, 0))
    return found


def _part(packed: bytes, first_byte: int) -> bytes:
    places = range(len(packed) // DIGEST_BYTES)
    start, end = (
        bisect_left(places, byte, key=lambda at: packed[at * DIGEST_BYTES]) for byte in (first_byte, first_byte + 1)
    )
    return packed[start * DIGEST_BYTES : end * DIGEST_BYTES]
