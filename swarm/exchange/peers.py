"""The agents this one is connected to, and their connections. Facts only: nothing here decides or sends.

An agent has at most one connection per direction of bulk (and any number of control connections, bounded). Leases,
bans, possessions, liveness and credit belong to agents; handles belong to connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from swarm.exchange.liveness import Times
from swarm.exchange.possession import Possession
from swarm.exchange.rates import Pace
from swarm.protocol.ids import AgentId, ConnectionId, PeerId, VersionId
from swarm.protocol.messages import Direction, PeerInfo


@dataclass(slots=True, eq=False)
class Channel:
    """One version on one connection: both sides know which handle means it."""

    link: Link
    version: VersionId
    handle: int
    is_met: bool = False
    """The other side has sent its bitfield here."""
    is_denied: bool = False
    skip_until: float = 0.0
    """It had no use for what we have; not offered before then, or before we have something new."""
    skip_generation: int = -1
    sending: int = 0
    """What is being sent here now (a set of indexes)."""


@dataclass(slots=True, eq=False)
class Link:
    """One connection. `sends_blocks`: we are the bulk sender on it."""

    id: ConnectionId
    peer: Peer
    direction: Direction
    sends_blocks: bool
    is_dialer: bool
    rtt_s: float
    channels: dict[VersionId, Channel] = field(default_factory=dict)
    versions: dict[int, VersionId] = field(default_factory=dict)
    """Every handle that either side has opened."""
    next_handle: int = 0
    credit_slots: int = 0
    """What the receiver last said (on a connection where we send)."""
    credit_bytes: int = 0
    opened_at: float = 0.0
    """When it last said that its credit is open."""
    offers: int = 0
    """Grants out and not answered (on a connection where we send)."""
    is_told_open: bool = False
    """What it was last told of our credit (where we receive)."""
    pace: Pace = field(default_factory=Pace)
    """Of single transfers."""
    moved_at: float = 0.0
    """When block bytes last came (where we receive)."""

    @property
    def carries_blocks(self) -> bool:
        """False on connections for control alone."""
        return self.direction is not Direction.CONTROL


@dataclass(slots=True, eq=False)
class Peer:
    """An agent, with every connection to it."""

    agent: AgentId
    info: PeerInfo
    reads_store: bool
    links: dict[ConnectionId, Link] = field(default_factory=dict)
    sending: Link | None = None
    receiving: Link | None = None
    possessions: dict[VersionId, Possession] = field(default_factory=dict)
    times: Times = field(default_factory=lambda: Times(0.0, 0.0))
    """When it was last heard and spoken to; `State.liveness` watches them."""

    def any_link(self) -> Link | None:
        """A connection for what belongs to no direction: `alive`, `dial_me`."""
        return next(iter(self.links.values()), None)


class PeerTable:
    """Agents by id and connections by number, in the order in which they came."""

    def __init__(self) -> None:
        self._peers: dict[AgentId, Peer] = {}
        self.links_by_id: dict[ConnectionId, Link] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def __contains__(self, agent: AgentId) -> bool:
        return agent in self._peers

    def get(self, agent: AgentId) -> Peer | None:
        """The agent, if it is connected."""
        return self._peers.get(agent)

    def link(self, connection: ConnectionId) -> Link | None:
        """The connection, if it is one of an agent's."""
        return self.links_by_id.get(connection)

    def links(self) -> Iterator[Link]:
        """Every connection."""
        return iter(self.links_by_id.values())

    def add(
        self,
        connection: ConnectionId,
        info: PeerInfo,
        *,
        direction: Direction,
        sends_blocks: bool,
        reads_store: bool,
        rtt_s: float,
    ) -> Link:
        """A new connection; of two for one direction `rival` says which is to go, before this is called."""
        peer = self._peers.get(info.agent_id)
        if peer is None:
            peer = self._peers[info.agent_id] = Peer(info.agent_id, info, reads_store)
        peer.info, peer.reads_store = _fresher(peer.info, info), reads_store
        # To the dialer: who receives has dialled. To the acceptor: who sends has.
        is_dialer = sends_blocks == (direction is Direction.TO_ACCEPTOR)
        link = Link(connection, peer, direction, sends_blocks, is_dialer, rtt_s)
        # Handles are even for the dialer and odd for the other: both may open at once without meeting.
        link.next_handle = 0 if is_dialer else 1
        peer.links[connection] = self.links_by_id[connection] = link
        if link.carries_blocks and sends_blocks:
            peer.sending = link
        elif link.carries_blocks:
            peer.receiving = link
        return link

    def remove(self, link: Link) -> None:
        """The connection is gone; an agent without any is forgotten."""
        peer = link.peer
        self.links_by_id.pop(link.id, None)
        peer.links.pop(link.id, None)
        if peer.sending is link:
            peer.sending = None
        if peer.receiving is link:
            peer.receiving = None
        if not peer.links:
            self._peers.pop(peer.agent, None)

    def check(self) -> None:
        """Raises AssertionError where the two tables contradict each other."""
        assert sum(len(peer.links) for peer in self) == len(self.links_by_id)
        for peer in self:
            assert peer.links, "an agent without a connection"
            assert peer.sending is None or (peer.sending.sends_blocks and peer.sending.id in peer.links)
            assert peer.receiving is None or (not peer.receiving.sends_blocks and peer.receiving.id in peer.links)
        for link in self.links():
            for version, channel in link.channels.items():
                assert link.versions.get(channel.handle) == version, "a channel whose handle means something else"
            assert link.offers >= 0
            assert not (link.is_told_open and link.sends_blocks)


def _fresher(old: PeerInfo, new: PeerInfo) -> PeerInfo:
    return (
        new
        if new.addresses or not old.addresses
        else PeerInfo(new.agent_id, new.peer_id, old.addresses, new.site, new.is_origin)
    )


def is_better(mine: Link, theirs: Link, own: PeerId) -> bool:
    """Of two connections for one direction, whether the first stays: its dialler has the smaller peer id.

    With the same dialler the newer stays: who dials knows of its own, and has dialled again because it lost the first.
    """
    first, second = (own if link.is_dialer else link.peer.info.peer_id for link in (mine, theirs))
    return (first, -mine.id) < (second, -theirs.id)
