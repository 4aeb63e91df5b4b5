"""How much may leave the origin: copies of each block, in all or for each site, or bytes of a version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OriginBudget:
    """`copies` of each block, in all or (`is_per_site`) for each site; and at most `total_bytes` of a version.

    What was lost with its only holder may be read again beyond the budget where it fails open; where it `fails_closed`
    it may not, and a fetch then waits for a peer that has it.
    """

    copies: int = 1
    is_per_site: bool = False
    total_bytes: int | None = None
    fails_closed: bool = False

    def scope(self, site: str) -> str:
        """Blocks are counted within a scope: a site, or everything."""
        return site if self.is_per_site else ""

    def is_spent(self, sent_bytes: int) -> bool:
        return self.total_bytes is not None and sent_bytes >= self.total_bytes
