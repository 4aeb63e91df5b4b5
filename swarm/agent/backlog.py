"""Whole blocks that have come and wait for the disk: counted over all connections, so that memory is bounded.

Credit bounds what is asked for, but a request that a slow disk lets grow old is given up and made again elsewhere:
without this count a disk that hangs would fill the memory with blocks that wait for it.
"""

from __future__ import annotations

import trio

from swarm.exchange.config import RECEIVE_BYTES_MAX

BACKLOG_BYTES_MAX = RECEIVE_BYTES_MAX
"""As much as may be promised to us at once; then no connection's frames are read until the disk has taken some."""


class Backlog:
    """Shared by all receivers of an agent."""

    def __init__(self, bytes_max: int = BACKLOG_BYTES_MAX) -> None:
        self.bytes = 0
        self._moved_at = 0.0
        """When the disk last took something, or something began to wait for it."""
        self._bytes_max = bytes_max
        self._waiting = trio.lowlevel.ParkingLot()

    def add(self, count: int) -> None:
        """A block has come whole."""
        if not self.bytes:
            self._moved_at = trio.current_time()
        self.bytes += count

    def remove(self, count: int) -> None:
        """It is kept, or refused."""
        self._moved_at = trio.current_time()
        self.bytes -= count
        if self.bytes < self._bytes_max:
            self._waiting.unpark_all()

    def idle_s(self, now: float) -> float:
        """For how long the disk has taken nothing of what waits; 0 where nothing waits."""
        return now - self._moved_at if self.bytes else 0.0

    @property
    def is_full(self) -> bool:
        """Whether as much waits as may."""
        return self.bytes >= self._bytes_max

    async def wait_for_room(self) -> None:
        """Until less than the bound waits. No checkpoint where that is so."""
        while self.is_full:
            await self._waiting.park()
