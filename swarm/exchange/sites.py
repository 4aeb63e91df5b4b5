"""Which agents are foreign: in another site than this one. What crosses a site's border is expensive.

An agent is in the site that its hello says, unless the tracker says another: its table knows better. With one site
nobody is foreign, and nothing anywhere asks a second time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from swarm.exchange.config import ADDRESSES_MAX
from swarm.protocol.ids import AgentId
from swarm.protocol.messages import PeerInfo

if TYPE_CHECKING:
    from swarm.exchange.peers import Peer

AT_ONCE = 2
"""Blocks on their way into one site at once: while one is arranged the other fills the line."""


class Sites:
    """`own` is where this agent is, `said` what it was told so by its user."""

    def __init__(self, agent: AgentId, said: str, *, has_borders: bool = True) -> None:
        self.said = said
        self.own = said
        self.has_foreign = False
        """Whether a foreign agent was ever met: until then no question about sites need be asked."""
        self._agent = agent
        self._has_borders = has_borders
        self._told: dict[AgentId, str] = {}

    def learn(self, peers: Iterable[PeerInfo]) -> bool:
        """The tracker names agents, perhaps this one itself: whether it is in another site than was thought."""
        before = self.own
        for info in peers:
            if info.agent_id == self._agent:
                self.own = info.site
                continue
            self._told.pop(info.agent_id, None)
            self._told[info.agent_id] = info.site
            if len(self._told) > ADDRESSES_MAX:
                del self._told[next(iter(self._told))]
        return self.own != before

    def meet(self, peer: Peer) -> None:
        """A connection was made, or where somebody is may have changed."""
        self.has_foreign = self.has_foreign or (self._has_borders and self.of(peer) != self.own)

    def of(self, peer: Peer) -> str:
        """The site of an agent."""
        return self._told.get(peer.agent, peer.info.site)

    def is_foreign(self, peer: Peer) -> bool:
        """Whether a border lies between us."""
        return self.has_foreign and self.of(peer) != self.own

    def needs_lease(self, peer: Peer) -> bool:
        """Whether blocks of this agent are taken only under a lease. A seeder gives each once, which is as good."""
        return self.has_foreign and not peer.info.is_origin and self.is_foreign(peer)
