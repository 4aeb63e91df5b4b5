"""Leases as facts: which are out, which have arrived and are not known to be passed on, which were taken back.

`leases` decides; here they are only kept, found by agent, number and version, and bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from swarm.protocol.ids import AgentId, Index, VersionId
from swarm.protocol.messages import LeaseState

FENCE_S = 5.0
"""Five reports missed, or a read that stands still while a whole fleet may wait for its block."""

CROSSING_S = 10.0
"""Without a new byte. Agents give such a lease back after 5 s; two that do not would close a border to their site."""

ARRIVED_MAX = 262_144
"""Arrived and not passed on, in all: older ones are taken for passed on; if they are lost, agents will miss them."""

FENCED_MAX = 4_096
"""Fenced leases that may still report an arrival."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which block a lease is for; `scope` is where its copy is counted (`budget`).

    `border`: the site whose border it permits to take the block across; None: it permits to read the store.
    """

    version: VersionId
    index: Index
    scope: str
    border: str | None = None


@dataclass(slots=True, eq=False)
class Live:
    """A lease that is out."""

    agent: AgentId
    number: int
    epoch: int
    place: Place
    granted_at: float
    renewed_at: float
    moved_at: float
    state: LeaseState = LeaseState.WAITING
    bytes: int = 0

    def is_overdue(self, now: float) -> bool:
        """Not heard of, or moving without new bytes, for `FENCE_S`. Waiting may take as long as it likes, but not at a
        border, where others wait for it.
        """
        is_still = self.state is LeaseState.MOVING and now >= self.moved_at + FENCE_S
        if self.place.border is not None and now >= self.moved_at + CROSSING_S:
            return True
        return is_still or now >= self.renewed_at + FENCE_S


class LeaseTable:
    """See the module."""

    def __init__(self) -> None:
        self._live: dict[AgentId, dict[int, Live]] = {}
        self._live_count = 0
        self._arrived: dict[AgentId, dict[int, Place]] = {}
        self._arrived_count = 0
        self._fenced: OrderedDict[tuple[AgentId, int], Place] = OrderedDict()

    # --- out ----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._live_count

    def __iter__(self) -> Iterator[Live]:
        return (live for mine in self._live.values() for live in mine.values())

    def add(self, live: Live) -> None:
        """It is granted."""
        self._live.setdefault(live.agent, {})[live.number] = live
        self._live_count += 1

    def remove(self, live: Live) -> None:
        """It is no longer out."""
        mine = self._live[live.agent]
        del mine[live.number]
        self._live_count -= 1
        if not mine:
            del self._live[live.agent]

    def get(self, agent: AgentId, number: int) -> Live | None:
        return self._live.get(agent, {}).get(number)

    def of_agent(self, agent: AgentId, version: VersionId | None = None) -> list[Live]:
        """An agent's, of all versions or one."""
        return [live for live in self._live.get(agent, {}).values() if version in (None, live.place.version)]

    def of_version(self, version: VersionId) -> list[Live]:
        return [live for live in self if live.place.version == version]

    # --- arrived ------------------------------------------------------------------------------------

    def arrived(self, agent: AgentId, number: int, place: Place) -> None:
        """The block is with its agent, and with nobody else as far as known."""
        mine = self._arrived.setdefault(agent, {})
        mine[number] = place
        self._arrived_count += 1
        if self._arrived_count > ARRIVED_MAX:
            self.passed(agent, next(iter(mine)))

    def has_arrived(self, agent: AgentId, number: int) -> bool:
        return number in self._arrived.get(agent, {})

    def passed(self, agent: AgentId, number: int) -> Place | None:
        """Somebody else has it too, or nobody needs to remember it."""
        mine = self._arrived.get(agent, {})
        place = mine.pop(number, None)
        if place is not None:
            self._arrived_count -= 1
            if not mine:
                del self._arrived[agent]
        return place

    def forget_arrived(self, agent: AgentId, version: VersionId | None = None) -> list[Place]:
        """The agent is gone: what it had and had not passed on."""
        mine = self._arrived.get(agent, {})
        numbers = [number for number, place in mine.items() if version in (None, place.version)]
        return [place for number in numbers if (place := self.passed(agent, number)) is not None]

    def arrived_at(self, version: VersionId, *, border: str | None = None) -> dict[Index, AgentId]:
        """Who has a block and is not known to have passed it on; with `border`, of those that it brought across."""
        everywhere = ((agent, place) for agent, places in self._arrived.items() for place in places.values())
        return {
            place.index: agent
            for agent, place in everywhere
            if place.version == version and border in (None, place.border)
        }

    # --- fenced -------------------------------------------------------------------------------------

    def fenced(self, live: Live) -> None:
        """It was taken back; its read may have ended well all the same, and be reported late."""
        self._fenced[live.agent, live.number] = live.place
        if len(self._fenced) > FENCED_MAX:
            self._fenced.popitem(last=False)

    def pop_fenced(self, agent: AgentId, number: int) -> Place | None:
        return self._fenced.pop((agent, number), None)

    def forget_version(self, version: VersionId) -> None:
        """Nobody takes part any longer. What is out must have been removed."""
        for agent in list(self._arrived):
            self.forget_arrived(agent, version)
        for key in [key for key, place in self._fenced.items() if place.version == version]:
            del self._fenced[key]

    def check(self) -> None:
        assert self._live_count == sum(map(len, self._live.values()))
        assert self._arrived_count == sum(map(len, self._arrived.values())) <= ARRIVED_MAX
        assert all(self._live.values())
        assert all(self._arrived.values())
        assert len(self._fenced) <= FENCED_MAX
