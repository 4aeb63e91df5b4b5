"""The account of a fetch: which bytes came from where. It listens to the node's events and decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import AgentId, ConnectionId, Index, VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.messages import PeerInfo


@dataclass(slots=True)
class Account:
    """Bytes of one version, by source. Pages count as manifest, blocks as data, each once.

    `peer_of` says whom a connection is with: its blocks are recorded before its end.
    """

    version: VersionId
    space: IndexSpace
    peer_of: Callable[[ConnectionId], PeerInfo | None]
    bytes_peer: int = 0
    bytes_origin: int = 0
    bytes_manifest: int = 0
    bytes_useless: int = 0
    """Of whole blocks that were wrong, or here already."""
    bytes_sent: int = 0
    givers: dict[AgentId, int] = field(default_factory=dict)
    banned: dict[AgentId, str] = field(default_factory=dict)
    moved: int = 0
    """Every byte that came, also of blocks that are not whole yet: what a rate is made of."""
    _counted: Bitfield = field(init=False)

    def __post_init__(self) -> None:
        self._counted = Bitfield(self.space.size)

    def record(self, event: e.Event, commands: list[c.Command]) -> None:
        """Takes note of one event and of what the node wants because of it."""
        match event:
            case e.BlockArrived(version=self.version):
                self._arrived(event)
            case e.BlockRefused(version=self.version):
                self.bytes_useless += event.bytes
            case e.BlockSent(version=self.version):
                self.bytes_sent += event.bytes
            case e.StoreRead(version=self.version):
                self.moved += event.bytes
                self._add(event.index, event.bytes, is_origin=True)
            case e.Progressed():
                self.moved += sum(transfer.bytes for transfer in event.received)
        for command in commands:
            if isinstance(command, c.Banned):
                self.banned[command.agent] = command.reason

    def _arrived(self, event: e.BlockArrived) -> None:
        peer = self.peer_of(event.connection)
        if self._add(event.index, event.bytes, is_origin=peer is not None and peer.is_origin) and peer is not None:
            self.givers[peer.agent_id] = self.givers.get(peer.agent_id, 0) + event.bytes

    def _add(self, index: Index, count: int, *, is_origin: bool) -> bool:
        """Whether it is the first of this block: a second one has moved in vain."""
        if not self._counted.set(index):
            self.bytes_useless += count
            return False
        if self.space.is_page(index):
            self.bytes_manifest += count
        elif is_origin:
            self.bytes_origin += count
        else:
            self.bytes_peer += count
        return True
