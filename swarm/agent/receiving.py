"""The receiving side of one connection: from block frames to whole, verified, kept blocks.

Only frames of requests that the node has announced (`ExpectBlocks`) are taken. The frame reader never waits for a
disk: whole blocks are verified and kept by tasks of their own, and credit bounds how many there can be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import trio

from swarm.agent.pacing import Pacer
from swarm.agent.shelf import Shelf
from swarm.errors import SwarmError, TransportError
from swarm.exchange.commands import ExpectBlocks
from swarm.exchange.events import BlockAborted, BlockArrived, BlockRefused, Event, Transfer
from swarm.protocol.bounds import BLOCK_BYTES_MAX
from swarm.protocol.frames import Codec, Flags, FrameHeader
from swarm.protocol.ids import Index, VersionId
from swarm.transport.transport import Connection

FORGOTTEN_MAX = 4096
"""Requests whose late frames are dropped unseen: far more than can be under way on one connection."""


@dataclass(slots=True)
class _Reception:
    """One request: which blocks are still to come, and what has come of them."""

    version: VersionId
    lacking: set[Index]
    parts: dict[Index, bytearray] = field(default_factory=dict)
    filled: dict[Index, int] = field(default_factory=dict)


class ProtocolBreachError(TransportError):
    """The other side sent frames that nobody asked for, or that do not fit together."""


class Receiver:
    """Takes the block frames of one connection apart and tells the node what came of them."""

    def __init__(
        self,
        connection: Connection,
        shelf_of: Callable[[VersionId], Shelf | None],
        submit: Callable[[Event], None],
        fail: Callable[[SwarmError], None],
        pacer: Pacer,
    ) -> None:
        self._connection = connection
        self._shelf_of = shelf_of
        self._submit = submit
        self._fail = fail
        self._pacer = pacer
        self._receptions: dict[int, _Reception] = {}
        self._forgotten: dict[int, None] = {}
        self._moved: dict[tuple[int, Index], int] = {}
        self.bytes_wasted = 0

    def expect(self, command: ExpectBlocks) -> None:
        """From now on frames of this request are taken."""
        self._receptions[command.request] = _Reception(command.version, set(command.indexes))

    def forget(self, request: int) -> None:
        """Frames of this request that are still on their way are dropped, and counted as wasted."""
        reception = self._receptions.pop(request, None)
        if reception is None:
            return
        self.bytes_wasted += sum(reception.filled.values())
        self._forgotten[request] = None
        if len(self._forgotten) > FORGOTTEN_MAX:
            del self._forgotten[next(iter(self._forgotten))]

    def take_moved(self) -> tuple[Transfer, ...]:
        """What has come since the last call, for `Progressed`."""
        moved, self._moved = self._moved, {}
        connection = self._connection.id
        return tuple(Transfer(connection, request, index, count) for (request, index), count in moved.items())

    def abandon(self) -> None:
        """The connection has ended: what came of blocks that are not whole is wasted."""
        self.bytes_wasted += sum(sum(reception.filled.values()) for reception in self._receptions.values())
        self._receptions.clear()

    async def run(self) -> None:
        """Reads frames until the connection ends. Raises TransportError then, ProtocolBreachError on nonsense."""
        async with trio.open_nursery() as nursery:
            while True:
                header, payload = await self._connection.receive_frame()
                await self._pacer.take(len(payload))
                self._take(header, payload, nursery)

    def _take(self, header: FrameHeader, payload: bytes | memoryview, nursery: trio.Nursery) -> None:
        index = Index(header.index)
        reception = self._receptions.get(header.request)
        if reception is None or index not in reception.lacking:
            self._drop(header)
            return
        if header.flags & (Flags.ABORTED | Flags.LOST):
            self._abort(header, reception, index)
            return
        part = self._part(header, reception, index)
        part[header.offset : header.offset + len(payload)] = payload
        reception.filled[index] = header.offset + len(payload)
        key = (header.request, index)
        self._moved[key] = self._moved.get(key, 0) + len(payload)
        if header.flags & Flags.LAST:
            self._finish(header, reception, index, nursery)

    def _drop(self, header: FrameHeader) -> None:
        if header.request not in self._forgotten:
            raise ProtocolBreachError(f"a frame of block {header.index} that nobody asked for")
        self.bytes_wasted += header.length

    def _abort(self, header: FrameHeader, reception: _Reception, index: Index) -> None:
        self.bytes_wasted += reception.filled.pop(index, 0)
        reception.parts.pop(index, None)
        self._close(header.request, reception, index)
        is_lost = bool(header.flags & Flags.LOST)
        self._submit(BlockAborted(self._connection.id, header.request, reception.version, index, is_lost))

    def _part(self, header: FrameHeader, reception: _Reception, index: Index) -> bytearray:
        part = reception.parts.get(index)
        if part is None:
            part = reception.parts[index] = bytearray(self._length(header, reception, index))
            reception.filled[index] = 0
        if header.encoded_length != len(part) or header.offset != reception.filled[index]:
            raise ProtocolBreachError(f"the frames of block {header.index} do not fit together")
        if header.offset + header.length > len(part) or header.codec is not Codec.PLAIN:
            raise ProtocolBreachError(f"a frame of block {header.index} is longer than the block")
        return part

    def _length(self, header: FrameHeader, reception: _Reception, index: Index) -> int:
        shelf = self._shelf_of(reception.version)
        known = shelf.length_of(index) if shelf is not None else None
        if header.encoded_length > BLOCK_BYTES_MAX or (known is not None and header.encoded_length != known):
            raise ProtocolBreachError(f"block {header.index} was announced with {header.encoded_length} bytes")
        return header.encoded_length

    def _finish(self, header: FrameHeader, reception: _Reception, index: Index, nursery: trio.Nursery) -> None:
        data = reception.parts.pop(index)
        if reception.filled.pop(index) != len(data):
            raise ProtocolBreachError(f"block {header.index} ended early")
        self._close(header.request, reception, index)
        shelf = self._shelf_of(reception.version)
        if shelf is None:
            self.bytes_wasted += len(data)
            return
        nursery.start_soon(self._keep, shelf, header.request, reception.version, index, data)

    def _close(self, request: int, reception: _Reception, index: Index) -> None:
        reception.lacking.discard(index)
        if not reception.lacking:
            self._receptions.pop(request, None)

    async def _keep(self, shelf: Shelf, request: int, version: VersionId, index: Index, data: bytearray) -> None:
        connection, count = self._connection.id, len(data)
        try:
            # Nobody else has this buffer any more; a copy into `bytes` would only cost memory bandwidth.
            is_kept = await shelf.keep(index, cast("bytes", data))
        except SwarmError as error:
            self._fail(error)
            return
        if not is_kept:
            self.bytes_wasted += count
        self._submit((BlockArrived if is_kept else BlockRefused)(connection, request, version, index, count))
