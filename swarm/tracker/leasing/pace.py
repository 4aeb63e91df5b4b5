"""How many leases are out at once, who gets the next one, and how grants slow down when the store asks for it.

As many are out as fill the origin (`window`); where that is fewer than want one, the fastest come first: a slow reader
otherwise keeps a block that everybody waits for (measured in simulation: 99th percentile of the fast agents 1.00
against 1.05). A returned lease (SlowDown, 5xx, a timeout) pauses all grants, each time twice as long; an arrived block
ends that. A store from which nothing comes but refusals is *ill*: one agent at a time tries it for all, every
second, and the first block that comes lets everybody read again. A block that comes back again and again while others
arrive (it is missing in the store, or corrupt) rests by itself, so that it cannot slow the others for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.protocol.ids import AgentId, Index, Runs
from swarm.protocol.runs import normalise
from swarm.tracker.leasing.window import Window

if TYPE_CHECKING:
    from random import Random

PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 1.0
"""One agent alone then tries a store that is ill: longer and the fleet outlasts the outage idly."""

REST_MAX_S = 8.0
"""An agent whose own way to the store is broken is tried so seldom."""

ILL_FROM = 3
"""Refusals in a row, without a block in between: one or two may be chance."""

BLOCK_REST_MIN_S = 1.0
BLOCK_REST_MAX_S = 60.0
"""A block that is missing in the store may be put there again; asking once a minute harms nobody."""

BLOCK_REST_ALONE_S = 8.0
"""The same while no other block comes: then it may be the store that is away."""

BLOCK_REST_FROM = 2
"""The first return of a block goes back at once: most are the store's or the agent's trouble, not the block's."""

LOOKED_AT = 8
"""Among so many chosen at random the fastest is taken: nearly the fastest of all, in constant time."""

SPEED_WEIGHT = 0.3
"""Of the newest block in an agent's mean speed: three blocks make a new mean."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The policy. `least`, `most`: leases of a version out at once, as far as wanted. `agent`: of one agent at most."""

    least: int = 4
    most: int = 1024
    agent: int = 16


class Throttle:
    """The state of one version's grants: pauses, speeds, and what rests."""

    def __init__(self, pace: Pace, rng: Random) -> None:
        self.paused_until = float("-inf")
        self._pace = pace
        self._rng = rng
        self._pause_s = 0.0
        self._window = Window(pace.least, pace.most)
        self._speeds: dict[AgentId, float] = {}
        self._fastest = 0.0
        self._agent_rests: dict[AgentId, float] = {}
        self._refusals: dict[Index, int] = {}
        self._block_rests: dict[tuple[Index, str], float] = {}
        self._in_a_row: dict[Index, None] = {}
        """Blocks that were refused since one arrived, up to `ILL_FROM`."""

    @property
    def is_ill(self) -> bool:
        """Whether nothing comes from the store but refusals."""
        return len(self._in_a_row) >= ILL_FROM

    @property
    def agent_limit(self) -> int:
        """How many leases one agent may hold."""
        return self._pace.agent

    def has_room(self, live_count: int, *, is_wanted: bool) -> bool:
        """Whether one more lease may be out; `is_wanted`: somebody waits for one."""
        has_room = live_count < (1 if self.is_ill else self._window.size)
        if is_wanted and not has_room:
            self._window.was_full()
        return has_room

    def choose(self, agents: Sequence[AgentId]) -> AgentId:
        """The next to be given a lease: of some at random the fastest. Speeds within a factor of two are equal, so that
        equal agents take turns; one not measured yet counts as the fastest seen, so that everybody is tried.
        """
        looked_at = [self._rng.choice(agents) for _ in range(min(LOOKED_AT, len(agents)))]
        return max(looked_at, key=lambda agent: int(self._speeds.get(agent, self._fastest)).bit_length())

    def arrived(self, agent: AgentId, size_bytes: int, seconds: float, now: float) -> None:
        """A leased block came whole in this time."""
        if self.is_ill:
            self._refusals.clear()
            self._block_rests = dict.fromkeys(self._block_rests, now)
        self._in_a_row.clear()
        self._window.arrived(size_bytes, now)
        speed = size_bytes / max(seconds, 1e-3)
        old = self._speeds.get(agent)
        new = speed if old is None else old + SPEED_WEIGHT * (speed - old)
        self._speeds[agent] = new
        self._fastest = max(self._fastest, new)
        self._agent_rests.pop(agent, None)
        self._pause_s = 0.0
        self.paused_until = min(self.paused_until, now)

    def returned(self, agent: AgentId, now: float) -> float:
        """The store refused. All grants pause; returns until when this agent rests, twice as long each time."""
        self._window.refused(now)
        self._pause_s = min(max(2 * self._pause_s, PAUSE_MIN_S), PAUSE_MAX_S)
        self.paused_until = max(self.paused_until, now + self._pause_s * self._rng.uniform(0.75, 1.25))
        if self.is_ill:
            return now  # not the agent's trouble
        rest_s = self._agent_rests[agent] = min(2 * self._agent_rests.get(agent, PAUSE_MIN_S), REST_MAX_S)
        return now + rest_s * self._rng.uniform(0.75, 1.25)

    def refused(self, index: Index, scope: str, now: float) -> bool:
        """A block came back: whether it may be granted again at once, or rests (`rested`)."""
        is_alone = index in self._in_a_row
        if not self.is_ill:
            self._in_a_row[index] = None
        times = self._refusals[index] = self._refusals.get(index, 0) + 1
        if times < BLOCK_REST_FROM:
            return True
        most_s = BLOCK_REST_ALONE_S if is_alone else BLOCK_REST_MAX_S
        rest_s = min(BLOCK_REST_MIN_S * 2.0 ** min(times - BLOCK_REST_FROM, 16), most_s)
        self._block_rests[index, scope] = now + rest_s
        return False

    def rested(self, now: float) -> list[tuple[Index, str]]:
        """Blocks that may be granted again."""
        found = [place for place, until in self._block_rests.items() if until <= now]
        for place in found:
            del self._block_rests[place]
        return found

    def resting_blocks(self) -> Runs:
        """Blocks that are to be granted again later."""
        return normalise(index for index, _ in self._block_rests)

    def next_rested(self) -> float | None:
        return min(self._block_rests.values(), default=None)

    def forgive(self, index: Index) -> None:
        """The block came after all."""
        self._refusals.pop(index, None)

    def forget(self, agent: AgentId) -> None:
        """The agent takes part no longer."""
        self._speeds.pop(agent, None)
        self._agent_rests.pop(agent, None)
