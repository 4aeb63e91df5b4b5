"""How fast bytes move, and how fast they have been seen to move: the measured capacity of this agent's link.

Nobody tells an agent what its link can do. The greatest rate over a whole second is what it has shown (DESIGN 5);
older seconds are forgotten, since links and their neighbours change.
"""

from __future__ import annotations

from collections import deque

PACE_WEIGHT = 0.3
"""Of the newest transfer in the pace of one connection."""

PACE_S = 0.05
"""A transfer younger than this has no pace of its own yet."""

WINDOW_S = 1.0
"""One measurement. Shorter ones would take a burst into a socket's buffer for the speed of the link."""

MEMORY_S = 30.0
"""How long a greatest rate counts."""

SETTLING_S = 0.2
"""A window shorter than this says nothing yet."""


class RateMeter:
    """Bytes per second over the last second, and the greatest of those."""

    def __init__(self) -> None:
        self.limit: int | None = None
        """A rate limit that was set: the capacity is no more."""
        self._samples: deque[tuple[float, int]] = deque()
        self._total = 0
        self._began_at: float | None = None
        self._greatest: deque[tuple[float, float]] = deque()

    def add(self, count: int, now: float) -> None:
        """`count` bytes moved up to now."""
        if self._began_at is None:
            self._began_at = now
        self._samples.append((now, count))
        self._total += count
        if now - self._began_at >= WINDOW_S:
            self._note(self.rate(now), now)

    def rate(self, now: float) -> float:
        """Bytes per second over the last second (since the beginning, where that is less)."""
        if self._began_at is None:
            return 0.0
        while self._samples and self._samples[0][0] <= now - WINDOW_S:
            self._total -= self._samples.popleft()[1]
        window = min(now - self._began_at, WINDOW_S)
        return self._total / window if window >= SETTLING_S else 0.0

    def capacity(self, now: float) -> float:
        """The greatest rate over a whole second within memory; 0 where none is known."""
        while self._greatest and self._greatest[0][0] < now - MEMORY_S:
            self._greatest.popleft()
        shown = self._greatest[0][1] if self._greatest else 0.0
        return shown if self.limit is None else min(shown, self.limit)

    def _note(self, rate: float, now: float) -> None:
        # A queue of falling rates: its head is the greatest that is still remembered.
        while self._greatest and self._greatest[-1][1] <= rate:
            self._greatest.pop()
        self._greatest.append((now, rate))


class Pace:
    """How fast one transfer on a connection goes, as the last ones went: to tell when the present one will end."""

    __slots__ = ("rate",)

    def __init__(self) -> None:
        self.rate = 0.0
        """Bytes per second of one transfer; 0 where none has ended."""

    def note(self, count: int, seconds: float) -> None:
        """A transfer has ended."""
        if seconds > 0:
            rate = count / seconds
            self.rate = rate if not self.rate else (1 - PACE_WEIGHT) * self.rate + PACE_WEIGHT * rate

    def ends_at(self, started_at: float, moved_at: float, total: int, left: int) -> float:
        """When a transfer will end: at its own pace, once it has one, else at that of its forerunners."""
        gone, spent = total - left, moved_at - started_at
        if gone > 0 and spent >= PACE_S:
            return moved_at + left * spent / gone
        return moved_at + left / self.rate if self.rate else float("inf")


class Occupancy:
    """How many of something were busy, on average, since it was last asked."""

    __slots__ = ("_area", "_asked_at", "_busy", "_changed_at")

    def __init__(self) -> None:
        self._busy = 0
        self._area = 0.0
        self._changed_at = 0.0
        self._asked_at = 0.0

    @property
    def busy(self) -> int:
        """How many are busy now."""
        return self._busy

    def change(self, busy: int, now: float) -> None:
        """From now on so many are busy."""
        self._area += self._busy * (now - self._changed_at)
        self._busy, self._changed_at = busy, now

    def take(self, now: float) -> tuple[float, float]:
        """(busy on average, seconds) since the last call."""
        self.change(self._busy, now)
        spent, area = now - self._asked_at, self._area
        self._asked_at, self._area = now, 0.0
        return (area / spent if spent > 0 else float(self._busy)), spent
