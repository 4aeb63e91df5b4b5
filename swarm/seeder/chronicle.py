"""The history of a tag: each record, whether its key may still sign, and what its version cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from enum import StrEnum

from swarm.errors import CorruptError, MissingError
from swarm.protocol.blocks_pages import decode_blocks_page
from swarm.protocol.bounds import PAGE_BYTES_MAX
from swarm.protocol.chain import Chain, is_valid
from swarm.protocol.ids import DIGEST_BYTES, VersionId
from swarm.protocol.manifest import PageRef, Root, decode_root
from swarm.protocol.records import TagRecord, moves_immutable
from swarm.store import Store

ROOTS_KEPT_MAX = 64
"""Decoded roots: a history that goes back and forth means the same ones again."""


class Step(StrEnum):
    """What a record did."""

    MOVED = "moved"
    BACK = "back"
    """To a version that the tag has meant before."""
    SAME = "same"
    """Nothing but its signature, note or labels are new."""
    REMOVED = "removed"
    FORCED = "forced"
    """It was a release, and moved all the same."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One record. Numbers are None where the version, or the one before, is gone or unknown; of a tombstone all are."""

    record: TagRecord
    step: Step
    is_valid: bool
    """Whether its key may still sign the name's tags."""
    files: int | None = None
    bytes: int | None = None
    bytes_new: int | None = None
    """Block bytes that who had the version before would have to take; for the first one all of them."""
    blocks_new: int | None = None


async def chronicle(records: Store, chain: Chain, history: list[TagRecord], limit: int) -> AsyncIterator[LogEntry]:
    """The newest `limit` records of `history` (oldest first), newest first. Raises what the store raises."""
    costs = _Costs(records)
    for place in range(len(history) - 1, max(-1, len(history) - 1 - limit), -1):
        record, earlier = history[place], history[:place]
        step = _step(record, earlier)
        valid = is_valid(record, chain)
        if record.root is None:
            yield LogEntry(record, step, valid)
            continue
        before = next((each.root for each in reversed(earlier) if each.root is not None), None)
        entry = await costs.entry(LogEntry(record, step, valid), record.root, before)
        is_beside_unknown = before is None and history[0].seq > 0
        yield replace(entry, bytes_new=None, blocks_new=None) if is_beside_unknown else entry


def _step(record: TagRecord, earlier: list[TagRecord]) -> Step:
    last = earlier[-1] if earlier else None
    if record.root is None:
        return Step.REMOVED
    if last is not None and record.root == last.root:
        return Step.SAME
    if last is not None and moves_immutable(last, record):
        return Step.FORCED
    return Step.BACK if any(each.root == record.root for each in earlier) else Step.MOVED


class _Costs:
    """Reads roots, and of the block tables only the pages that two versions do not share."""

    def __init__(self, records: Store) -> None:
        self._records = records
        self._roots: dict[VersionId, Root | None] = {}

    async def entry(self, entry: LogEntry, version: VersionId, before: VersionId | None) -> LogEntry:
        root = await self._root(version)
        if root is None:
            return entry
        old = await self._root(before) if before is not None else None
        known = LogEntry(entry.record, entry.step, entry.is_valid, root.totals.files, root.totals.bytes)
        if before is not None and old is None:
            return known
        found = await self._new(root, old)
        if found is None:
            return known
        return LogEntry(known.record, known.step, known.is_valid, known.files, known.bytes, sum(found), len(found))

    async def _new(self, new: Root, old: Root | None) -> list[int] | None:
        """Lengths of the blocks that only `new` has; None where a page is gone."""
        if old is None:
            return await self._lengths(new.blocks, {})
        shared = {ref.id for ref in new.blocks} & {ref.id for ref in old.blocks}
        there = await self._blocks([ref for ref in old.blocks if ref.id not in shared])
        return (
            None if there is None else await self._lengths([ref for ref in new.blocks if ref.id not in shared], there)
        )

    async def _lengths(self, refs: list[PageRef] | tuple[PageRef, ...], there: dict[bytes, int]) -> list[int] | None:
        blocks = await self._blocks(refs)
        return None if blocks is None else [length for block, length in blocks.items() if block not in there]

    async def _blocks(self, refs: list[PageRef] | tuple[PageRef, ...]) -> dict[bytes, int] | None:
        found: dict[bytes, int] = {}
        for ref in refs:
            try:
                page = decode_blocks_page(await self._records.get_block(ref.id, max_length=PAGE_BYTES_MAX))
            except (MissingError, CorruptError):
                return None
            ids = [page.ids[start : start + DIGEST_BYTES] for start in range(0, len(page.ids), DIGEST_BYTES)]
            found.update(zip(ids, page.lengths, strict=True))
        return found

    async def _root(self, version: VersionId) -> Root | None:
        if version not in self._roots:
            if len(self._roots) == ROOTS_KEPT_MAX:
                del self._roots[next(iter(self._roots))]
            try:
                self._roots[version] = decode_root(await self._records.get_root(version))
            except (MissingError, CorruptError):
                self._roots[version] = None
        return self._roots[version]
