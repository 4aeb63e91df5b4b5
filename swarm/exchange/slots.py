"""How many blocks move at once: k uploads and k receptions, and more while the link is measurably not full.

k must be the same for out and in: with fewer receptions than uploads every uplink wastes half its time (simulated
1.85 against 1.11 at 64 peers), with no limit on receptions mixed speeds starve the fast (4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

SLOTS_MIN = 2
"""One slot would leave the link idle between two blocks, for as long as a round trip takes."""

SLOTS_MAX = 8
"""Each slot more delays a whole block, and so whoever waits for it, by about one block time per hop."""

RTTS_IN_FLIGHT = 8
"""k x block time is to cover this many round trips: at 50 ms, k = 8 gives 1.27 where 2 gives 1.45 (simulated)."""

FULL = 0.8
"""Below this part of what the link has shown it is measurably not full."""

OCCUPIED = 0.5
"""Slots that were empty for more than this part of the time say nothing about the link."""

PROBE_S = 4.0
"""A link that shows less than it can, since all its partners are slow, is found out by one block more, so often."""

RUN_MAX = 64
"""Blocks of one request: the wire's bound."""


def base_slots(rtt_s: float, block_time_s: float) -> int:
    """The smallest k from 2 to 8 with k x block time >= 8 round trips. `block_time_s` 0 means unknown."""
    if block_time_s <= 0:
        return SLOTS_MIN
    needed = -int(-(RTTS_IN_FLIGHT * rtt_s) // block_time_s)
    return max(SLOTS_MIN, min(SLOTS_MAX, needed))


def run_length(rtt_s: float, block_time_s: float, slots: int) -> int:
    """Blocks per grant: one, or as many as the slots at their most need to cover the round trips."""
    if block_time_s <= 0:
        return 1
    needed = -int(-(RTTS_IN_FLIGHT * rtt_s) // (block_time_s * slots))
    return max(1, min(RUN_MAX, needed))


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

    _probed_at: float = 0.0

    def count(self, *, base: int, busy: int, occupied: float, rate: float, capacity: float, now: float) -> int:
        """Slots from now on."""
        part = min(1.0, occupied / base)
        if busy < base or part < OCCUPIED or capacity <= 0:
            return base
        if rate < FULL * capacity * part:
            return min(SLOTS_MAX, busy + 1)
        if now - self._probed_at >= PROBE_S:
            self._probed_at = now
            return min(SLOTS_MAX, busy + 1)
        return base
