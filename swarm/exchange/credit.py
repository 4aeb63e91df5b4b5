"""How many receptions, and bytes, this agent can take, and who has been told so.

That credit is open is said to those who believe it closed, a few at a time: whoever has a block to give answers within
a round trip, and then nobody else need hear. That it is closed is said by declining alone. Simulated, seeds 1 to 4 of
`python -m sim --peers 8 --blocks 512 --block-size 262144 --cut --up 50 --down 50 --latency 0.2`: the last ends at 1.049
to 1.068 with 9 messages a block; told to all at once (`--without credit-steps`) at 1.051 to 1.085 with 13.
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
