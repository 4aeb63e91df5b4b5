"""Locks for yamux that cost nothing while nobody waits.

`trio.Lock` reschedules its task even when it is free, and py-libp2p's yamux takes six locks for each frame: more than
half of a transfer's time. These have the same meaning; a free one is taken without a trip through the scheduler.
Fairness is kept among those that wait. Every path that takes them also reads or writes the socket, where trio does
reschedule, so nobody starves.
"""

from __future__ import annotations

from types import TracebackType

import trio


class QuickLock:
    """A mutual exclusion for one event loop."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting = trio.lowlevel.ParkingLot()

    async def __aenter__(self) -> None:
        if self._is_taken:
            # Whoever leaves hands the lock on to the longest waiting, so it stays taken.
            await self._waiting.park()
        self._is_taken = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._waiting.unpark():
            self._is_taken = False

    def locked(self) -> bool:
        return self._is_taken
