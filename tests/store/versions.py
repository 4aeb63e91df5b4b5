"""Versions of a few small blocks, published in the seeder's order: marker, look, blocks and pages, look again, root,
age, record."""

from __future__ import annotations

import random
from dataclasses import dataclass

from swarm.errors import MissingError
from swarm.protocol.blocks_pages import build_blocks_pages
from swarm.protocol.content import content_of
from swarm.protocol.ids import BlockId, Index, VersionId, digest
from swarm.protocol.keys import SigningKey
from swarm.protocol.manifest import Cutter, Root, Totals, decode_root, encode_root
from swarm.protocol.pages import Entry, Kind, build_tree_pages
from swarm.protocol.records import TagRecord, decode_tag_record, record_id, sign_tag_record
from swarm.protocol.tags import is_immutable
from swarm.protocol.version import Version, assemble
from swarm.store.store import Store

KEY = SigningKey.from_seed(bytes(32))
NAME = "maps"


@dataclass(frozen=True)
class Made:
    """A version of one file, its blocks and its pages."""

    version: Version
    pages: dict[Index, bytes]
    blocks: list[bytes]

    @property
    def id(self) -> VersionId:
        return self.version.id


def made_of(*seeds: int, size: int = 100) -> Made:
    """A version whose blocks are those of the seeds, each once: two versions share what both name."""
    blocks = [random.Random(seed).randbytes(size) for seed in seeds]
    entries = [Entry(b"data", Kind.FILE, 0o644, None, size * len(blocks), digest(b"".join(blocks)))]
    blocks_pages = build_blocks_pages((digest(data), size) for data in blocks)
    tree_pages = build_tree_pages(entries)
    totals = Totals(1, 0, 0, size * len(blocks), len(blocks), size * len(blocks), len(blocks))
    refs = tuple(page.ref for page in tree_pages), tuple(page.ref for page in blocks_pages)
    root = encode_root(Root(Cutter("fixed", size, 1, size, 0, bytes(32)), totals, *refs, content=content_of(entries)))
    pages = {Index(number): page.data for number, page in enumerate([*blocks_pages, *tree_pages])}
    return Made(assemble(root, pages), pages, blocks)


def parts(made: Made) -> dict[BlockId, bytes]:
    """Its blocks and pages."""
    return {BlockId(digest(data)): data for data in (*made.blocks, *made.pages.values())}


async def publish(store: Store, made: Made, tag: str) -> None:
    """As `swarm.seeder.publish` does."""
    async with store.publishing() as marker:
        pieces = parts(made)
        for block in sorted(await store.missing_blocks(pieces)):
            await store.put_block(block, pieces[block], is_missing=True)
        for block in sorted(await store.condemned([*pieces, BlockId(made.id)])):
            await store.put_block(block, pieces[block], is_missing=True)
        await store.put_root(made.id, made.version.root_bytes)
        await marker.check_age()
        await point(store, tag, made.id)
        await marker.check_age()


async def point(store: Store, tag: str, version: VersionId | None) -> None:
    """The tag's next record."""
    newest = await store.newest_tag(NAME, tag)
    seq = decode_tag_record(newest).seq + 1 if newest is not None else 0
    prev = record_id(newest) if newest is not None else None
    record = TagRecord(store.realm, NAME, tag, 1000, seq, prev, version, 5, KEY.public_key, is_immutable(tag))
    await store.commit_tag(sign_tag_record(record, KEY))


async def is_whole(store: Store, version: VersionId) -> bool:
    """Whether root, pages and blocks can all be read."""
    try:
        root_bytes = await store.get_root(version)
        root = decode_root(root_bytes)
        pages = {Index(at): await store.get_block(ref.id) for at, ref in enumerate((*root.blocks, *root.tree))}
        for block in assemble(root_bytes, pages).block_ids:
            await store.get_block(block)
    except MissingError:
        return False
    return True
