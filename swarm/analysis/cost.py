"""What each version of a history costs: in itself, against the one before it, and against all before it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.analysis.timeline import Moment
from swarm.dataset.difference import Difference, compare, new_blocks, new_pages
from swarm.protocol.ids import BlockId
from swarm.protocol.version import Version


@dataclass(frozen=True, slots=True)
class VersionCost:
    """Lengths are in bytes. `*_moved` is what somebody lacks who has the version before and nothing else (of the first
    version: everything); `*_first` is what no earlier version had, so what a store grew by.

    `bytes` counts every file, `block_bytes` each distinct block once. The manifest is the pages and the root.
    """

    moment: Moment
    files: int
    bytes: int
    blocks: int
    block_bytes: int
    average: int
    manifest_bytes: int
    files_added: int
    files_removed: int
    files_changed: int
    files_moved: int
    blocks_moved: int
    bytes_moved: int
    manifest_bytes_moved: int
    blocks_first: int
    bytes_first: int
    manifest_bytes_first: int

    @property
    def repetition(self) -> float:
        """Bytes of files to bytes of distinct blocks: 1 where nothing in the version occurs twice."""
        return self.bytes / self.block_bytes if self.block_bytes else 1.0

    @property
    def share_moved(self) -> float:
        """Of the version's distinct bytes, how much is not in the version before: 0 to 1."""
        return self.bytes_moved / self.block_bytes if self.block_bytes else 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all versions together. `logical_bytes`: every version by itself; `stored_bytes`: each distinct block once."""

    versions: int
    logical_bytes: int
    stored_bytes: int
    manifest_bytes: int
    blocks: int
    moved_bytes: int
    """By all steps from one version to the next together, manifests included; the first version is no step."""

    @property
    def deduplication(self) -> float:
        """How many times more the versions would take one by one; manifests are counted as stored."""
        stored = self.stored_bytes + self.manifest_bytes
        return self.logical_bytes / stored if stored else 1.0


class Ledger:
    """Takes versions in the order of time. Memory: some 100 bytes for each block of all versions."""

    def __init__(self) -> None:
        self.costs: list[VersionCost] = []
        self._blocks: set[BlockId] = set()
        self._pages: set[BlockId] = set()
        self._last: Version | None = None

    def add(self, moment: Moment, version: Version) -> Difference:
        """Books the next version; returns how it differs from the one before."""
        last, root = self._last, version.root
        step = compare(last, version)
        first_blocks, first_bytes = self._first_blocks(version)
        cost = VersionCost(
            moment=moment,
            files=root.totals.files,
            bytes=root.totals.bytes,
            blocks=root.totals.blocks,
            block_bytes=root.totals.block_bytes,
            average=root.cutter.average,
            manifest_bytes=version.space.page_bytes + len(version.root_bytes),
            files_added=len(step.added),
            files_removed=len(step.removed),
            files_changed=len(step.changed),
            files_moved=len(step.moved),
            blocks_moved=step.blocks,
            bytes_moved=step.block_bytes,
            manifest_bytes_moved=step.manifest_bytes,
            blocks_first=first_blocks,
            bytes_first=first_bytes,
            manifest_bytes_first=self._first_pages(version) + len(version.root_bytes),
        )
        self.costs.append(cost)
        self._last = version
        return step

    @property
    def totals(self) -> Totals:
        """Of what was booked so far."""
        return Totals(
            versions=len(self.costs),
            logical_bytes=sum(cost.bytes for cost in self.costs),
            stored_bytes=sum(cost.bytes_first for cost in self.costs),
            manifest_bytes=sum(cost.manifest_bytes_first for cost in self.costs),
            blocks=len(self._blocks),
            moved_bytes=sum(cost.bytes_moved + cost.manifest_bytes_moved for cost in self.costs[1:]),
        )

    def _first_blocks(self, version: Version) -> tuple[int, int]:
        """How many blocks no earlier version had, and their bytes."""
        count = length = 0
        for place in new_blocks(version, () if self._last is None else (self._last,)):
            block = version.block_ids[place]
            if block not in self._blocks:
                self._blocks.add(block)
                count += 1
                length += version.block_lengths[place]
        return count, length

    def _first_pages(self, version: Version) -> int:
        fresh = [ref for ref in new_pages(version, ()) if ref.id not in self._pages]
        self._pages.update(ref.id for ref in fresh)
        return sum(ref.length for ref in fresh)
