"""How many neighbours have each block, as bit-sliced counters; who asks for the rarest gets all of them at once.

Plane k holds bit k of every block's count, so that adding a neighbour's news is a ripple of a few big-int operations
whatever the number of blocks in it, and "those with the least count among these" is one pass over the planes (vertical
counters: Knuth, TAOCP 7.1.3). libtorrent keeps an array sorted by rarity instead; in Python one step of that costs
more than a whole plane of 10,000 blocks.
"""

from __future__ import annotations


class Availability:
    """Counts by index. A count never falls below zero: callers add and take away the same sets."""

    def __init__(self) -> None:
        self._planes: list[int] = []

    def add(self, mask: int) -> None:
        """One more neighbour has these."""
        level = 0
        while mask:
            if level == len(self._planes):
                self._planes.append(0)
            plane = self._planes[level]
            self._planes[level] = plane ^ mask
            mask &= plane
            level += 1

    def take_away(self, mask: int) -> None:
        """One neighbour fewer has these."""
        for level, plane in enumerate(self._planes):
            if not mask:
                break
            self._planes[level] = plane ^ mask
            mask &= ~plane
        assert not mask, "a count fell below zero"
        while self._planes and not self._planes[-1]:
            self._planes.pop()

    def rarest(self, mask: int) -> int:
        """Those of `mask` that the fewest have."""
        for plane in reversed(self._planes):
            if rarer := mask & ~plane:
                mask = rarer
        return mask

    def held(self) -> int:
        """Everything that at least one neighbour has."""
        held = 0
        for plane in self._planes:
            held |= plane
        return held

    def count(self, index: int) -> int:
        """How many have one block."""
        return sum((plane >> index & 1) << level for level, plane in enumerate(self._planes))
