"""Reads from the store that are under way, and the pause after it has refused.

Where there is a tracker each read has a lease; where there is none the owner of a block reads it. This file only
counts; `leasing` decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.protocol.ids import VersionId

if TYPE_CHECKING:
    from random import Random

PAUSE_FIRST_S = 0.5
PAUSE_LAST_S = 4.0
"""After SlowDown or a failure no read begins for this long, doubling, with jitter, until one succeeds. Who waits longer
than this outlasts the outage by as much again; a read every few seconds of each agent hurts no store."""


READS_MAX = 8
"""A link that eight reads at once do not fill is not filled by more."""

CLIMB_S = 1.0
"""How long a step is left to show its effect: as long as a rate is measured."""

CLIMB_LAST_S = 32.0
"""Steps that gained nothing are tried ever more seldom."""

GAIN = 0.5
"""Of what one read more would add where nothing else is in its way: so much must be gained for it to stay."""


class Climb:
    """How many reads at once: one, and one more for as long as that makes the link measurably faster.

    One at a time is right in a crowd (sixteen leases each made simulated swarms 0.15 slower, 2.8 times with mixed
    speeds); an agent alone needs several to hide the 30 to 100 ms before a store's first byte.
    """

    def __init__(self) -> None:
        self._count = 1
        self._stepped_at = 0.0
        self._wait_s = CLIMB_S
        self._rate_before: float | None = None

    def step(self, busy: int, rate: float, now: float) -> int:
        """Reads at once from now on. `rate`: bytes per second."""
        wait_s = self._wait_s if self._rate_before is None else CLIMB_S
        if now - self._stepped_at >= wait_s:
            self._stepped_at = now
            if self._rate_before is not None:
                self._judge(rate)
            elif busy >= self._count and self._count < READS_MAX:
                self._rate_before = rate
                self._count += 1
            elif busy < self._count:
                self._count = max(1, busy)
        return self._count

    def _judge(self, rate: float) -> None:
        assert self._rate_before is not None
        if rate >= (1 + GAIN / (self._count - 1)) * self._rate_before:
            self._wait_s = 0.0
        else:
            self._count -= 1
            self._wait_s = min(CLIMB_LAST_S, max(CLIMB_S, 2 * self._wait_s))
        self._rate_before = None


@dataclass(slots=True, eq=False)
class StoreReading:
    """One block on its way from the store."""

    version: VersionId
    index: int
    length: int
    began_at: float
    bytes: int = 0
    moved_at: float = 0.0


class StoreReads:
    """By block."""

    def __init__(self, rng: Random) -> None:
        self.readings: dict[tuple[VersionId, int], StoreReading] = {}
        self.paused_at = self.paused_until = float("-inf")
        self._pause_s = 0.0
        self._rng = rng

    def __len__(self) -> int:
        return len(self.readings)

    def begin(self, version: VersionId, index: int, length: int, now: float) -> StoreReading:
        """A read was begun."""
        reading = self.readings[version, index] = StoreReading(version, index, length, now, 0, now)
        return reading

    def get(self, version: VersionId, index: int) -> StoreReading | None:
        """The read of a block, while it is under way."""
        return self.readings.get((version, index))

    def end(self, version: VersionId, index: int) -> StoreReading | None:
        """It is over; None where none was under way."""
        return self.readings.pop((version, index), None)

    def moved(self, version: VersionId, index: int, count: int, now: float) -> int:
        """So many bytes of it have come in all; returns how many of them are news."""
        reading = self.readings.get((version, index))
        if reading is None or count <= reading.bytes:
            return 0
        news, reading.bytes, reading.moved_at = count - reading.bytes, count, now
        return news

    def refused(self, now: float) -> None:
        """The store said SlowDown, or nothing. Reads that were under way together say it together: that is once."""
        if self.is_paused(now):
            return
        self._pause_s = min(PAUSE_LAST_S, max(PAUSE_FIRST_S, 2 * self._pause_s))
        self.paused_at, self.paused_until = now, now + self._pause_s * self._rng.uniform(0.75, 1.25)

    def succeeded(self) -> None:
        """A block came: the store is well."""
        self._pause_s = 0.0

    def is_paused(self, now: float) -> bool:
        """Whether no read is to begin."""
        return now < self.paused_until
