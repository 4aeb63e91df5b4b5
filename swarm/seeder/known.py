"""What was published before, read back: a whole version for its pages, or only which blocks a version had."""

from __future__ import annotations

from collections.abc import Iterable

import trio

from swarm.dataset.entries import Scan
from swarm.errors import CorruptError, MissingError
from swarm.protocol.blocks_pages import decode_blocks_page
from swarm.protocol.bounds import PAGE_BYTES_MAX
from swarm.protocol.ids import DIGEST_BYTES, BlockId, Index, VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import Root, decode_root
from swarm.protocol.version import assemble
from swarm.seeder.draft import Draft
from swarm.store import Store


async def load_draft(records: Store, scan: Scan, version: VersionId) -> Draft | None:
    """An earlier version with the content of `scan`; None where its root or a page is gone."""
    try:
        root_bytes = await records.get_root(version)
        refs = IndexSpace(decode_root(root_bytes)).page_refs
        pages = tuple([await records.get_block(ref.id, max_length=PAGE_BYTES_MAX) for ref in refs])
    except (MissingError, CorruptError):
        return None
    by_index = {Index(number): data for number, data in enumerate(pages)}
    return Draft(scan, await trio.to_thread.run_sync(assemble, root_bytes, by_index), pages)


async def known_blocks(records: Store, roots: Iterable[Root]) -> set[BlockId]:
    """The blocks of these versions, as far as their pages are there."""
    found: set[BlockId] = set()
    for ref in {ref.id: ref for root in roots for ref in root.blocks}.values():
        try:
            ids = decode_blocks_page(await records.get_block(ref.id, max_length=PAGE_BYTES_MAX)).ids
        except (MissingError, CorruptError):
            continue
        found.update(BlockId(ids[start : start + DIGEST_BYTES]) for start in range(0, len(ids), DIGEST_BYTES))
    return found
