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

SATURATED = 0.95
"""From this part on an extra slot is taken back."""

STEP_S = 0.5
"""How long one step is left to show its effect in the measured rate before the next is taken."""

PROBE_FIRST_S = 2.0
PROBE_LAST_S = 32.0
"""A link that shows less than it can (all its receivers are slow) is found out by one slot more, ever more seldom."""

GAIN = 1.1
"""A probe that raises the rate by this has found room."""

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


class ExtraSlots(Protocol):
    """How many slots there are above the base."""

    def step(self, *, base: int, busy: int, rate: float, capacity: float, now: float) -> int: ...


class FixedSlots:
    """None: for comparison (with 20 % slow peers the fast take 1.7 times as long)."""

    def step(self, *, base: int, busy: int, rate: float, capacity: float, now: float) -> int:  # noqa: ARG002
        """Always the base alone."""
        return 0


@dataclass(slots=True)
class AdaptiveSlots:
    """One more while all are busy and the rate is below 0.8 of the capacity; one less when the link is full again."""

    extra: int = 0
    stepped_at: float = float("-inf")
    probed_at: float = float("-inf")
    probe_s: float = PROBE_FIRST_S
    rate_before: float | None = None

    def step(self, *, base: int, busy: int, rate: float, capacity: float, now: float) -> int:
        """Extra slots from now on. Call as often as you like; it moves once in half a second."""
        if now - self.stepped_at >= STEP_S:
            self.stepped_at = now
            self._move(base, busy, rate, capacity, now)
        return self.extra

    def _move(self, base: int, busy: int, rate: float, capacity: float, now: float) -> None:
        is_busy = busy >= base + self.extra
        room = SLOTS_MAX - base - self.extra
        if self.rate_before is not None:
            self._judge_probe(rate)
        elif capacity <= 0 or not room:
            self._shrink(rate, capacity)
        elif is_busy and rate < FULL * capacity:
            self.extra += 1
        elif is_busy and now - self.probed_at >= self.probe_s:
            self.probed_at, self.rate_before = now, rate
            self.extra += 1
        else:
            self._shrink(rate, capacity)

    def _judge_probe(self, rate: float) -> None:
        assert self.rate_before is not None
        if rate >= GAIN * self.rate_before:
            self.probe_s = PROBE_FIRST_S
        else:
            self.extra = max(0, self.extra - 1)
            self.probe_s = min(PROBE_LAST_S, 2 * self.probe_s)
        self.rate_before = None

    def _shrink(self, rate: float, capacity: float) -> None:
        if self.extra and rate >= SATURATED * capacity:
            self.extra -= 1
