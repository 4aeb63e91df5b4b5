from __future__ import annotations

import pytest

from swarm.protocol import blocks_pages
from swarm.protocol.ids import digest
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.pages import decode_tree_page
from swarm.protocol.version import assemble
from swarm.protocol.version_builder import build_version
from tests.protocol.samples import CUTTER, file, small_version


def test_the_index_space_is_blocks_pages_tree_pages_table() -> None:
    built = small_version()
    space = IndexSpace(built.root)
    assert (space.size, len(space), space.page_count, space.block_count) == (5, 5, 2, 3)
    assert space.page_ref(0) == built.root.blocks[0]
    assert space.page_ref(1) == built.root.tree[0]
    assert [digest(page) for page in built.pages] == [ref.id for ref in space.page_refs]
    assert [space.is_page(index) for index in range(-1, 6)] == [False, True, True, False, False, False, False]
    assert (space.page_run, space.block_run) == ((0, 2), (2, 3))
    assert space.page_lengths == tuple(map(len, built.pages))
    assert space.page_bytes == sum(map(len, built.pages))
    assert space.table_place(space.block_index(2)) == 2
    assert (space.blocks_page(0), space.tree_page(0)) == (0, 1)
    for call, wrong in ((space.page_ref, 2), (space.block_index, 3), (space.table_place, 1), (space.table_place, 5)):
        with pytest.raises(IndexError):
            call(wrong)


def test_pages_are_found_by_path_and_offset_from_the_root_alone() -> None:
    entries = [file(b"%05d" % n, size=1 + n % 3, mtime_ns=None) for n in range(10_000)]
    total = sum(entry.size for entry in entries)
    built = build_version(entries, [(digest(b"%d" % n), 1) for n in range(total)], CUTTER)
    version = assemble(built.root_bytes, built.pages_by_index)
    space = version.space
    assert space.tree_page_count > 2
    assert space.blocks_page_count > 2
    for number in (0, 1, 4999, 9999):
        page = space.tree_page_of(entries[number].path)
        assert page is not None
        assert entries[number].path in decode_tree_page(built.pages[page]).paths
        assert space.tree_page_at(version.entries.offsets[number]) == page
    assert space.tree_page_of(b"") is None
    for offset in (0, 1, total // 2, total - 1):
        page = decode_blocks = space.blocks_page_at(offset)
        ids = blocks_pages.decode_blocks_page(built.pages[decode_blocks]).ids
        assert version.block_ids[version.stream[version.position_at(offset)]] in ids, page
    for wrong in (-1, total):
        with pytest.raises(IndexError):
            space.blocks_page_at(wrong)
