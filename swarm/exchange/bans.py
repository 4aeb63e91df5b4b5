"""Who lied, or spoke nonsense too often: dropped for the life of the process, and named in the receipt.

Nobody acts on hearsay: only what this agent saw itself counts.
"""

from __future__ import annotations

from swarm.exchange.config import OFFENCES_MAX
from swarm.protocol.ids import AgentId

REMEMBERED_MAX = 65536
"""Agents remembered at once: identities cost an attacker nothing, memory costs us."""


class Bans:
    """Banned agents with the reason, and how often others have offended."""

    def __init__(self) -> None:
        self._reasons: dict[AgentId, str] = {}
        self._offences: dict[AgentId, int] = {}

    def __contains__(self, agent: AgentId) -> bool:
        return agent in self._reasons

    def __len__(self) -> int:
        return len(self._reasons)

    def items(self) -> tuple[tuple[AgentId, str], ...]:
        """Who is banned, and why."""
        return tuple(self._reasons.items())

    def ban(self, agent: AgentId, reason: str) -> bool:
        """Bans; returns whether that is news."""
        is_news = agent not in self._reasons
        self._reasons.setdefault(agent, reason)
        _forget_oldest(self._reasons)
        return is_news

    def offend(self, agent: AgentId) -> bool:
        """Counts an offence; returns whether that is one too many."""
        self._offences[agent] = self._offences.get(agent, 0) + 1
        _forget_oldest(self._offences)
        return self._offences.get(agent, 0) >= OFFENCES_MAX


def _forget_oldest(table: dict[AgentId, str] | dict[AgentId, int]) -> None:
    if len(table) > REMEMBERED_MAX:
        del table[next(iter(table))]
