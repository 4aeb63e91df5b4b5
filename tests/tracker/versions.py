"""Small versions of one file, as bytes: a root, its pages, its blocks."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.blocks_pages import build_blocks_pages
from swarm.protocol.ids import BlockId, VersionId, digest
from swarm.protocol.manifest import Cutter, Root, Totals, encode_root, version_of
from swarm.protocol.pages import Entry, Kind, build_tree_pages

BLOCK_BYTES = 64


@dataclass(frozen=True)
class SmallVersion:
    """In index order `ids` are the pages' and blocks' ids; `data` is what each is."""

    id: VersionId
    root: bytes
    page_count: int
    ids: tuple[BlockId, ...]
    data: dict[BlockId, bytes]


def small_version(block_count: int, label: str = "") -> SmallVersion:
    blocks = [f"{label}{number}".encode().ljust(BLOCK_BYTES, b".") for number in range(block_count)]
    stream = b"".join(blocks)
    block_pages = build_blocks_pages((digest(block), BLOCK_BYTES) for block in blocks)
    tree_pages = build_tree_pages([Entry(b"file", Kind.FILE, 0o644, None, len(stream), digest(stream))])
    root = Root(
        Cutter("test", BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES, 2, bytes(32)),
        Totals(1, 0, 0, len(stream), block_count, len(stream), block_count),
        tuple(page.ref for page in tree_pages),
        tuple(page.ref for page in block_pages),
        bytes(32),
    )
    data = [page.data for page in (*block_pages, *tree_pages)] + blocks
    encoded = encode_root(root)
    ids = tuple(BlockId(digest(each)) for each in data)
    page_count = len(block_pages) + len(tree_pages)
    return SmallVersion(version_of(encoded), encoded, page_count, ids, dict(zip(ids, data, strict=True)))
