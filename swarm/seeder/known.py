"""What was published before, read back: a whole version for its pages, or only which blocks a version had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from swarm.errors import CorruptError, MissingError, NotFoundError
from swarm.protocol.blocks_pages import decode_blocks_page
from swarm.protocol.bounds import PAGE_BYTES_MAX
from swarm.protocol.ids import DIGEST_BYTES, BlockId, VersionId
from swarm.protocol.manifest import Root
from swarm.seeder.draft import Draft
from swarm.seeder.presence import load_kept
from swarm.store import Store


async def load_draft(records: Store, draft: Draft, version: VersionId) -> Draft | None:
    """An earlier version with the content of `draft`; None where its root or a page is gone."""
    try:
        kept = await load_kept(records, version)
    except NotFoundError:
        return None
    return replace(draft, version=kept.version, pages=kept.pages)


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
