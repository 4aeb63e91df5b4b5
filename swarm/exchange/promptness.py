"""How long an answer really takes: the way there and back, with every queue on it and the other side's own work.

The kernel's least round trip knows no queues. But where links are full, which is what a swarm is for, each message
waits behind blocks: with 50 Mbit/s and switches that hold 50 ms it takes 20 to 50 ms where the least round trip is 0.2.
Who offers a slot only so shortly before it is free leaves its link idle until the answer comes (8 peers, 50 Mbit/s,
20 ms of queues each way, simulated: 1.22 by the least round trip, 1.09 by this).
"""

from __future__ import annotations

WEIGHT = 1 / 8
"""Of the newest answer: as TCP smooths round trips (RFC 6298)."""

ANSWER_S_MAX = 0.5
"""More is not believed: a block offered much too early is picked without knowing what is rare by then."""


class Promptness:
    """The smoothed time from offers to their answers; 0 while there was none."""

    __slots__ = ("answer_s",)

    def __init__(self) -> None:
        self.answer_s = 0.0

    def note(self, took_s: float) -> None:
        """An offer was answered after so long: every neighbour answers at once."""
        took_s = min(took_s, ANSWER_S_MAX)
        self.answer_s = self.answer_s + WEIGHT * (took_s - self.answer_s) if self.answer_s else took_s
