"""How much may leave the origin: copies of each block, in all or for each site, or bytes of a version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OriginBudget:
    """`copies` of each block, in all or (`is_per_site`) for each site; and at most `total_bytes` of a version.

    Where it fails open, a block that can be had from nobody is read beyond the budget, and counted; and agents read
    the store without leases while no tracker can grant any. Where it `fails_closed` neither happens: a fetch then waits
    for a peer that has the block, or for the tracker, and says so.
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
