"""Reads from the store that the node has asked for: each a task whose result is an event.

The node decides what is read and when; here it is done, under the rate limits, and can be broken off.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from swarm.agent.pacing import Limits
from swarm.agent.shelf import Kept, Shelf
from swarm.errors import (
    CorruptError,
    InternalError,
    SwarmError,
    TransportError,
    UnavailableError,
    UnreachableError,
)
from swarm.exchange.commands import ReadStore
from swarm.exchange.events import Event, StoreFailed, StoreRead
from swarm.protocol.ids import BlockId, Index, VersionId

ReadBlock = Callable[[BlockId, int, "str | None", Callable[[int], None]], Awaitable[bytes]]
"""Reads a block of so many bytes, verified: by a presigned URL where one came with the lease. The callable is told the
bytes that came so far. Raises what a store raises."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Reading:
    bytes: int = 0
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class StoreReads:
    """At most one of each block."""

    def __init__(
        self,
        read_block: ReadBlock | None,
        shelf_of: Callable[[VersionId], Shelf | None],
        submit: Callable[[Event], None],
        limits: Limits,
    ) -> None:
        self._read_block = read_block
        self._shelf_of = shelf_of
        self._submit = submit
        self._limits = limits
        self.trouble: SwarmError | None = None
        """What the store said last, if it was no block."""
        self._failures: dict[tuple[VersionId, Index], SwarmError] = {}
        self._readings: dict[tuple[VersionId, Index], _Reading] = {}
        self._turn = trio.Lock()

    def failure(self, version: VersionId, index: Index) -> SwarmError | None:
        """Why a block could not be read when it was tried last."""
        return self._failures.get((version, index))

    def forget(self, version: VersionId) -> None:
        """The version is closed: nobody asks any more why it could not be read."""
        for key in [key for key in self._failures if key[0] == version]:
            del self._failures[key]

    def progress(self) -> tuple[tuple[VersionId, Index, int], ...]:
        """(version, index, bytes so far) of each, for `Progressed`."""
        return tuple((version, index, reading.bytes) for (version, index), reading in self._readings.items())

    def cancel(self, version: VersionId, index: Index) -> None:
        """Breaks a read off; nothing happens where there is none."""
        if reading := self._readings.get((version, index)):
            reading.scope.cancel()

    async def run(self, command: ReadStore) -> None:
        """One read, from its beginning to the event that says what came of it."""
        key = (command.version, command.index)
        reading = self._readings[key] = _Reading()
        event: Event = StoreFailed(*key, "cancelled", "the lease was taken back")
        try:
            with reading.scope:
                event = await self._read_and_keep(command, reading)
        finally:
            # A read that was broken off may take a while to end, and the next of the same block have begun: it is
            # that one which the node means.
            is_last = self._readings.get(key) is reading
            if is_last:
                del self._readings[key]
        if is_last or isinstance(event, StoreRead):
            self._submit(event)

    async def _read_and_keep(self, command: ReadStore, reading: _Reading) -> Event:
        key = (command.version, command.index)
        shelf = self._shelf_of(command.version)
        if shelf is None:
            return StoreFailed(*key, "cancelled", "the version was closed")
        try:
            data = await self._read(command, shelf, reading)
        except Exception as error:  # a task's outer edge: one read that fails must not end the agent
            return self._failed(key, error)
        self.trouble = None
        self._failures.pop(key, None)
        try:
            kept = await shelf.keep(command.index, data)
        except Exception as error:  # the same: a disk that is full has ended the fetch, which knows it
            log.log(logging.INFO if isinstance(error, SwarmError) else logging.ERROR, "not kept", exc_info=error)
            return StoreFailed(*key, "cancelled", str(error))
        return (
            StoreFailed(*key, "corrupt", "these are other bytes") if kept is Kept.WRONG else StoreRead(*key, len(data))
        )

    def _failed(self, key: tuple[VersionId, Index], error: Exception) -> StoreFailed:
        if not isinstance(error, SwarmError):
            log.error("block %d could not be read from the store", key[1], exc_info=error)
            error = InternalError(f"it could not be read: {error!r}")
        self.trouble = self._failures[key] = error
        return StoreFailed(*key, _kind(error), error.message)

    async def _read(self, command: ReadStore, shelf: Shelf, reading: _Reading) -> bytes:
        block, length = shelf.id_of(command.index), shelf.length_of(command.index)
        if self._read_block is None or block is None or length is None:
            raise UnavailableError("no store can be read, or not this block")

        def moved(count: int) -> None:
            reading.bytes = count

        # One whole block after the other: side by side eight would be let pass at once, after a long silence.
        async with self._turn:
            await self._limits.origin.take(length)
            await self._limits.download.take(length)
        return await self._read_block(block, length, command.url, moved)


def _kind(error: SwarmError) -> str:
    """Whether asking again helps. Who may not read a store is given as little by it as where a block is missing."""
    match error:
        case CorruptError():
            return "corrupt"
        case UnavailableError(is_slow_down=True):
            return "slow_down"
        case UnavailableError() | UnreachableError() | TransportError() | InternalError():
            return "unavailable"
        case _:
            return "missing"
