"""How many leases are out at once, who gets the next one, and how grants slow down when the store asks for it.

With equal agents there is no limit but `out`. Where speeds differ by `mixed_ratio` and more, at most `out_mixed` are
out and the fastest come first: a slow reader otherwise keeps a block that everybody waits for (measured in simulation:
99th percentile of the fast agents 1.00 against 1.05). A returned lease (SlowDown, 5xx, a timeout) pauses all grants,
each time twice as long; an arrived block halves the pause again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.protocol.ids import AgentId

if TYPE_CHECKING:
    from random import Random

PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 8.0
"""A store that throttles recovers within seconds; longer and the fleet idles."""

LOOKED_AT = 8
"""Among so many chosen at random the fastest is taken: nearly the fastest of all, in constant time."""

SPEED_WEIGHT = 0.3
"""Of the newest block in an agent's mean speed: three blocks make a new mean."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The policy. `out`, `out_mixed`: leases of a version out at once. `out_agent`: of one agent, whatever it asks."""

    out: int = 1024
    out_mixed: int = 16
    out_agent: int = 32
    mixed_ratio: float = 2.0


class Throttle:
    """The state of one version's grants: pauses and agents' speeds."""

    def __init__(self, pace: Pace, rng: Random) -> None:
        self._pace = pace
        self._rng = rng
        self._pause_s = 0.0
        self.paused_until = 0.0
        self._speeds: dict[AgentId, float] = {}
        self._resting_until: dict[AgentId, float] = {}
        self._rests: dict[AgentId, float] = {}

    @property
    def agent_limit(self) -> int:
        return self._pace.out_agent

    def limit(self) -> int:
        """How many leases may be out now."""
        return self._pace.out_mixed if self._is_mixed() else self._pace.out

    def arrived(self, agent: AgentId, size_bytes: int, seconds: float) -> None:
        """A leased block arrived whole."""
        speed = size_bytes / max(seconds, 1e-3)
        old = self._speeds.get(agent, speed)
        self._speeds[agent] = old + SPEED_WEIGHT * (speed - old)
        self._rests.pop(agent, None)
        self._pause_s = self._pause_s / 2 if self._pause_s > PAUSE_MIN_S else 0.0

    def returned(self, agent: AgentId, now: float) -> None:
        """A lease came back unread: everybody pauses, and this agent rests twice as long each time it happens to it."""
        self._pause_s = min(max(2 * self._pause_s, PAUSE_MIN_S), PAUSE_MAX_S)
        self.paused_until = now + self._pause_s * self._rng.uniform(0.75, 1.25)
        self._rests[agent] = min(2 * self._rests.get(agent, PAUSE_MIN_S), PAUSE_MAX_S)
        self._resting_until[agent] = now + self._rests[agent]

    def is_resting(self, agent: AgentId, now: float) -> bool:
        return self._resting_until.get(agent, now) > now

    def rests_until(self, agent: AgentId) -> float:
        return self._resting_until[agent]

    def forget(self, agent: AgentId) -> None:
        for known in (self._speeds, self._resting_until, self._rests):
            known.pop(agent, None)

    def choose(self, agents: Sequence[AgentId]) -> AgentId:
        """The next to be given a lease: of some at random the fastest; one not measured yet counts as fast."""
        looked_at = [self._rng.choice(agents) for _ in range(min(LOOKED_AT, len(agents)))]
        return max(looked_at, key=lambda agent: self._speeds.get(agent, float("inf")))

    def _is_mixed(self) -> bool:
        if len(self._speeds) < 2:
            return False
        speeds = self._speeds.values()
        return max(speeds) >= self._pace.mixed_ratio * min(speeds)
