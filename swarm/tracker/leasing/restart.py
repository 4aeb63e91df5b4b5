"""The restart rule: a tracker that has just started does not know which leases its forerunner granted.

It grants no store lease until agents have had the time to say what they hold: at least `LISTEN_S`, and until nobody
with leases or blocks in flight has announced for `QUIET_S`, at most `LISTEN_MAX_S`. Agents in that position announce
within a second of finding the tracker again (DESIGN section 5).
"""

from __future__ import annotations

LISTEN_S = 3.0
QUIET_S = 1.0
LISTEN_MAX_S = 8.0


class Settling:
    """`is_first_start`: there was no forerunner, so there is nothing to wait for (a simulation, a test)."""

    def __init__(self, started_at: float, *, is_first_start: bool) -> None:
        self._latest = started_at if is_first_start else started_at + LISTEN_MAX_S
        self.settles_at = started_at if is_first_start else started_at + LISTEN_S

    def heard_holder(self, now: float) -> None:
        """An agent with held leases or blocks in flight has announced."""
        if now < self.settles_at:
            self.settles_at = min(max(self.settles_at, now + QUIET_S), self._latest)

    def is_settled(self, now: float) -> bool:
        return now >= self.settles_at
