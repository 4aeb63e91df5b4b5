"""Rate limits: bytes pass at a rate that many tasks share, first come, first served.

Used for uploads, downloads and reads from the store. A limit may be changed while tasks wait. What is more than a
quantum is taken quantum by quantum, so that a task with a whole block does not hold up those with a frame each.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

AHEAD_S = 0.02
"""How much may go before its time, in seconds of the rate: else each frame of a fast limit would cost a sleep."""

BEHIND_S = 0.2
"""How much of what was not used may be made up for: a task that wakes late must not lower the rate. Over ten seconds
both together are 2.2 %."""

QUANTUM_BYTES = 64 * 1024
"""Taken at once: a frame."""

FRAME_S = 0.1
"""What a frame may take at a low limit: a promise is broken after two seconds without a byte, and eight transfers may
have to take turns."""


class Pacer:
    """Lets bytes pass at `rate` bytes per second (None: at once)."""

    def __init__(self, rate: float | None = None) -> None:
        self._rate = rate
        self._booked = 0
        """Bytes that were asked for so far: who asks gets the next place in this row."""
        self._free_at = float("-inf")
        """When everything booked so far will have passed at exactly the rate."""
        self._changed = trio.Event()
        self._waiting = 0

    @property
    def rate(self) -> float | None:
        """Bytes per second, None for no limit."""
        return self._rate

    @property
    def is_holding(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    def set_rate(self, rate: float | None) -> None:
        """Changes the limit, also for those who wait already."""
        if self._rate is not None and rate is not None:
            # What has gone ahead of its time is not held against a much lower limit: that would be a long silence.
            paid_at = trio.current_time() + AHEAD_S
            self._free_at = min(self._free_at, paid_at) + max(0.0, self._free_at - paid_at) * self._rate / rate
        self._rate = rate
        self._changed.set()
        self._changed = trio.Event()

    def frame_bytes(self, most: int) -> int:
        """How much of `most` to send in one piece, so that a low limit does not become long silences."""
        return most if self._rate is None else max(1, min(most, int(self._rate * FRAME_S)))

    async def take(self, count: int) -> None:
        """Waits until `count` bytes may pass. Without a limit this is no checkpoint."""
        while self._rate is not None and count > 0:
            quantum = min(count, QUANTUM_BYTES)
            count -= quantum
            now = trio.current_time()
            self._free_at = max(self._free_at, now - BEHIND_S) + quantum / self._rate
            self._booked += quantum
            if self._free_at > now + AHEAD_S:
                await self._wait_for(self._booked)

    async def _wait_for(self, place: int) -> None:
        """Until what was booked up to `place` may pass; the rate may change meanwhile."""
        self._waiting += 1
        try:
            while self._rate is not None:
                passes_at = self._free_at - (self._booked - place) / self._rate - AHEAD_S
                if passes_at <= trio.current_time():
                    return
                with trio.move_on_at(passes_at):
                    await self._changed.wait()
        finally:
            self._waiting -= 1


@dataclass(slots=True)
class Limits:
    """The three rate limits of an agent: to peers; from anywhere; from the origin, which is the store and seeders."""

    upload: Pacer = field(default_factory=Pacer)
    download: Pacer = field(default_factory=Pacer)
    origin: Pacer = field(default_factory=Pacer)
