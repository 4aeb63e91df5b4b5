"""Who wants to read from the store, how much at once, and who could be given something now.

An agent is *ready* while it holds fewer leases than it wants, unless it is *starved* (nothing free was of use to it,
and nothing has come free since) or *rests* (the store has just refused it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swarm.protocol.ids import AgentId
from swarm.tracker.leasing.pool import Useful


@dataclass(slots=True)
class Wish:
    """`count`: how many leases the agent wants to hold at once; `held`: how many it does; `useful`: which it could use.

    `says_what`: it has said what it lacks; else it lacked everything when it wished, and may have some by now.
    """

    scope: str
    count: int
    useful: Useful
    says_what: bool
    held: int
    is_starved: bool = False


class Wishes:
    """By agent; the ready ones also as a list, for a random choice in constant time."""

    def __init__(self) -> None:
        self._wishes: dict[AgentId, Wish] = {}
        self._ready: list[AgentId] = []
        self._place: dict[AgentId, int] = {}
        self._resting: dict[AgentId, float] = {}

    def __contains__(self, agent: AgentId) -> bool:
        return agent in self._wishes

    @property
    def has_ready(self) -> bool:
        return bool(self._ready)

    def get(self, agent: AgentId) -> Wish:
        return self._wishes[agent]

    def set(self, agent: AgentId, wish: Wish) -> None:
        """Replaces an agent's wish."""
        self._wishes[agent] = wish
        self._sort_in(agent)

    def remove(self, agent: AgentId) -> None:
        """The agent wants nothing."""
        self._wishes.pop(agent, None)
        self._sort_in(agent)

    def forget(self, agent: AgentId) -> None:
        """The agent takes part no longer."""
        self._resting.pop(agent, None)
        self.remove(agent)

    def choose(self, choice: Callable[[Sequence[AgentId]], AgentId]) -> AgentId | None:
        """One of those that are ready."""
        return choice(self._ready) if self._ready else None

    def granted(self, agent: AgentId) -> None:
        self._wishes[agent].held += 1
        self._sort_in(agent)

    def ended(self, agent: AgentId) -> None:
        """The agent holds one lease less."""
        if wish := self._wishes.get(agent):
            wish.held -= 1
            self._sort_in(agent)

    def starve(self, agent: AgentId) -> None:
        """Nothing that is free is of use to it."""
        self._wishes[agent].is_starved = True
        self._sort_in(agent)

    def feed(self, scope: str | None) -> None:
        """Something has come free in a scope (None: in all): who found nothing looks again."""
        for agent, wish in self._wishes.items():
            if wish.is_starved and scope in (None, wish.scope):
                wish.is_starved = False
                self._sort_in(agent)

    def rest(self, agent: AgentId, until: float) -> None:
        """The agent is given nothing for a while."""
        self._resting[agent] = until
        self._sort_in(agent)

    def wake(self, now: float) -> None:
        """Those whose rest is over are ready again."""
        for agent in [agent for agent, until in self._resting.items() if until <= now]:
            del self._resting[agent]
            self._sort_in(agent)

    def next_wake(self) -> float | None:
        return min(self._resting.values(), default=None)

    def check(self) -> None:
        ready = {agent for agent in self._wishes if self._is_ready(agent)}
        assert set(self._ready) == ready
        assert len(self._ready) == len(ready) == len(self._place)
        assert all(self._ready[place] == agent for agent, place in self._place.items())
        assert all(wish.held >= 0 for wish in self._wishes.values())

    def _is_ready(self, agent: AgentId) -> bool:
        wish = self._wishes.get(agent)
        return wish is not None and wish.held < wish.count and not wish.is_starved and agent not in self._resting

    def _sort_in(self, agent: AgentId) -> None:
        """Puts an agent among the ready ones, or takes it out."""
        place = self._place.get(agent)
        if self._is_ready(agent):
            if place is None:
                self._place[agent] = len(self._ready)
                self._ready.append(agent)
        elif place is not None:
            last = self._ready.pop()
            if last != agent:
                self._ready[place] = last
                self._place[last] = place
            del self._place[agent]
