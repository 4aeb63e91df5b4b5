"""How many blocks move at once: k uploads and k receptions, and more while the link is measurably not full.

k must be the same for out and in: with fewer receptions than uploads every uplink wastes half its time (simulated
1.85 against 1.11 at 64 peers), with no limit on receptions mixed speeds starve the fast (4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

SLOTS_MIN = 2
"""One slot would leave the link idle between two blocks, for as long as a round trip takes."""

SLOTS_LONG = 3
LONG_BLOCKS = 400
"""With so many blocks a whole block's delay per hop costs less than idle moments between blocks (32 peers, simulated:
with 512 blocks three slots gave 1.036 and two 1.041; with 128 blocks 1.16 and 1.11)."""

SLOTS_MAX = 8
"""Each slot more delays a whole block, and so whoever waits for it, by about one block time per hop."""

RTTS_IN_FLIGHT = 8
"""k x block time is to cover this many round trips: at 50 ms, k = 8 gives 1.27 where 2 gives 1.45 (simulated)."""

GRANT_S = 0.08
"""Where blocks are quick a grant is for several: what is said about it costs more than its bytes. With 8 peers, 512
blocks of 256 KiB and 100 Mbit/s (simulated) 1.060 with 12 messages a block, where single blocks gave 1.070 with 18."""

RUN_PARTS = 256
"""A grant is for no more than this part of a version: with a 64th, two of 128 blocks, 32 peers were 0.04 slower."""

FULL = 0.8
"""Below this part of what the link has shown it is measurably not full."""

OCCUPIED = 0.5
"""Slots that were empty for more than this part of the time say nothing about the link."""

SMOOTHING_S = 0.5
"""Over so long rates are smoothed: with a tenth of a second the chances of two transfers were taken for a link that is
not full, and swarms of equal links were 0.02 to 0.03 slower."""

PROBE_S = 4.0
"""A link that shows less than it can, since all its partners are slow, is found out by one block more, so often."""

SLOW_PART = 0.3
"""A sender that gives less than this part of a reception's share of the link is slow. Where a fifth have a fifth of the
rate, theirs give a fifth; transfers between equals are seldom below a half."""

RUN_MAX = 64
"""Blocks of one request: the wire's bound."""


def base_slots(rtt_s: float, block_time_s: float, blocks: int) -> int:
    """The smallest k up to 8 with k x block time >= 8 round trips, and at least two, or three where a version has
    many blocks."""
    least = SLOTS_LONG if blocks >= LONG_BLOCKS else SLOTS_MIN
    needed = -int(-(RTTS_IN_FLIGHT * rtt_s) // block_time_s) if block_time_s > 0 else 0
    return max(least, min(SLOTS_MAX, needed))


def run_length(rtt_s: float, block_time_s: float, slots: int, blocks: int, grant_s: float = GRANT_S) -> int:
    """Blocks per grant: one, or as many as last for `grant_s` of the link, or as the slots at their most need to cover
    the round trips; of a version of few `blocks`, fewer."""
    if block_time_s <= 0:
        return 1
    needed = max(-int(-(RTTS_IN_FLIGHT * rtt_s) // (block_time_s * slots)), -int(-grant_s // block_time_s))
    return max(1, min(RUN_MAX, blocks // RUN_PARTS, needed))


class SlotRule(Protocol):
    """How many slots there are, the base included. Asked whenever the driver has said what moved."""

    def count(self, *, base: int, busy: int, occupied: float, rate: float, capacity: float, now: float) -> int: ...


class FixedSlots:
    """The base alone: for comparison (with 20 % slow peers the fast take 1.7 times as long)."""

    def count(self, *, base: int, busy: int, occupied: float, rate: float, capacity: float, now: float) -> int:  # noqa: ARG002
        """Always the base."""
        return base


@dataclass(slots=True)
class AdaptiveSlots:
    """One more than are busy while the link is measurably not full; the base otherwise.

    `rate` and `occupied` (busy slots on average) are of the last tenth of a second, `capacity` is what the link has
    shown, 0 if unknown. An extra slot is for one block, and is gone with the next block that begins: where it was kept
    for half a second or a tenth, slots in and out no longer matched, and swarms of equal links became slower (64 peers,
    simulated: 1.24 and 1.17 instead of 1.12).
    """

    _rate: float = 0.0
    _part: float = 0.0
    _asked_at: float | None = None
    _probed_at: float = 0.0

    def count(self, *, base: int, busy: int, occupied: float, rate: float, capacity: float, now: float) -> int:
        """Slots from now on."""
        part = min(1.0, occupied / base)
        self._smooth(rate, part, now)
        if busy < base or part < OCCUPIED or capacity <= 0:
            return base
        if self._rate < FULL * capacity * self._part:
            return min(SLOTS_MAX, busy + 1)
        if now - self._probed_at >= PROBE_S:
            self._probed_at = now
            return min(SLOTS_MAX, busy + 1)
        return base

    def _smooth(self, rate: float, part: float, now: float) -> None:
        weight = 1.0 if self._asked_at is None else min(1.0, (now - self._asked_at) / SMOOTHING_S)
        self._asked_at = now
        self._rate += weight * (rate - self._rate)
        self._part += weight * (part - self._part)
