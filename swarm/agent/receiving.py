"""The receiving side of one connection: from block frames to whole, verified, kept blocks.

Only frames of requests that the node has announced (`ExpectBlocks`) are taken, each block from its first byte to its
last. The frame reader does not wait for a disk until the backlog is full: whole blocks are verified and kept by tasks
of their own, which outlive the connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from swarm.agent.backlog import Backlog
from swarm.agent.pacing import Pacer
from swarm.agent.shelf import Kept, Shelf
from swarm.errors import SwarmError, TransportError
from swarm.exchange.commands import ExpectBlocks
from swarm.exchange.events import BlockAborted, BlockArrived, BlockRefused, Event, Transfer
from swarm.protocol.frames import Flags, FrameHeader
from swarm.protocol.ids import Index, VersionId
from swarm.transport.transport import Connection

FORGOTTEN_MAX = 4096
"""Requests whose late frames are dropped unseen: far more than can be under way on one connection."""

log = logging.getLogger(__name__)


class ProtocolBreachError(TransportError):
    """The other side sent frames that nobody asked for, or that do not fit together."""


@dataclass(slots=True)
class _Part:
    """What has come of one block. `filled` bytes of `data`, from its beginning on."""

    data: bytearray
    filled: int = 0


@dataclass(slots=True)
class _Reception:
    """One request. `lengths` are those of the blocks still to come; the shelf is the one that was asked for."""

    version: VersionId
    shelf: Shelf
    lengths: dict[Index, int]
    parts: dict[Index, _Part] = field(default_factory=dict)


class Receiver:
    """Takes the block frames of one connection apart and tells the node what came of them.

    What comes is held to each of `pacers`. `waste` hears of bytes of a version that came and were of no use.
    """

    def __init__(
        self,
        connection: Connection,
        shelf_of: Callable[[VersionId], Shelf | None],
        submit: Callable[[Event], None],
        *,
        waste: Callable[[VersionId, int], None],
        pacers: tuple[Pacer, ...],
        backlog: Backlog,
    ) -> None:
        self._connection = connection
        self._shelf_of = shelf_of
        self._submit = submit
        self._waste = waste
        self._pacers = pacers
        self._backlog = backlog
        self._receptions: dict[int, _Reception] = {}
        self._forgotten: dict[int, VersionId] = {}
        self._moved: dict[tuple[int, Index], int] = {}
        self._in_hand: FrameHeader | None = None
        self._keepers: trio.Nursery | None = None
        self._keeping: dict[tuple[int, Index], None] = {}

    # --- what the node says ---------------------------------------------------------------------

    def expect(self, command: ExpectBlocks) -> None:
        """From now on frames of this request are taken."""
        shelf = self._shelf_of(command.version)
        lengths = {index: shelf.length_of(index) for index in command.indexes} if shelf is not None else {}
        known = {index: length for index, length in lengths.items() if length is not None}
        if shelf is None or len(known) < len(command.indexes):
            # A defect of ours, not of the other side: what comes is dropped, and the promise breaks by itself.
            log.error("blocks of unknown length were asked for: %s", command.indexes)
            self._remember(command.request, command.version)
            return
        self._receptions[command.request] = _Reception(command.version, shelf, known)

    def forget(self, request: int) -> None:
        """Frames of this request that are still on their way are dropped, and what came of it is wasted."""
        reception = self._receptions.pop(request, None)
        if reception is not None:
            self._drop_parts(reception)
            self._remember(request, reception.version)

    def abandon(self) -> None:
        """The connection has ended: what came of blocks that are not whole is wasted."""
        for reception in self._receptions.values():
            self._drop_parts(reception)
        self._receptions.clear()

    def take_moved(self) -> tuple[Transfer, ...]:
        """What has come since the last call, for `Progressed`.

        What has come and waits here (for the rate limit, for the disk) is among it with no bytes: it is not late.
        """
        moved, self._moved = self._moved, {}
        if self._in_hand is not None:
            moved.setdefault((self._in_hand.request, Index(self._in_hand.index)), 0)
        for key in self._keeping:
            moved.setdefault(key, 0)
        connection = self._connection.id
        return tuple(Transfer(connection, request, index, count) for (request, index), count in moved.items())

    def _remember(self, request: int, version: VersionId) -> None:
        self._forgotten[request] = version
        if len(self._forgotten) > FORGOTTEN_MAX:
            del self._forgotten[next(iter(self._forgotten))]

    def _drop_parts(self, reception: _Reception) -> None:
        self._waste(reception.version, sum(part.filled for part in reception.parts.values()))
        reception.parts.clear()

    # --- frames ---------------------------------------------------------------------------------

    async def run(self, keeping: trio.Nursery) -> None:
        """Reads frames until the connection ends; whole blocks are kept by tasks in `keeping`.

        Raises TransportError at the end, ProtocolBreachError on nonsense.
        """
        self._keepers = keeping
        while True:
            header, payload = await self._connection.receive_frame()
            self._in_hand = header
            for pacer in self._pacers:
                await pacer.take(len(payload))
            await self._backlog.wait_for_room()
            self._in_hand = None
            self._take(header, payload, keeping)

    def take(self, frame: tuple[FrameHeader, bytes | memoryview]) -> bool:
        """Takes a frame at once, where nothing is to be waited for; else, and where it is nonsense, it is `run`'s."""
        if self._keepers is None or self._in_hand is not None or self._backlog.is_full:
            return False
        if any(pacer.rate is not None for pacer in self._pacers):
            return False
        try:
            self._take(*frame, self._keepers)
        except ProtocolBreachError:
            return False
        return True

    def _take(self, header: FrameHeader, payload: bytes | memoryview, keeping: trio.Nursery) -> None:
        """Raises ProtocolBreachError, and has done nothing then."""
        index = Index(header.index)
        reception = self._receptions.get(header.request)
        length = reception.lengths.get(index) if reception is not None else None
        if reception is None or length is None:
            self._drop(header)
        elif header.flags is Flags.NONE or header.flags is Flags.LAST:
            self._add(header, payload, reception, length)
            key = (header.request, index)
            self._moved[key] = self._moved.get(key, 0) + len(payload)
            if header.flags is Flags.LAST:
                self._finish(header.request, reception, index, keeping)
        else:
            self._abort(header, reception, index)

    def _drop(self, header: FrameHeader) -> None:
        version = self._forgotten.get(header.request)
        if version is None:
            raise ProtocolBreachError(f"sent a frame of block {header.index} that nobody asked for")
        self._waste(version, header.length)

    def _add(self, header: FrameHeader, payload: bytes | memoryview, reception: _Reception, length: int) -> None:
        part = reception.parts.get(Index(header.index))
        filled = part.filled if part is not None else 0
        end = filled + len(payload)
        if header.encoded_length != length or header.offset != filled or end > length:
            raise ProtocolBreachError(f"sent frames of block {header.index} that do not fit together")
        if (header.flags is Flags.LAST) != (end == length):
            raise ProtocolBreachError(f"ended block {header.index} after {end} of {length} bytes")
        if part is None:
            part = reception.parts[Index(header.index)] = _Part(bytearray(length))
        part.data[filled:end] = payload
        part.filled = end

    def _abort(self, header: FrameHeader, reception: _Reception, index: Index) -> None:
        part = reception.parts.pop(index, None)
        if part is not None:
            self._waste(reception.version, part.filled)
        self._close(header.request, reception, index)
        is_lost = Flags.LOST in header.flags
        self._submit(BlockAborted(self._connection.id, header.request, reception.version, index, is_lost))

    def _close(self, request: int, reception: _Reception, index: Index) -> None:
        del reception.lengths[index]
        if not reception.lengths:
            del self._receptions[request]

    # --- whole blocks ---------------------------------------------------------------------------

    def _finish(self, request: int, reception: _Reception, index: Index, keeping: trio.Nursery) -> None:
        data = reception.parts.pop(index).data
        self._close(request, reception, index)
        self._backlog.add(len(data))
        self._keeping[request, index] = None
        keeping.start_soon(self._keep, reception.shelf, request, reception.version, index, data)

    async def _keep(self, shelf: Shelf, request: int, version: VersionId, index: Index, data: bytearray) -> None:
        connection, count = self._connection.id, len(data)
        event: Event = BlockAborted(connection, request, version, index, is_lost=False)
        try:
            kept = await shelf.keep(index, data)
            event = (BlockRefused if kept is Kept.WRONG else BlockArrived)(connection, request, version, index, count)
        except Exception as error:  # a task's outer edge: the shelf has told its fetch; the other versions go on
            level = logging.INFO if isinstance(error, SwarmError) else logging.ERROR
            log.log(level, "block %d could not be kept", index, exc_info=error)
        finally:
            self._backlog.remove(count)
            del self._keeping[request, index]
        self._submit(event)
