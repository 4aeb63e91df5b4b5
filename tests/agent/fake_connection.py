"""One end of a connection that a test holds in its hands."""

from __future__ import annotations

import math

import trio

from swarm.agent.shelf import Kept
from swarm.errors import TransportError
from swarm.protocol.frames import FrameHeader, pack, unpack
from swarm.protocol.ids import BlockId, ConnectionId, Index, VersionId, digest
from swarm.transport.transport import Connection

VERSION = VersionId(b"v" * 32)


class FakeConnection:
    """`frames` are what was sent, each as it would be read on the other side; `put` brings some in."""

    def __init__(self, *, sends_blocks: bool = True) -> None:
        self.id = ConnectionId(1)
        self.sends_blocks = sends_blocks
        self.frames: list[tuple[FrameHeader, bytes]] = []
        self.may_send = trio.Event()
        self.may_send.set()
        self._in, self._out = trio.open_memory_channel[tuple[FrameHeader, bytes]](math.inf)
        self._ended: str | None = None

    def put(self, header: FrameHeader, payload: bytes) -> None:
        self._in.send_nowait((header, payload))

    def end(self, reason: str = "gone") -> None:
        self._ended = reason
        self._in.close()
        self.may_send.set()

    async def send_frame(self, header: FrameHeader, payload: bytes | memoryview) -> None:
        await self.may_send.wait()
        if self._ended is not None:
            raise TransportError(self._ended)
        # As the wire would have it: a header that contradicts itself ends a real connection.
        self.frames.append((unpack(pack(header)), bytes(payload)))

    async def receive_frame(self) -> tuple[FrameHeader, bytes]:
        try:
            return await self._out.receive()
        except trio.EndOfChannel:
            raise TransportError(self._ended or "gone") from None

    def hand_to(self, messages: object, frames: object = None) -> None:
        """Everything waits to be received."""

    def as_connection(self) -> Connection:
        return self  # type: ignore[return-value]


class FakeShelf:
    """Blocks by index. `errors` are raised by reading or keeping a block; `gate` lets both go on."""

    def __init__(self, blocks: dict[int, bytes]) -> None:
        self.blocks = blocks
        self.here: dict[int, bytes] = dict(blocks)
        self.kept: list[int] = []
        self.reads: list[int] = []
        self.errors: dict[int, Exception] = {}
        self.gate = trio.Event()
        self.gate.set()

    def id_of(self, index: Index) -> BlockId | None:
        return BlockId(digest(self.blocks[index])) if index in self.blocks else None

    def length_of(self, index: Index) -> int | None:
        return len(self.blocks[index]) if index in self.blocks else None

    async def read(self, index: Index) -> bytes | None:
        self.reads.append(index)
        await self.gate.wait()
        if index in self.errors:
            raise self.errors[index]
        return self.here.get(index)

    async def keep(self, index: Index, data: bytes | bytearray) -> Kept:
        await self.gate.wait()
        if index in self.errors:
            raise self.errors[index]
        if bytes(data) != self.blocks[index]:
            return Kept.WRONG
        if index in self.kept:
            return Kept.AGAIN
        self.kept.append(index)
        return Kept.NEW
