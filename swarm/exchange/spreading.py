"""Whether those to whom an origin gives blocks pass them on: who does not is suspected, and given to last.

A liar keeps what it is given, or spoils it, and each block that was given to it alone would be missing until the whole
swarm stands still. Nobody acts on hearsay, but an origin can see for itself that a block which many lack has reached
nobody else for much longer than blocks usually take. It is then given to another. A slow uplink may be suspected too:
that costs the origin a few blocks, and costs the slow one nothing but its place in the queue.
"""

from __future__ import annotations

from collections.abc import Callable

from swarm.exchange.bitset import indexes_of
from swarm.protocol.ids import AgentId

SUSPECT_S = 3.0
"""The least time in which a block must have reached somebody else."""

TIMES_USUAL = 8.0
"""The same as a multiple of what blocks usually take: a thin swarm passes on slowly."""

LATE_S = 0.5
LATE_TIMES = 2.0
"""Whose block takes longer than this, and so many times what is usual, is given others after those whose blocks have
spread: who keeps what he gets then keeps one block, not every third."""

FORGIVEN_AFTER_S = 30.0
FORGIVEN_LAST_S = 960.0
"""A suspect is given a block again after so long, doubling each time that it is suspected again."""

WEIGHT = 0.1
"""Of the newest delay in the usual one."""


class Spreading:
    """Blocks that were given and have reached nobody else yet, by carrier."""

    def __init__(self) -> None:
        self.unspread = 0
        self._carriers: dict[int, tuple[AgentId, float]] = {}
        self._carried: dict[AgentId, dict[int, float]] = {}
        """The same by carrier, the oldest first."""
        self.given_up = 0
        """What is to be given to somebody else, though its carrier may still pass it on."""
        self._last_carriers: dict[int, AgentId] = {}
        self._usual_s = 0.0
        self._suspects: dict[AgentId, float] = {}
        """Until when each is suspected."""
        self._terms: dict[AgentId, float] = {}

    def given(self, carrier: AgentId, index: int, now: float) -> None:
        """A whole block went to somebody."""
        if self.unspread >> index & 1:
            self._forget(index)
        self._resume(index)
        self._carry(index, carrier, now)
        self.unspread |= 1 << index

    def _carry(self, index: int, carrier: AgentId, now: float) -> None:
        self._carriers[index] = (carrier, now)
        self._carried.setdefault(carrier, {})[index] = now

    def seen(self, agent: AgentId, news: int, now: float) -> int:
        """A neighbour has got these: those that it was not given itself have spread. Returns those of them that were
        given up: a slow carrier has passed them on after all, and nobody need be given them."""
        for index in indexes_of(news & self.unspread):
            carrier, given_at = self._carriers[index]
            if carrier != agent:
                self._forget(index)
                self._suspects.pop(carrier, None)
                delay_s = now - given_at
                self._usual_s = delay_s if not self._usual_s else (1 - WEIGHT) * self._usual_s + WEIGHT * delay_s
        late = 0
        for index in indexes_of(news & self.given_up):
            if self._last_carriers[index] != agent:
                self._resume(index)
                late |= 1 << index
        return late

    def _resume(self, index: int) -> None:
        self.given_up &= ~(1 << index)
        self._last_carriers.pop(index, None)

    def _forget(self, index: int) -> None:
        carrier, _ = self._carriers.pop(index)
        carried = self._carried[carrier]
        del carried[index]
        if not carried:
            del self._carried[carrier]
        self.unspread &= ~(1 << index)

    def gone(self, agent: AgentId) -> None:
        """A carrier is no longer connected."""
        for index in list(self._carried.get(agent, ())):
            self._forget(index)

    def review(self, lacked_near: Callable[[AgentId], int], now: float) -> int:
        """What is to be given to somebody else; its carriers are suspects now. `lacked_near`: what neighbours lack to
        whom a carrier could have passed it on.
        """
        limit_s = max(SUSPECT_S, TIMES_USUAL * self._usual_s)
        stuck = 0
        lacked: dict[AgentId, int] = {}
        for index in indexes_of(self.unspread):
            carrier, given_at = self._carriers[index]
            if carrier not in lacked:
                lacked[carrier] = lacked_near(carrier)
            if not lacked[carrier] >> index & 1:
                # Nobody lacks it: it cannot spread, and its time begins when somebody does.
                del self._carried[carrier][index]
                self._carry(index, carrier, now)
            elif now - given_at >= limit_s:
                stuck |= 1 << index
                self._forget(index)
                self.given_up |= 1 << index
                self._last_carriers[index] = carrier
                self._suspect(carrier, now)
        return stuck

    def _suspect(self, agent: AgentId, now: float) -> None:
        if not self.is_suspect(agent, now):
            term_s = self._terms.get(agent, FORGIVEN_AFTER_S)
            self._terms[agent] = min(FORGIVEN_LAST_S, 2 * term_s)
            self._suspects[agent] = now + term_s

    def is_suspect(self, agent: AgentId, now: float) -> bool:
        """Whether it is to be given to last."""
        return self._suspects.get(agent, now) > now

    def is_late(self, agent: AgentId, now: float) -> bool:
        """Whether it carries a block that should have reached somebody else by now."""
        carried = self._carried.get(agent)
        if not carried:
            return False
        return now - next(iter(carried.values())) >= max(LATE_S, LATE_TIMES * self._usual_s)

    def check(self) -> None:
        """Raises AssertionError where the set and the tables differ."""
        assert list(indexes_of(self.unspread)) == sorted(self._carriers)
        carried = {(index, (agent, at)) for agent, those in self._carried.items() for index, at in those.items()}
        assert carried == set(self._carriers.items())
        assert list(indexes_of(self.given_up)) == sorted(self._last_carriers)
        assert not self.given_up & self.unspread
