"""The sending side of one connection: blocks that the node has granted, one after the other, in frames.

The next block is read while the present one is sent. A cancelled block ends at the next frame with an `aborted` one,
so that the other side knows; one that can no longer be read here says `lost`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from swarm.agent.pacing import Pacer
from swarm.agent.shelf import Shelf
from swarm.exchange.commands import SendBlock
from swarm.exchange.events import BlockSent, Event, SendFailed, Transfer
from swarm.protocol.frames import PAYLOAD_MAX, Codec, Flags, FrameHeader
from swarm.protocol.ids import Index, VersionId
from swarm.transport.transport import Connection

READ_AHEAD = 2
"""Blocks read before their turn: one is being sent, the next is ready."""


@dataclass(slots=True, eq=False)
class _Job:
    """One block to send; `data` comes before its turn, `is_cancelled` at any time."""

    command: SendBlock
    is_cancelled: bool = False
    data: bytes | None = None
    is_read: trio.Event = field(default_factory=trio.Event)


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
        self._ahead = trio.CapacityLimiter(READ_AHEAD)
        self._moved: dict[tuple[int, Index], int] = {}

    def send(self, command: SendBlock) -> None:
        """Queues a block."""
        job = _Job(command)
        self._jobs[command.request, command.index] = job
        self._queue_in.send_nowait(job)
        self._read_in.send_nowait(job)

    def cancel(self, request: int, index: Index) -> None:
        """Stops at the next frame; a block that was sent already is not affected."""
        job = self._jobs.get((request, index))
        if job is not None:
            job.is_cancelled = True

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
                await job.is_read.wait()
                try:
                    await self._send(job)
                finally:
                    del self._jobs[job.command.request, job.command.index]
                    self._ahead.release_on_behalf_of(job)

    async def _read_ahead(self) -> None:
        async for job in self._read_queue:
            await self._ahead.acquire_on_behalf_of(job)
            shelf = self._shelf_of(job.command.version)
            if shelf is not None and not job.is_cancelled:
                job.data = await shelf.read(job.command.index)
            job.is_read.set()

    async def _send(self, job: _Job) -> None:
        command, connection = job.command, self._connection
        data = job.data
        if data is None or job.is_cancelled:
            await self._abort(job, is_lost=data is None and not job.is_cancelled)
            return
        view = memoryview(data)
        total = len(data)
        for offset in range(0, max(total, 1), PAYLOAD_MAX):
            payload = view[offset : offset + PAYLOAD_MAX]
            await self._pacer.take(len(payload))
            if self._is_cancelled(job):
                await self._abort(job, is_lost=False)
                return
            flags = Flags.LAST if offset + len(payload) >= total else Flags(0)
            header = FrameHeader(command.request, command.index, offset, len(payload), total, flags, Codec.PLAIN)
            await connection.send_frame(header, payload)
            key = (command.request, command.index)
            self._moved[key] = self._moved.get(key, 0) + len(payload)
        self._submit(BlockSent(connection.id, command.request, command.version, command.index, total))

    @staticmethod
    def _is_cancelled(job: _Job) -> bool:
        """Asked again after each wait: `cancel` comes from another task."""
        return job.is_cancelled

    async def _abort(self, job: _Job, *, is_lost: bool) -> None:
        command = job.command
        flags = Flags.LOST if is_lost else Flags.ABORTED
        await self._connection.send_frame(FrameHeader(command.request, command.index, 0, 0, 0, flags, Codec.PLAIN), b"")
        self._submit(SendFailed(self._connection.id, command.request, command.version, command.index, is_lost))
