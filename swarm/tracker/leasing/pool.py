"""Which indexes of a version may leave the origin, as far as the tracker knows; and the choice among them.

One byte an index: *free* may be granted, *given* has left the origin under a lease (or is held by somebody who said
so), *untold* is a seeder's to give or may have been given by one that is gone: nobody told the tracker, so it waits
until agents miss it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.protocol.ids import Index, Run, Runs
from swarm.protocol.runs import clip

if TYPE_CHECKING:
    from random import Random

UNTOLD, FREE, GIVEN = 0, 1, 2

PROBES = 16
"""Random tries before the next fitting index after a random place is taken. The bias of that matters to nobody: it
only appears when few are left."""

_FREE = bytes([FREE])
_PATTERNS = {
    bytes(states): re.compile(b"[%b]+" % bytes(states))
    for states in ((UNTOLD,), (FREE,), (GIVEN,), (FREE, UNTOLD), (UNTOLD, GIVEN))
}


@dataclass(frozen=True, slots=True)
class Useful:
    """Runs within pages, and within blocks."""

    pages: Runs
    blocks: Runs


class Pool:
    """The state of every index in one version (and, where the budget is by site, one site)."""

    def __init__(self, page_count: int, space: int, *, is_free: bool) -> None:
        self._state = bytearray([FREE if is_free else UNTOLD]) * space
        self._page_count = page_count
        self.free_count = space if is_free else 0

    @property
    def space(self) -> int:
        return len(self._state)

    def state(self, index: int) -> int:
        return self._state[index]

    def mark(self, index: int, state: int) -> None:
        """Sets one index to UNTOLD, FREE or GIVEN."""
        self.free_count += (state == FREE) - (self._state[index] == FREE)
        self._state[index] = state

    def mark_runs(self, runs: Runs, state: int) -> None:
        """Sets runs; what reaches past the space is cut off."""
        for first, count in runs:
            end = min(first + count, self.space)
            if first < end:
                freed = end - first if state == FREE else 0
                self.free_count += freed - self._state.count(_FREE, first, end)
                self._state[first:end] = bytes([state]) * (end - first)

    def runs_of(self, *states: int) -> Runs:
        """The indexes in any of these states."""
        return self._runs(_PATTERNS[bytes(states)], 0, self.space)

    def within(self, runs: Runs, *states: int) -> Runs:
        """What of `runs` is in any of these states. `runs` must lie within the space."""
        pattern = _PATTERNS[bytes(states)]
        return tuple(run for first, count in runs for run in self._runs(pattern, first, first + count))

    def of_use(self, lacks: Runs | None) -> Useful:
        """What can be taken for who lacks this (None: everything), cut once for many calls of `take`."""
        runs = ((0, self.space),) if lacks is None else lacks
        return Useful(clip(runs, 0, self._page_count), clip(runs, self._page_count, self.space))

    def take(self, useful: Useful, rng: Random) -> Index | None:
        """A free index that is of use, now given: the first page, else a block at random."""
        if not self.free_count:
            return None
        found = self._first_free(useful.pages)
        if found is None:
            found = self._random_block(useful.blocks, rng)
        if found is None:
            return None
        self.mark(found, GIVEN)
        return Index(found)

    def check(self) -> None:
        assert self.free_count == self._state.count(_FREE)
        assert set(self._state) <= {UNTOLD, FREE, GIVEN}

    def _runs(self, pattern: re.Pattern[bytes], start: int, end: int) -> Runs:
        found = pattern.finditer(self._state, start, end)
        return tuple((match.start(), match.end() - match.start()) for match in found)

    def _random_block(self, runs: Runs, rng: Random) -> int | None:
        if not runs:
            return None
        for _ in range(PROBES):
            first, count = _random_run(runs, rng)
            index = first + rng.randrange(count)
            if self._state[index] == FREE:
                return index
        start = rng.randrange(len(runs))
        first, count = runs[start]
        middle = first + rng.randrange(count)
        rotated = [(middle, first + count - middle), *runs[start + 1 :], *runs[:start], (first, middle - first)]
        return self._first_free(rotated)

    def _first_free(self, runs: Iterable[Run]) -> int | None:
        for first, count in runs:
            found = self._state.find(_FREE, first, first + count)
            if found >= 0:
                return found
        return None


def _random_run(runs: Runs, rng: Random) -> Run:
    """One run, the longer the likelier: the longest of three is near enough and needs no sums."""
    if len(runs) == 1:
        return runs[0]
    return max((rng.choice(runs) for _ in range(3)), key=lambda run: run[1])
