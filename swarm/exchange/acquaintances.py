"""Known agents: whom to dial next, and when to try again who could not be reached."""

from __future__ import annotations

from dataclasses import dataclass, field

from swarm.exchange.config import ADDRESSES_MAX, DIAL_RETRY_FIRST_S, DIAL_RETRY_LAST_S
from swarm.protocol.ids import AgentId, VersionId
from swarm.protocol.messages import PeerInfo

DIALLING_S = 15.0
"""A dial that nothing was heard of for this long has failed: the driver gives up after ten seconds."""


@dataclass(slots=True, eq=False)
class Acquaintance:
    """`versions`: those it was named for; `is_general`: it was named for any."""

    info: PeerInfo
    versions: dict[VersionId, None] = field(default_factory=dict)
    is_general: bool = False
    retry_at: float = float("-inf")
    delay_s: float = DIAL_RETRY_FIRST_S
    dialled_at: float | None = None

    is_new: bool = True
    """It was never tried, nor met."""

    def is_of(self, version: VersionId) -> bool:
        """Whether it may know the version."""
        return self.is_general or version in self.versions


class Acquaintances:
    """Known agents in the order in which they were first named; the oldest is forgotten where there are too many."""

    def __init__(self) -> None:
        self._known: dict[AgentId, Acquaintance] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, agent: AgentId) -> Acquaintance | None:
        """The agent, if it is known."""
        return self._known.get(agent)

    def learn(self, info: PeerInfo, version: VersionId | None) -> Acquaintance:
        """Somebody named an agent, for a version or (None) for any."""
        known = self._known.get(info.agent_id)
        if known is None:
            known = self._known[info.agent_id] = Acquaintance(info)
            if len(self._known) > ADDRESSES_MAX:
                del self._known[next(iter(self._known))]
        if info.addresses:
            known.info = info
        if version is None:
            known.is_general = True
        else:
            known.versions[version] = None
        return known

    def forget(self, agent: AgentId) -> None:
        """It is banned, or gone for good."""
        self._known.pop(agent, None)

    def dialled(self, agent: AgentId, now: float) -> None:
        """A dial was begun."""
        if known := self._known.get(agent):
            known.dialled_at, known.is_new = now, False

    def reached(self, agent: AgentId) -> None:
        """A connection was made, by either side."""
        if known := self._known.get(agent):
            known.dialled_at, known.delay_s, known.retry_at = None, DIAL_RETRY_FIRST_S, float("-inf")
            known.is_new = False

    def missed(self, agent: AgentId, now: float, *, after_s: float | None = None) -> None:
        """It could not be reached, or has turned us away: later again."""
        if known := self._known.get(agent):
            known.dialled_at = None
            known.retry_at = now + (known.delay_s if after_s is None else after_s)
            known.delay_s = min(DIAL_RETRY_LAST_S, 2 * known.delay_s)

    def is_of(self, agent: AgentId, version: VersionId) -> bool:
        """Whether an agent is known that may know the version."""
        known = self._known.get(agent)
        return known is not None and known.is_of(version)

    def agents_of(self, version: VersionId) -> list[AgentId]:
        """Those that may know a version."""
        return [agent for agent, known in self._known.items() if known.is_of(version)]

    def dialling(self, now: float, *, within_s: float = DIALLING_S) -> list[AgentId]:
        """Dials under way, of the last `within_s`; those that have taken too long become misses."""
        under_way = []
        for agent, known in self._known.items():
            if known.dialled_at is None:
                continue
            if now - known.dialled_at < within_s:
                under_way.append(agent)
            elif now - known.dialled_at >= DIALLING_S:
                self.missed(agent, now)
        return under_way

    def to_dial(self, version: VersionId, now: float) -> list[Acquaintance]:
        """Those that may know the version and may be tried now."""
        return [
            known
            for known in self._known.values()
            if known.dialled_at is None and known.retry_at <= now and known.is_of(version) and known.info.addresses
        ]

    def named(self, version: VersionId, count: int) -> tuple[PeerInfo, ...]:
        """A few that were named for the version, for somebody who is turned away."""
        named = [known.info for known in self._known.values() if version in known.versions and known.info.addresses]
        return tuple(named[-count:])
