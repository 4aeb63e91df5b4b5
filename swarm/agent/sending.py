"""The sending side of one connection: blocks that the node has granted, one after the other, in frames.

The next block is read while the present one is sent. A cancelled block ends at the next frame with an `aborted` one,
so that the other side knows; one that can no longer be read here says `lost`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from swarm.agent.pacing import Pacer
from swarm.agent.shelf import Shelf
from swarm.errors import SwarmError, UnavailableError
from swarm.exchange.commands import SendBlock
from swarm.exchange.events import BlockSent, Event, SendFailed, Transfer
from swarm.protocol.frames import PAYLOAD_MAX, Flags, FrameHeader, abort
from swarm.protocol.ids import Index, VersionId
from swarm.transport.transport import Connection

READ_AHEAD = 2
"""Blocks read before their turn: one is being sent, the next is ready."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Job:
    """One block to send. `is_settled`: there are bytes, or there is a reason not to send any."""

    command: SendBlock
    data: bytes | None = None
    is_lost: bool = False
    is_cancelled: bool = False
    is_ahead: bool = False
    is_over: bool = False
    is_settled: trio.Event = field(default_factory=trio.Event)


class Sender:
    """Sends granted blocks on one connection."""

    def __init__(
        self,
        connection: Connection,
        shelf_of: Callable[[VersionId], Shelf | None],
        submit: Callable[[Event], None],
        pacer: Pacer,
    ) -> None:
        self._connection = connection
        self._shelf_of = shelf_of
        self._submit = submit
        self._pacer = pacer
        self._jobs: dict[tuple[int, Index], _Job] = {}
        # Unbounded on purpose: the node grants a bounded number of blocks (two to eight slots of at most 64).
        self._queue_in, self._queue = trio.open_memory_channel[_Job](math.inf)
        self._read_in, self._read_queue = trio.open_memory_channel[_Job](math.inf)
        self._ahead = trio.Semaphore(READ_AHEAD)
        self._moved: dict[tuple[int, Index], int] = {}

    def send(self, command: SendBlock) -> None:
        """Queues a block."""
        job = _Job(command)
        self._jobs[command.request, command.index] = job
        self._queue_in.send_nowait(job)
        self._read_in.send_nowait(job)

    def cancel(self, request: int, index: Index) -> None:
        """Stops at the next frame, also a block that is still being read; one that was sent is not affected."""
        job = self._jobs.get((request, index))
        if job is not None:
            job.is_cancelled = True
            job.is_settled.set()

    def take_moved(self) -> tuple[Transfer, ...]:
        """What has gone since the last call, for `Progressed`."""
        moved, self._moved = self._moved, {}
        connection = self._connection.id
        return tuple(Transfer(connection, request, index, count) for (request, index), count in moved.items())

    async def run(self) -> None:
        """Sends until the connection ends (TransportError) or the task is cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_ahead)
            async for job in self._queue:
                await job.is_settled.wait()
                try:
                    await self._send(job)
                finally:
                    self._end(job)

    # --- reading --------------------------------------------------------------------------------

    async def _read_ahead(self) -> None:
        async for job in self._read_queue:
            await self._ahead.acquire()
            if job.is_over:
                self._ahead.release()
                continue
            job.is_ahead = True
            await self._read(job)
            job.is_settled.set()

    async def _read(self, job: _Job) -> None:
        shelf = self._shelf_of(job.command.version)
        try:
            job.data = await shelf.read(job.command.index) if shelf is not None else None
            job.is_lost = job.data is None
        except UnavailableError as error:
            log.info("block %d cannot be read now: %s", job.command.index, error)
        except Exception as error:  # a task's outer edge: one block that cannot be read must not end the connection
            level = logging.WARNING if isinstance(error, SwarmError) else logging.ERROR
            log.log(level, "block %d cannot be read", job.command.index, exc_info=error)
            job.is_lost = True

    def _end(self, job: _Job) -> None:
        key = (job.command.request, job.command.index)
        # A cancelled number may be in use again: then the entry is another job's.
        if self._jobs.get(key) is job:
            del self._jobs[key]
        job.is_over, job.data = True, None
        if job.is_ahead:
            self._ahead.release()

    # --- sending --------------------------------------------------------------------------------

    async def _send(self, job: _Job) -> None:
        command, connection = job.command, self._connection
        total = len(job.data) if job.data is not None else 0
        if job.data is not None and await self._send_frames(job, job.data):
            event: Event = BlockSent(connection.id, command.request, command.version, command.index, total)
        else:
            is_lost = job.is_lost and not job.is_cancelled
            await connection.send_frame(abort(command.request, command.index, 0, total, is_lost=is_lost), b"")
            event = SendFailed(connection.id, command.request, command.version, command.index, is_lost)
        self._submit(event)

    async def _send_frames(self, job: _Job, data: bytes) -> bool:
        """False where the block was cancelled before its last frame."""
        request, index, total = job.command.request, job.command.index, len(data)
        view, key, offset = memoryview(data), (request, index), 0
        while offset < total:
            payload = view[offset : offset + self._pacer.frame_bytes(PAYLOAD_MAX)]
            count = len(payload)
            await self._pacer.take(count)
            if job.is_cancelled:
                return False
            flags = Flags.LAST if offset + count == total else Flags.NONE
            await self._connection.send_frame(FrameHeader(request, index, offset, count, total, flags), payload)
            self._moved[key] = self._moved.get(key, 0) + count
            offset += count
        return True
