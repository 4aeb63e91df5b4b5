"""How many receptions, and bytes, this agent can take; and how often it may say that it can take no more.

That credit is open again is always said to those who believe it closed. That it is closed is said as often as an
allowance permits; beyond it, by declining offers. Saying it always costs two messages per neighbour and block and keeps
uplinks from asking in vain (48 peers and 256 blocks, simulated: 1.078 with 42 messages a block, 1.083 with 33 at a
hundred a second, 1.087 with 24 at thirty, 1.098 with 20 by declines alone); on a fast link that many messages would
cost more than they gain.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from swarm.exchange.rates import Occupancy


@dataclass(slots=True)
class Credit:
    """Slots and bytes taken. Blocks read from the store take bytes but no slot: a lease must never wait for a slot."""

    bytes_max: int
    slots_taken: int = 0
    bytes_taken: int = 0
    occupancy: Occupancy = field(default_factory=Occupancy)

    def bytes_left(self) -> int:
        """What may still be promised to us."""
        return max(0, self.bytes_max - self.bytes_taken)

    def slots_left(self, slots: int, longest: int) -> int:
        """Receptions that may begin now, of `slots` in all; none unless the longest open block still fits."""
        if self.bytes_left() < longest and self.bytes_taken:
            return 0
        return max(0, slots - self.slots_taken)

    def take(self, count: int, now: float) -> None:
        """A request for `count` bytes was sent."""
        self.slots_taken += 1
        self.bytes_taken += count
        self.occupancy.change(self.slots_taken, now)

    def give_back(self, count: int, now: float, *, is_slot: bool) -> None:
        """`count` bytes are no longer to come; with `is_slot` the request has ended."""
        self.bytes_taken -= count
        self.slots_taken -= is_slot
        self.occupancy.change(self.slots_taken, now)

    def check(self, slots: int, count: int) -> None:
        """Raises AssertionError where the counters differ from the receptions that were counted."""
        assert (self.slots_taken, self.bytes_taken) == (slots, count), (self, slots, count)


class Allowance:
    """So many of something a second, and a second's worth at once."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._left = per_s
        self._taken_at = 0.0

    def take(self, now: float) -> bool:
        """Whether one more is allowed; it counts as taken."""
        self._left = min(self._per_s, self._left + (now - self._taken_at) * self._per_s)
        self._taken_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
