"""How many leases to keep out: as few as fill the origin's line, found by trying.

Where the origin is one thin line, leases in excess share it: at 64 agents with one each a block takes 64 block times to
arrive, and the swarm waits for its first blocks (simulated, N = 64, M = 128: last finish 2.0 × the limit; 1.29 with 8
out). Where it is S3, more readers simply get more. So the window doubles as long as that makes arrivals faster, goes
back where it did not, and tries again later; a refusal halves it.
"""

from __future__ import annotations

from dataclasses import dataclass

GROWTH = 1.3
"""Twice the leases must bring this much more; measurements differ by less than that where the line is full."""

HOLD_ROUNDS = 4
HOLD_MIN_S = 1.0
"""After a doubling that brought nothing: the next try comes after so many times as long as that one took. A try costs a
few late blocks; none would cost a rich store, whose readers are at first kept busy by one another.
"""

REFUSED_S = 5.0
"""After a refusal the window does not grow for this long."""


@dataclass(slots=True)
class _Round:
    """Arrivals since the window changed: the first `skipped` belong to the time before, the next are measured."""

    skipped: int
    measured: int
    changed_at: float
    began_at: float = 0.0
    bytes: int = 0
    was_full: bool = False


class Window:
    """`size` leases may be out. `least` and `most` bound it."""

    def __init__(self, least: int, most: int) -> None:
        self.size = least
        self._least = least
        self._most = most
        self._rate_before: float | None = None
        self._held_until = float("-inf")
        self._round = self._new_round(float("-inf"))

    def was_full(self) -> None:
        """Somebody would have read and had to wait: only then does the window decide anything."""
        self._round.was_full = True

    def arrived(self, size_bytes: int, now: float) -> None:
        """A leased block came whole."""
        if self._round.skipped:
            self._round.skipped -= 1
            self._round.began_at = now
            return
        self._round.bytes += size_bytes
        self._round.measured -= 1
        if self._round.measured <= 0 and now > self._round.began_at:
            self._judge(self._round.bytes / (now - self._round.began_at), now)

    def refused(self, now: float) -> None:
        """The store asks for less."""
        self._shrink(now, REFUSED_S)

    def _judge(self, rate: float, now: float) -> None:
        before, self._rate_before = self._rate_before, rate
        if not self._round.was_full:
            self._rate_before = None
            self._round = self._new_round(now)
        elif before is not None and rate < GROWTH * before:
            self._shrink(now, HOLD_ROUNDS * (now - self._round.changed_at))
        elif now >= self._held_until:
            self.size = min(self.size * 2, self._most)
            self._round = self._new_round(now)
        else:
            self._rate_before = None
            self._round = self._new_round(now)

    def _shrink(self, now: float, hold_s: float) -> None:
        self.size = max(self.size // 2, self._least)
        self._held_until = now + max(hold_s, HOLD_MIN_S)
        self._rate_before = None
        self._round = self._new_round(now)

    def _new_round(self, now: float) -> _Round:
        return _Round(self.size, self.size, now)
