"""Which files make versions costly: how often each changed, and how many new bytes it brought. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarm.dataset.difference import Difference, new_blocks

PATHS_MAX = 1_000_000
"""Paths that are remembered, some 200 bytes each; what changes first after that is not told."""


@dataclass(frozen=True, slots=True)
class HotFile:
    """`changes`: versions in which it had other bytes than in the one before. `bytes_new`: of blocks that the version
    before lacked, as far as they lie in the file, summed over all versions but the first; `size` is the newest."""

    path: bytes
    changes: int
    bytes_new: int
    size: int


class Heat:
    """Takes the steps from each version to the next."""

    def __init__(self) -> None:
        self._files: dict[bytes, HotFile] = {}
        self.left_out = 0

    def add(self, step: Difference) -> None:
        """Books what a version changed. A version without a predecessor changes nothing."""
        if step.old is None:
            return
        fresh = set(new_blocks(step.new, (step.old,)))
        changed = {number for _, number in step.changed}
        for number in sorted({*changed, *step.added}):
            self._note(step.new.entries.path(number), number in changed, self._cost(step, number, fresh), step, number)

    def hottest(self, count: int) -> list[HotFile]:
        """Those that brought most new bytes, then those that changed most often."""
        return sorted(self._files.values(), key=lambda one: (-one.bytes_new, -one.changes, one.path))[:count]

    def busiest(self, count: int) -> list[HotFile]:
        """Those that changed most often, at least twice; then those that brought most new bytes."""
        often = [one for one in self._files.values() if one.changes > 1]
        return sorted(often, key=lambda one: (-one.changes, -one.bytes_new, one.path))[:count]

    def _note(self, path: bytes, is_change: bool, cost: int, step: Difference, number: int) -> None:
        known = self._files.get(path)
        if known is None and len(self._files) >= PATHS_MAX:
            self.left_out += 1
            return
        changes, bytes_new = (known.changes, known.bytes_new) if known else (0, 0)
        size = step.new.entries.sizes[number]
        self._files[path] = HotFile(path, changes + is_change, bytes_new + cost, size)

    def _cost(self, step: Difference, number: int, fresh: set[int]) -> int:
        """Bytes of fresh blocks in the file. A block that occurs again is charged where it occurs first."""
        cost = 0
        for place, length in _blocks_of(step, number):
            if place in fresh:
                cost += length
                if length == step.new.block_lengths[place]:
                    fresh.discard(place)
        return cost


def _blocks_of(step: Difference, number: int) -> Iterator[tuple[int, int]]:
    """(place in the block table, bytes of it in the file) along the file's part of the stream."""
    version = step.new
    start, size = version.entries.offsets[number], version.entries.sizes[number]
    if not size:
        return
    position, end = version.position_at(start), start + size
    while position < len(version.stream) and version.offsets[position] < end:
        inside = min(end, version.offsets[position + 1]) - max(start, version.offsets[position])
        yield version.stream[position], inside
        position += 1
