"""How long an agent waits before it does what should not be needed.

Patience is counted from the last block that was new to anybody, and is long: in a healthy swarm the last block leaves
the origin only when all others have, and agents that lose patience before that read the dataset again (two copies at
64 peers, simulated).
"""

from __future__ import annotations

from dataclasses import dataclass

EVERYBODY = 1 << 30
"""Without patience each agent reads whatever it lacks: for comparison."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds without news. Handed to a node with the other policies."""

    orphans_s: float = 5.0
    """Then the tracker is told what nobody known has. It waits for a second agent, or as long again, by itself."""

    owner_s: float = 30.0
    """Then, without a tracker, the next in line takes what its owner did not."""

    unavailable_s: float = 5.0
    """A block that the store has not got is given up when nobody alive has it for so long."""

    tracker_s: float = 3.0
    """A configured tracker that is away for so long is done without."""

    lan_s: float = 2.5
    """Until then, without a tracker, only the part that the own hash picks: others may be about to be discovered."""

    def ranks(self, waited_s: float) -> int:
        """How many of those who come before an agent it no longer waits for."""
        return int(waited_s / self.owner_s) if self.owner_s > 0 else EVERYBODY
