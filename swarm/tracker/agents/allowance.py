"""How much one agent may say: a token bucket for every message, and a smaller one for those that cost something."""

from __future__ import annotations

from swarm.protocol.bounds import KIB
from swarm.protocol.messages import Message, Publish

MESSAGES_PER_S = 2_000.0
"""An agent with 16 leases of 256 KiB blocks at 10 Gbit/s reports less than half of this."""

QUESTIONS_PER_S = 20.0
"""What costs more than a look into a table: a store look-up, a signature, a search among all members."""

CHECKS_PER_QUESTION = 16
"""Signatures, of 0.1 ms each, that cost as much as one question."""

ROOT_BYTES_PER_QUESTION = 64 * KIB
"""A root of 1 MiB takes 75 ms to read (measured)."""

BURST_S = 4.0
"""How many seconds' worth may come at once."""


class Allowance:
    """Tokens that refill with time. Both begin full."""

    def __init__(self, now: float) -> None:
        self._at = now
        self._messages = MESSAGES_PER_S * BURST_S
        self._questions = QUESTIONS_PER_S * BURST_S

    def take_message(self, now: float) -> bool:
        """Whether one more message is within bounds."""
        self._refill(now)
        self._messages -= 1
        return self._messages >= 0

    def take_question(self, now: float, cost: float = 1.0) -> bool:
        """Whether one more question of this cost is within bounds; it is not counted where it is not."""
        self._refill(now)
        if self._questions < cost:
            return False
        self._questions -= cost
        return True

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - self._at)
        self._at = now
        self._messages = min(self._messages + elapsed * MESSAGES_PER_S, MESSAGES_PER_S * BURST_S)
        self._questions = min(self._questions + elapsed * QUESTIONS_PER_S, QUESTIONS_PER_S * BURST_S)


def cost_of(message: Message) -> float:
    """In questions: a published chain is verified signature by signature, and its root read."""
    if not isinstance(message, Publish):
        return 1.0
    return 1.0 + len(message.name_records) / CHECKS_PER_QUESTION + len(message.root or b"") / ROOT_BYTES_PER_QUESTION
