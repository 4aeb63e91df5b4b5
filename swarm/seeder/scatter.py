"""Whether a file changed in scattered places, and what a smaller average would have moved. Pure.

A database rewrites pages of a few KiB all over its file: each hits a block, and the whole block moves. Of K hits spread
evenly over N blocks, N (1 - exp(-K / N)) are hit (the occupancy of random throws), so the share that was hit says what
K was, and K what other block lengths would cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from swarm.dataset.average import AVERAGE_MIN

RUNS_MIN = 4
"""Places that changed, at least: fewer are no pattern. Where most blocks are hit, few runs are left to count."""

RUNS_SHARE = 0.5
"""Of as many separate runs of changed blocks as even spreading gives; an insertion or an append makes one run."""

HIT_MAX = 0.95
"""Of a file's blocks: past it hardly any block was missed, and how often each was hit cannot be told any more."""

BLOCK_ENTRY_BYTES = 40
"""What a block costs in a manifest (docs/format.md), all of which moves after a change that is everywhere."""

SAVED_SHARE_MIN = 0.25
SAVED_BYTES_MIN = 2 * 1024 * 1024
"""Below either nobody would cut anew for it."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file as a row of blocks in the stream. `flags[n]`: the n-th is new against the version before."""

    size: int
    flags: tuple[bool, ...]
    bytes_new: int

    @property
    def share(self) -> float:
        """Of its blocks, how many are new."""
        return sum(self.flags) / len(self.flags) if self.flags else 0.0

    @property
    def runs(self) -> int:
        """Of new blocks without an old one between."""
        return sum(flag and (place == 0 or not self.flags[place - 1]) for place, flag in enumerate(self.flags))

    @property
    def is_scattered(self) -> bool:
        """Whether its new blocks lie as even spreading would have them."""
        count, share = len(self.flags), self.share
        return self.runs >= RUNS_MIN and share <= HIT_MAX and self.runs >= RUNS_SHARE * count * share * (1 - share)


@dataclass(frozen=True, slots=True)
class Saving:
    """What an average would have moved of `moved_bytes`: so many bytes less, by the model."""

    average: int
    moved_bytes: int
    saved_bytes: int


def best_saving(changes: list[FileChange], average: int) -> Saving | None:
    """The average below `average` that would have moved least; None where none saves enough to be worth a word."""
    moved = sum(change.bytes_new for change in changes)
    best: Saving | None = None
    smaller = average // 2
    while smaller >= AVERAGE_MIN:
        cost = sum(_cost(change, smaller / average) for change in changes)
        saved = moved - math.ceil(cost)
        if best is None or saved > best.saved_bytes:
            best = Saving(smaller, moved, saved)
        smaller //= 2
    if best is None or best.saved_bytes < max(SAVED_SHARE_MIN * moved, SAVED_BYTES_MIN):
        return None
    return best


def _cost(change: FileChange, ratio: float) -> float:
    """Bytes that the file would have moved with blocks of `ratio` times the length, what they add to the manifest too.

    Long blocks are hit more often than short ones: by how much shows in what was moved, and is taken to be the same.
    """
    count = len(change.flags)
    hits = -count * math.log(1 - change.share)
    finer = count / ratio
    bias = max(1.0, change.bytes_new / (change.size * change.share))
    data = min(change.size, change.size * (1 - math.exp(-hits / finer)) * bias)
    return data + (finer - count) * BLOCK_ENTRY_BYTES
