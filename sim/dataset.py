"""What is replicated: the lengths of a version's pages and blocks. There are no bytes in a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from random import Random

from swarm.protocol.ids import VersionId, digest

ROW_BYTES = 40
"""A row of a block table: an id and a length."""

SHAPE = 6.0
"""Of the gamma distribution that stands for FastCDC's lengths: most near the average, a quarter to four times it."""


@dataclass(frozen=True)
class Dataset:
    """One version. Lengths are bytes."""

    version: VersionId
    page_lengths: tuple[int, ...]
    block_lengths: tuple[int, ...]
    longest: int

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """By index: pages, then blocks."""
        return self.page_lengths + self.block_lengths

    @property
    def size(self) -> int:
        """Of the index space."""
        return len(self.page_lengths) + len(self.block_lengths)

    @cached_property
    def bytes(self) -> int:
        """Pages and blocks."""
        return sum(self.lengths)

    @cached_property
    def block_bytes(self) -> int:
        """Blocks alone."""
        return sum(self.block_lengths)


def make_dataset(count: int, average: int, rng: Random, *, is_cut: bool) -> Dataset:
    """`count` blocks of `average` bytes, or (`is_cut`) of lengths as a cutter makes them; and two small pages."""
    lengths = tuple(_cut(average, rng) if is_cut else average for _ in range(count))
    pages = (ROW_BYTES * count + 64, 4096)
    return Dataset(VersionId(digest(b"dataset")), pages, lengths, 4 * average)


def _cut(average: int, rng: Random) -> int:
    return max(average // 4, min(4 * average, round(rng.gammavariate(SHAPE, average / SHAPE))))
