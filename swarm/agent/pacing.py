"""Rate limits: a token bucket that many tasks share, first come, first served.

Used by the driver for uploads, downloads and reads from the store. The limit may be changed while tasks wait.
"""

from __future__ import annotations

import trio

BURST_S = 0.05
"""How much may go at once, in seconds of the rate: small, so that ten seconds keep the rate within a few per cent."""


class Pacer:
    """Lets bytes pass at `rate` bytes per second (None: at once)."""

    def __init__(self, rate: float | None = None) -> None:
        self._rate = rate
        self._free_at = float("-inf")

    @property
    def rate(self) -> float | None:
        """Bytes per second, None for no limit."""
        return self._rate

    def set_rate(self, rate: float | None) -> None:
        """Changes the limit; tasks that already wait keep the time that they were given, at most one frame each."""
        self._rate = rate

    async def take(self, count: int) -> None:
        """Waits until `count` bytes may pass."""
        if self._rate is None:
            return
        now = trio.current_time()
        start = max(self._free_at, now - BURST_S)
        self._free_at = start + count / self._rate
        if self._free_at > now:
            await trio.sleep_until(self._free_at)
