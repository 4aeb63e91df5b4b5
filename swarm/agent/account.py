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

    `peer_of` says whom a connection is with: its blocks are recorded before its end. `is_near` says of a peer whether
    it is on this machine's own network.
    """

    version: VersionId
    space: IndexSpace
    peer_of: Callable[[ConnectionId], PeerInfo | None]
    is_near: Callable[[PeerInfo], bool]
    bytes_lan: int = 0
    bytes_elsewhere: int = 0
    """Of peers that are not near."""
    bytes_seeder: int = 0
    bytes_store: int = 0
    bytes_manifest: int = 0
    bytes_read: int = 0
    """What the store sent in whole blocks: data and manifest, and what turned out to be here already."""
    bytes_useless: int = 0
    """Of whole blocks that were wrong, or here already."""
    bytes_sent: int = 0
    givers: dict[AgentId, int] = field(default_factory=dict)
    banned: dict[AgentId, str] = field(default_factory=dict)
    moved: int = 0
    """Every byte that came, also of blocks that are not whole yet: what a rate is made of."""
    _counted: Bitfield = field(init=False)
    _reading: dict[Index, int] = field(default_factory=dict)
    """Bytes so far of each read from the store, which are in `moved`."""

    def __post_init__(self) -> None:
        self._counted = Bitfield(self.space.size)

    @property
    def bytes_peer(self) -> int:
        """Data that other agents gave, seeders not counted."""
        return self.bytes_lan + self.bytes_elsewhere

    @property
    def bytes_origin(self) -> int:
        """Data that left the origin for this fetch."""
        return self.bytes_seeder + self.bytes_store

    @property
    def bytes_came(self) -> int:
        """Data and manifest, from wherever: what the store alone would have had to send."""
        return self.bytes_peer + self.bytes_origin + self.bytes_manifest

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
                self._read(event)
            case e.StoreFailed(version=self.version):
                self._reading.pop(event.index, None)
            case e.Progressed():
                self._progressed(event)
        for command in commands:
            if isinstance(command, c.Banned):
                self.banned[command.agent] = command.reason

    def _progressed(self, event: e.Progressed) -> None:
        self.moved += sum(transfer.bytes for transfer in event.received)
        for version, index, so_far in event.store_reads:
            if version == self.version:
                self._move(index, so_far)

    def _move(self, index: Index, so_far: int) -> None:
        # A read that began anew counts from zero again.
        before = self._reading.get(index, 0)
        self.moved += so_far - before if so_far >= before else so_far
        self._reading[index] = so_far

    def _read(self, event: e.StoreRead) -> None:
        self._move(event.index, event.bytes)
        self._reading.pop(event.index, None)
        self.bytes_read += event.bytes
        if self._is_data(event.index, event.bytes):
            self.bytes_store += event.bytes

    def _arrived(self, event: e.BlockArrived) -> None:
        peer, is_first = self.peer_of(event.connection), event.index not in self._counted
        if is_first and peer is not None:
            self.givers[peer.agent_id] = self.givers.get(peer.agent_id, 0) + event.bytes
        if not self._is_data(event.index, event.bytes):
            return
        if peer is not None and peer.is_origin:
            self.bytes_seeder += event.bytes
        elif peer is not None and self.is_near(peer):
            self.bytes_lan += event.bytes
        else:
            self.bytes_elsewhere += event.bytes

    def _is_data(self, index: Index, count: int) -> bool:
        """Whether it is the first of this block, and no page: a second one has moved in vain."""
        if not self._counted.set(index):
            self.bytes_useless += count
            return False
        is_page = self.space.is_page(index)
        self.bytes_manifest += count if is_page else 0
        return not is_page


def money(count: int, price_per_gb: float | None) -> float | None:
    """What so many bytes cost, where a price of 10^9 of them is known."""
    return None if price_per_gb is None else count / 1e9 * price_per_gb
