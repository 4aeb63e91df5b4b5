"""A peer that is nothing but messages and frames: it claims to have everything, and sends what `forge` makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from swarm.agent.agent import Self
from swarm.errors import TransportError
from swarm.protocol import messages as m
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.frames import PAYLOAD_MAX, Flags, FrameHeader
from swarm.protocol.ids import AgentId, Index
from swarm.protocol.keys import SigningKey
from swarm.protocol.messages import PeerInfo
from swarm.protocol.version import Version
from swarm.transport.transport import Connection
from tests.agent.world import World

KEY = SigningKey.from_seed(b"f" * 32)
Frame = tuple[FrameHeader, bytes]
Forge = Callable[[int, Index, bytes], Iterable[Frame]]


def honest(request: int, index: Index, data: bytes) -> list[Frame]:
    """The frames that a good sender sends."""
    total, frames = len(data), []
    for offset in range(0, total, PAYLOAD_MAX):
        payload = data[offset : offset + PAYLOAD_MAX]
        flags = Flags.LAST if offset + len(payload) == total else Flags.NONE
        frames.append((FrameHeader(request, index, offset, len(payload), total, flags), payload))
    return frames


@dataclass
class Forger:
    """`asked` are the blocks that somebody asked it for; `connections` counts those that were made to it."""

    version: Version
    data: bytes
    """The version's stream."""
    forge: Forge
    agent: AgentId
    peer: PeerInfo
    asked: list[Index] = field(default_factory=list)
    connections: int = 0
    offers: int = 1
    """READY again after each answer, so many times on a connection."""

    async def converse(self, connection: Connection) -> None:
        """Until the other side has had enough."""
        self.connections += 1
        left = self.offers
        try:
            while True:
                match await connection.receive():
                    case m.Open(handle=handle):
                        connection.send_nowait(self._bitfield(handle))
                        connection.send_nowait(m.Ready(0, handle, (), None))
                    case m.Request() as request:
                        await self._answer(connection, request)
                        left -= 1
                        if left > 0:
                            connection.send_nowait(m.Ready(request.grant + 1, request.handle, (), None))
                    case m.Decline(grant=grant):
                        await trio.sleep(0.05)
                        connection.send_nowait(m.Ready(grant + 1, handle, (), None))
                    case m.Alive():
                        connection.send_nowait(m.Alive())
        except TransportError:
            return

    async def _answer(self, connection: Connection, request: m.Request) -> None:
        for first, count in request.runs:
            for index in map(Index, range(first, first + count)):
                self.asked.append(index)
                for header, payload in self.forge(request.request, index, self.bytes_of(index)):
                    await connection.send_frame(header, payload)

    def bytes_of(self, index: Index) -> bytes:
        """The right bytes of a block."""
        start = self.version.stream_offsets(index)[0]
        return self.data[start : start + self.version.length_of(index)]

    def _bitfield(self, handle: int) -> m.Bitfield:
        size = self.version.space.size
        return m.Bitfield(handle, Bitfield.full(size).to_bytes(), Bitfield(size).to_bytes())


@asynccontextmanager
async def open_forger(world: World, version: Version, data: bytes, forge: Forge) -> AsyncIterator[Forger]:
    """A forger that can be dialled."""
    me = Self(KEY.agent_id, realm=world.store.realm)
    async with world.network.transport(KEY.peer_id, me.hello()) as transport, trio.open_nursery() as nursery:
        peer = PeerInfo(KEY.agent_id, KEY.peer_id, transport.addresses, "", False)
        forger = Forger(version, data, forge, KEY.agent_id, peer)

        async def accept() -> None:
            while True:
                nursery.start_soon(forger.converse, await transport.accept())

        nursery.start_soon(accept)
        yield forger
        nursery.cancel_scope.cancel()
