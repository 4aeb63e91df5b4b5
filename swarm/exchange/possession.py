"""What one neighbour has and wants of one version, as it said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Possession:
    """Sets of indexes. `is_origin`: it names what it gives, and does not count as a holder of anything."""

    have: int = 0
    want: int = 0
    store_failed: int = 0
    """What it could not get from the store."""
    is_origin: bool = False

    @property
    def lacks(self) -> int:
        """What it wants and has not."""
        return self.want & ~self.have

    def gain(self, mask: int) -> int:
        """It has these; returns those that are news."""
        news = mask & ~self.have
        self.have |= news
        return news

    def lose(self, mask: int) -> int:
        """It has these no longer; returns those that it had."""
        lost = mask & self.have
        self.have &= ~lost
        return lost
