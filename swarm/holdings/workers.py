"""Threads for the disk: quick work (a block) and slow work (a survey, a commit) each under a limiter of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import trio

from swarm.holdings.survey import Tick

T = TypeVar("T")

QUICK_THREADS = 4
"""Blocks read or written at once: enough to keep two cores hashing and a disk's queue filled."""

SLOW_THREADS = 3
"""Long work at once: a reuse, a verify and a sync must not wait for each other."""

TICK_INTERVAL_S = 0.1
"""Progress is told this often. A survey of small files ticks a hundred thousand times a second."""


class Workers:
    """The limiters of one open `$SWARM_HOME`."""

    def __init__(self) -> None:
        self._quick = trio.CapacityLimiter(QUICK_THREADS)
        self._slow = trio.CapacityLimiter(SLOW_THREADS)

    async def quick(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._quick)

    async def slow(self, work: Callable[[], T]) -> T:
        """`work` ends early by an exception where its ticker finds that the task was cancelled."""
        return await trio.to_thread.run_sync(work, limiter=self._slow)

    @staticmethod
    def ticker(progress: Callable[[int], None] | None) -> Tick:
        """For `slow` work: collects bytes, tells `progress` in the task's own thread now and then, and raises
        trio.Cancelled there and here when the task is cancelled."""
        return _Ticker(progress)


class _Ticker:
    """Counts in the worker's thread. What is left of the last interval is not told: the end is known anyway."""

    __slots__ = ("_bytes", "_progress", "_told_at")

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self._progress = progress
        self._bytes = 0
        self._told_at = time.monotonic()

    def __call__(self, count: int) -> None:
        self._bytes += count
        now = time.monotonic()
        if now - self._told_at < TICK_INTERVAL_S:
            return
        trio.from_thread.check_cancelled()
        if self._progress is not None:
            trio.from_thread.run_sync(self._progress, self._bytes)
        self._bytes = 0
        self._told_at = now
