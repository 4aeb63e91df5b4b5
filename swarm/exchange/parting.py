"""How acquaintances end: closed connections, nonsense, bans, silence, and an agent that turns out to be elsewhere."""

from __future__ import annotations

from swarm.exchange.commands import Banned
from swarm.exchange.dialling import Dialling
from swarm.exchange.giving import Giving
from swarm.exchange.meeting import Meeting
from swarm.exchange.peers import Link, Peer
from swarm.exchange.state import State
from swarm.exchange.tracking import Tracking
from swarm.protocol import messages as m


class Parting:
    """Ends connections, and does what follows from an agent's last one."""

    def __init__(self, state: State, meeting: Meeting, giving: Giving, dialling: Dialling, tracking: Tracking) -> None:
        self._state = state
        self._meeting = meeting
        self._giving = giving
        self._dialling = dialling
        self._tracking = tracking

    def on_closed(self, link: Link) -> None:
        """A connection has ended, whoever ended it."""
        self._meeting.forget(link)
        self._dialling.on_closed(link.id)
        self._after(link.peer)

    def end(self, link: Link, reason: str) -> None:
        """Closes a connection."""
        self._meeting.disconnect(link, reason)
        self._after(link.peer)

    def cut(self, links: list[Link], reason: str) -> None:
        """Closes connections that are of no use; their agents are dialled again later, if at all."""
        for link in links:
            if self._state.peers.link(link.id) is link:
                self._meeting.disconnect(link, reason)
                self._dialling.on_gone(link.peer.agent)
                self._after(link.peer)

    def offended(self, link: Link, reason: str) -> None:
        """Nonsense came: the connection ends, and the third time the acquaintance."""
        if self._state.bans.offend(link.peer.agent):
            self.ban(link.peer, reason)
        elif self._state.peers.link(link.id) is link:
            self.end(link, reason)

    def ban(self, peer: Peer, reason: str) -> None:
        """It lied, and is not met again."""
        if self._state.bans.ban(peer.agent, reason):
            self._state.commands.append(Banned(peer.agent, reason))
        for session in self._state.sessions.values():
            session.part_from_liar(peer, reason)
        self._dialling.forget(peer.agent)
        self._end_all(peer, f"banned: {reason}")

    def bury_the_dead(self) -> None:
        """Who was not heard for too long is gone."""
        for agent in self._state.liveness.dead(self._state.now):
            if peer := self._state.peers.get(agent):
                self._end_all(peer, "nothing was heard for too long")

    def _end_all(self, peer: Peer, reason: str) -> None:
        for link in list(peer.links.values()):
            self._meeting.disconnect(link, reason)
        self._after(peer)

    def learn_sites(self, message: m.HandOut) -> None:
        """Who heard of us by our old site is met anew: our hello tells the new one from here on."""
        sites = self._state.sites
        if sites.learn(message.peers):
            for link in list(self._state.peers.links()):
                self.end(link, "this agent is in another site than it said")
        for peer in self._state.peers:
            sites.meet(peer)

    def _after(self, peer: Peer) -> None:
        """Its last connection may be gone: others are sought, what it had may be had by nobody."""
        if peer.agent in self._state.peers:
            return
        self._dialling.on_gone(peer.agent)
        self._tracking.on_gone(peer.agent)
        self._dialling.seek_all()
        self._giving.wake()
