"""The account of a fetch: which bytes came from where. It listens to the node's events and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.protocol.ids import AgentId, ConnectionId, Index, VersionId
from swarm.protocol.messages import PeerInfo


@dataclass(slots=True)
class Account:
    """Bytes of one version, by source. Pages count as manifest, blocks as data; `page_count` tells them apart."""

    version: VersionId
    page_count: int
    bytes_peer: int = 0
    bytes_origin: int = 0
    bytes_manifest: int = 0
    bytes_refused: int = 0
    bytes_sent: int = 0
    givers: dict[AgentId, int] = field(default_factory=dict)
    banned: dict[AgentId, str] = field(default_factory=dict)
    peers: dict[ConnectionId, PeerInfo] = field(default_factory=dict)
    moved: int = 0
    """Every byte that came, also of blocks that are not whole yet: what a rate is made of."""

    def record(self, event: e.Event) -> None:
        """Takes note of one event."""
        match event:
            case e.PeerConnected():
                self.peers[event.connection] = event.peer
            case e.PeerDisconnected():
                self.peers.pop(event.connection, None)
            case e.BlockArrived(version=self.version):
                self._arrived(event)
            case e.BlockRefused(version=self.version):
                self.bytes_refused += event.bytes
            case e.BlockSent(version=self.version):
                self.bytes_sent += event.bytes
            case e.StoreRead(version=self.version):
                self._add(event.index, event.bytes, is_origin=True)
                self.moved += event.bytes
            case e.Progressed():
                self.moved += sum(transfer.bytes for transfer in event.received)

    def record_command(self, command: c.Command) -> None:
        """Takes note of a ban."""
        if isinstance(command, c.Banned):
            self.banned[command.agent] = command.reason

    @property
    def peer_count(self) -> int:
        """Agents connected now."""
        return len({peer.agent_id for peer in self.peers.values()})

    def _arrived(self, event: e.BlockArrived) -> None:
        peer = self.peers.get(event.connection)
        if peer is not None:
            self.givers[peer.agent_id] = self.givers.get(peer.agent_id, 0) + event.bytes
        self._add(event.index, event.bytes, is_origin=peer is not None and peer.is_origin)

    def _add(self, index: Index, count: int, *, is_origin: bool) -> None:
        if index < self.page_count:
            self.bytes_manifest += count
        elif is_origin:
            self.bytes_origin += count
        else:
            self.bytes_peer += count
