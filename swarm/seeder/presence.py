"""Whether a version that was published before is still whole where it is kept, before a tag is pointed at it.

A tag that means nothing any more may have been the last to hold a version: a collection of garbage may have condemned
its blocks, and be about to delete them. Whoever points a tag at it writes those again, as a publisher does.
"""

from __future__ import annotations

from dataclasses import dataclass

import trio

from swarm.errors import CorruptError, MissingError, NotFoundError
from swarm.protocol.bounds import PAGE_BYTES_MAX
from swarm.protocol.ids import BlockId, Index, VersionId, short
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import decode_root
from swarm.protocol.version import Version, assemble
from swarm.store import Store

WRITES_AT_ONCE = 16
"""Condemned blocks read and written again: 16 MiB each at most."""


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version as it is kept, with its pages in the order of the index space."""

    version: Version
    pages: tuple[bytes, ...]


async def load_kept(records: Store, version: VersionId) -> KeptVersion:
    """Root and pages, verified. Raises NotFoundError where any of them is gone, and what else the store raises."""
    try:
        root_bytes = await records.get_root(version)
        refs = IndexSpace(decode_root(root_bytes)).page_refs
        pages = tuple([await records.get_block(ref.id, max_length=PAGE_BYTES_MAX) for ref in refs])
    except (MissingError, CorruptError) as error:
        raise _gone(version, records, error.message) from error
    by_index = {Index(number): data for number, data in enumerate(pages)}
    return KeptVersion(await trio.to_thread.run_sync(assemble, root_bytes, by_index), pages)


async def hold(records: Store, kept: KeptVersion, *, has_blocks: bool) -> None:
    """Sees to it that all of the version is there to stay; within `records.publishing()`, before the commit.

    `has_blocks` False: a history, which has root and pages only. Raises NotFoundError where blocks are gone.
    """
    version = kept.version
    wanted = {ref.id for ref in version.space.page_refs} | (set(version.block_ids) if has_blocks else set())
    await _write_again(records, kept, await records.missing_blocks(wanted))
    await _write_again(records, kept, await records.condemned({*wanted, BlockId(version.id)}) & wanted)
    await records.put_root(version.id, version.root_bytes)


async def _write_again(records: Store, kept: KeptVersion, blocks: set[BlockId]) -> None:
    """Condemned blocks that are written become younger than their condemnation, which saves them."""
    limiter, lost = trio.CapacityLimiter(WRITES_AT_ONCE), 0

    async def write(block: BlockId) -> None:
        nonlocal lost
        async with limiter:
            try:
                await records.put_block(block, await records.get_block(block), is_missing=True)
            except (MissingError, CorruptError):
                lost += 1

    async with trio.open_nursery() as nursery:
        for block in sorted(blocks):
            nursery.start_soon(write, block)
    if lost:
        raise _gone(kept.version.id, records, f"{lost:,} of its blocks are not there")


def _gone(version: VersionId, records: Store, reason: str) -> NotFoundError:
    return NotFoundError(
        f"version {short(version)} is not whole in {records.url} any more: {reason}",
        hint="publish its data again (swarm seed), or choose another version (swarm log NAME:TAG)",
    )
