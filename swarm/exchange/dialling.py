"""Looking for neighbours: up to the degree for every version that lacks something, lost ones replaced.

The receiver of blocks dials. Who cannot be dialled is asked to dial back, over a connection that exists or through the
tracker. Whom of the known to dial is decided at random, so that the graph is well mixed.
"""

from __future__ import annotations

from swarm.exchange.acquaintances import Acquaintances
from swarm.exchange.commands import Dial, Send
from swarm.exchange.config import LINGER_S, OTHERS_MAX
from swarm.exchange.peers import Link
from swarm.exchange.session import Session
from swarm.exchange.state import State
from swarm.protocol.ids import AgentId, ConnectionId, PeerId, VersionId
from swarm.protocol.messages import DialMe, PeerInfo

NONCE_BYTES = 16

MEETINGS_MAX = 8
"""So many may be dialled where all room is taken, to learn whether they take part."""

ANSWER_S = 2.5
"""A dial of which nothing was heard for so long is waited for no more by who wants an answer soon."""

COLLEAGUE_S = 0.5
"""Who is to let us in although it has no room may not have heard of us yet."""

DIAL_ME_MAX = 16
"""Dials that one connection may ask for; each costs us a connection attempt."""


class Dialling:
    """Whom to connect to."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known = Acquaintances()
        self._asked: dict[ConnectionId, int] = {}
        self.tracker: ConnectionId | None = None

    @property
    def known_count(self) -> int:
        """Agents that are known, connected or not."""
        return len(self._known)

    def learn(self, version: VersionId | None, peers: tuple[PeerInfo, ...]) -> None:
        """Somebody names agents; the versions that lack something are seen to at once."""
        for info in peers:
            if info.agent_id != self._state.agent and info.agent_id not in self._state.bans:
                self._known.learn(info, version)
        self.seek_all()

    def seek_all(self) -> None:
        """Dials for every version that has too few neighbours."""
        for session in self._state.sessions.values():
            self.seek(session)

    def seek(self, session: Session) -> None:
        """Dials as many of the known as are missing up to the degree."""
        missing = self.missing(session)
        if missing <= 0:
            return
        state = self._state
        candidates = [k for k in self._known.to_dial(session.version, state.now) if self._is_stranger(k.info.agent_id)]
        for known in state.rng.sample(candidates, min(missing, len(candidates))):
            self._known.dialled(known.info.agent_id, state.now)
            state.commands.append(Dial(known.info))

    def known_of(self, version: VersionId) -> list[AgentId]:
        """Agents that may know a version, connected or not."""
        return self._known.agents_of(version)

    def unmet(self, session: Session) -> tuple[list[AgentId], list[AgentId]]:
        """Of those that may know a version: who has been asked and has not answered yet, and who was never tried."""
        state = self._state
        if len(state.peers) >= state.config.neighbours_max + MEETINGS_MAX:
            return [], []
        asked = [
            peer.agent
            for peer in state.peers
            if any(channel_is_open(link, session.version) for link in peer.links.values())
            and peer.agent not in session.neighbours
        ]
        asked += [
            agent
            for agent in self._known.dialling(state.now, within_s=ANSWER_S)
            if agent not in state.peers and self._known.is_of(agent, session.version)
        ]
        unasked = [
            known.info.agent_id
            for known in self._known.to_dial(session.version, state.now)
            if (known.is_new or known.info.agent_id in state.colleagues)
            and known.info.agent_id not in state.peers
            and known.info.agent_id not in state.bans
        ]
        return asked, unasked

    def dial(self, agents: list[AgentId]) -> None:
        """Dials some of the known."""
        for agent in agents:
            if known := self._known.get(agent):
                self._known.dialled(agent, self._state.now)
                self._state.commands.append(Dial(known.info))

    def seek_origins(self) -> None:
        """A seeder without a tracker meets the other seeders, so that they can split the version."""
        state = self._state
        if self.tracker is not None or state.is_leaving:
            return
        for session in state.sessions.values():
            if not session.is_origin:
                continue
            for known in self._known.to_dial(session.version, state.now):
                if known.info.is_origin and known.info.agent_id not in state.peers:
                    self._known.dialled(known.info.agent_id, state.now)
                    state.commands.append(Dial(known.info))

    def _is_stranger(self, agent: AgentId) -> bool:
        peer = self._state.peers.get(agent)
        return agent not in self._state.bans and (peer is None or peer.receiving is None)

    def missing(self, session: Session) -> int:
        """Neighbours that the version is short of, dials under way included.

        Who has everything stays ten seconds; who needs longer looks for others beside them already, and so learns what
        only those have who are about to leave (64 peers, 13 of them slow, 1,024 blocks, simulated: 1.045 copies left
        the origin without this).
        """
        state = self._state
        if state.is_leaving or not session.lacks_anything:
            return 0
        wanted, connected, version = state.config.degree + session.extra_degree, 0, session.version
        for peer in state.peers:
            channel = peer.receiving.channels.get(version) if peer.receiving is not None else None
            if channel is not None and not channel.is_denied:
                connected += 1
        if connected >= wanted and state.policies.successors and state.left_s(session) > LINGER_S:
            wanted += min(state.config.degree, sum(map(session.is_complete, session.neighbours.values())))
        if connected >= wanted:
            return 0
        dialling = sum(state.peers.get(agent) is None for agent in self._known.dialling(state.now))
        room = state.config.neighbours_max - len(state.peers) - dialling
        return min(wanted - connected - dialling, room)

    def on_connected(self, link: Link) -> None:
        """A connection was made. Whoever it was with can now be reached."""
        self._known.learn(link.peer.info, None)
        self._known.reached(link.peer.agent)

    def on_opened(self, link: Link, session: Session) -> None:
        """A neighbour receives from us a version that we lack: receive from it too, whatever the degree.

        Pairs that exchange both ways keep the graph in one piece when those who are done leave; with one way only,
        simulated swarms of 64 were cut off from the last holder of a block.
        """
        state, info = self._state, link.peer.info
        if link.peer.receiving is not None or not session.lacks_anything or state.is_leaving or not info.addresses:
            return
        known = self._known.learn(info, session.version)
        if known.dialled_at is None and known.retry_at <= state.now:
            self._known.dialled(info.agent_id, state.now)
            state.commands.append(Dial(info))

    def on_failed(self, agent: AgentId) -> None:
        """A dial came to nothing: it is asked to dial us, and tried again later."""
        self._known.missed(agent, self._state.now)
        self._ask_back(agent)
        self.seek_all()

    def on_busy(self, agent: AgentId, after_s: float, others: tuple[PeerInfo, ...]) -> None:
        """It has too many neighbours, and names some who have not."""
        after_s = COLLEAGUE_S if agent in self._state.colleagues else min(max(after_s, 1.0), 60.0)
        self._known.missed(agent, self._state.now, after_s=after_s)
        self.learn(None, others[:OTHERS_MAX])

    def on_gone(self, agent: AgentId) -> None:
        """A neighbour is lost: not dialled again at once."""
        self._known.missed(agent, self._state.now)

    def _ask_back(self, agent: AgentId) -> None:
        state = self._state
        if not state.config.addresses or state.is_leaving:
            return
        nonce = state.rng.randbytes(NONCE_BYTES)
        peer = state.peers.get(agent)
        link = peer.any_link() if peer is not None else None
        if link is not None:
            state.send(link, DialMe(state.config.addresses, nonce))
        elif self.tracker is not None:
            state.commands.append(Send(self.tracker, DialMe(state.config.addresses, nonce, agent, state.agent)))

    def on_dial_me(self, connection: ConnectionId, sender: PeerInfo | None, message: DialMe) -> str | None:
        """Somebody wants blocks and cannot reach us: we connect to it, as the sender of blocks."""
        state = self._state
        self._asked[connection] = self._asked.get(connection, 0) + 1
        if self._asked[connection] > DIAL_ME_MAX and sender is not None:
            return "asked to be dialled too often"
        info = self._target(sender, message)
        if info is None or info.agent_id == state.agent or info.agent_id in state.bans or state.is_leaving:
            return None
        peer = state.peers.get(info.agent_id)
        if peer is None and len(state.peers) >= state.config.neighbours_max:
            return None
        if peer is None or peer.sending is None:
            state.commands.append(Dial(info, message.nonce))
        return None

    def _target(self, sender: PeerInfo | None, message: DialMe) -> PeerInfo | None:
        if sender is not None:
            return PeerInfo(sender.agent_id, sender.peer_id, message.addresses, sender.site, sender.is_origin)
        if message.sender is None:
            return None
        known = self._known.get(message.sender)
        # Through the tracker only the agent is named; an empty peer id lets the transport accept whoever answers.
        peer_id = known.info.peer_id if known is not None else PeerId("")
        return PeerInfo(message.sender, peer_id, message.addresses, "", is_origin=False)

    def on_closed(self, connection: ConnectionId) -> None:
        """The connection's count of demands goes with it."""
        self._asked.pop(connection, None)

    def forget(self, agent: AgentId) -> None:
        """It is banned."""
        self._known.forget(agent)

    def others(self) -> tuple[PeerInfo, ...]:
        """Agents for somebody who is turned away."""
        for session in self._state.sessions.values():
            return self._known.named(session.version, OTHERS_MAX)
        return ()


def channel_is_open(link: Link, version: VersionId) -> bool:
    """Whether a version was opened on a connection, and not denied."""
    channel = link.channels.get(version)
    return channel is not None and not channel.is_denied
