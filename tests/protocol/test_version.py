from __future__ import annotations

import tracemalloc
from array import array
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import DecodeError, InternalError, UnsafeManifestError
from swarm.protocol import blocks_pages, cbor, manifest
from swarm.protocol.columns import pack_numbers
from swarm.protocol.content import ContentHasher, content_of
from swarm.protocol.ids import BlockId, Index, digest
from swarm.protocol.manifest import PageRef, Root, encode_root
from swarm.protocol.pages import Entry, Kind, Page, build_tree_pages, decode_tree_page, encode_tree_page
from swarm.protocol.runs import iterate
from swarm.protocol.version import Version, assemble
from swarm.protocol.version_builder import VersionBuilder, build_version
from tests.protocol.samples import CUTTER, block, directory, file, small_version, symlink
from tests.protocol.trees import streams, trees


def version_of_stream(stream: list[tuple[BlockId, int]]) -> Version:
    total = sum(length for _, length in stream)
    built = build_version([file(b"f", size=total)], stream, CUTTER)
    return assemble(built.root_bytes, built.pages_by_index)


def rebuilt(tree: list[Page], blocks: list[Page], **changes: object) -> tuple[bytes, dict[int, bytes]]:
    """A root that tells the truth about these pages, as a hostile writer would make it, but for `changes`."""
    entries: list[Entry] = []
    counts = dict.fromkeys(Kind, 0)
    hasher = ContentHasher()
    for page in tree:
        columns = decode_tree_page(page.data)
        hasher.add_page(columns)
        for kind in columns.kinds:
            counts[Kind(kind)] += 1
    table = [length for page in blocks for length in blocks_pages.decode_blocks_page(page.data).lengths]
    totals = manifest.Totals(
        counts[Kind.FILE],
        counts[Kind.DIRECTORY],
        counts[Kind.SYMLINK],
        sum(page.ref.stream_bytes for page in tree),
        sum(page.ref.new_blocks for page in blocks),
        sum(table),
        sum(page.ref.entries for page in blocks),
    )
    assert not entries
    root = Root(CUTTER, totals, tuple(p.ref for p in tree), tuple(p.ref for p in blocks), hasher.digest())
    root = replace(root, **changes)  # type: ignore[arg-type]
    return encode_root(root), dict(enumerate(page.data for page in (*blocks, *tree)))


@given(trees())
def test_entries_come_back(entries: list[Entry]) -> None:
    total = sum(entry.size for entry in entries)
    lengths = [length for length in [1000] * (total // 1000) + [total % 1000] if length]
    stream = [(BlockId(number.to_bytes(32, "big")), length) for number, length in enumerate(lengths)]
    built = build_version(entries, stream, CUTTER)
    version = assemble(built.root_bytes, built.pages_by_index)
    assert list(version.entries) == entries
    digests = {number: entry.digest for number, entry in enumerate(entries) if entry.kind is Kind.FILE}
    assert dict(version.entries.digests()) == digests
    assert version.root == built.root
    assert version.id == built.id
    assert version.root.content == content_of(entries)
    starts = list(accumulate((entry.size for entry in entries), initial=0))
    assert version.entries.offsets.tolist() == starts
    for number, entry in enumerate(entries):
        assert version.entries[number] == version.entries[number - len(entries)] == entry
        assert version.entries.find(entry.path) == number
        assert version.entries.find(entry.path + b"\x01") is None
        assert version.entries.kind(number) == entry.kind
    assert version.entries[1:3] == entries[1:3]
    for number in (len(entries), -len(entries) - 1):
        with pytest.raises(IndexError):
            version.entries[number]


@given(streams, st.data())
def test_the_stream_comes_back(stream: list[tuple[BlockId, int]], data: st.DataObject) -> None:
    version = version_of_stream(stream)
    table = list(dict.fromkeys(stream))
    pages = version.space.page_count
    assert [(version.block_ids[p], version.block_lengths[p]) for p in version.stream] == stream
    assert list(version.block_ids) == [block_id for block_id, _ in table]
    starts = list(accumulate((length for _, length in stream), initial=0))
    assert version.offsets.tolist() == starts
    for place, (block_id, length) in enumerate(table):
        index = version.space.block_index(place)
        assert (version.id_of(index), version.length_of(index)) == (block_id, length)
        assert version.index_of(block_id) == index == pages + place
        assert version.stream_offsets(index) == tuple(starts[p] for p, b in enumerate(stream) if b[0] == block_id)
    assert version.index_of(digest(b"no such block")) is None
    if stream:
        offset = data.draw(st.integers(0, starts[-1] - 1))
        length = data.draw(st.integers(0, starts[-1] - offset))
        needed = {
            pages + table.index(stream[p])
            for p in range(len(stream))
            if length and starts[p] < offset + length and offset < starts[p + 1]
        }
        assert set(iterate(version.indexes_of([(offset, length)]))) == needed
        position = version.position_at(offset)
        assert starts[position] <= offset < starts[position + 1]
    for wrong in (-1, starts[-1]):
        with pytest.raises(IndexError):
            version.position_at(wrong)


def test_a_missing_or_another_page_is_refused() -> None:
    built = small_version()
    for wrong in ({0: built.pages[0]}, {0: built.pages[0], 1: built.pages[0]}, {0: b"", 1: built.pages[1]}):
        with pytest.raises(DecodeError):
            assemble(built.root_bytes, wrong)


def test_pages_out_of_order_are_refused() -> None:
    """The root can only see first paths: a page that reaches over the next one is found when both are here."""
    tree = [encode_tree_page([file(b"a"), file(b"m")]), encode_tree_page([file(b"b"), file(b"z")])]
    with pytest.raises(UnsafeManifestError, match="order"):
        assemble(*rebuilt(tree, []))


@pytest.mark.parametrize(
    "groups",
    [
        [[file(b"a/b")]],  # no parent
        [[file(b"a"), file(b"a/b")]],  # below a file
        [[symlink(b"a", b"b"), file(b"a/b")]],  # below a symlink: it would lead out of DEST
        [[symlink(b"a", b"b")], [file(b"a/b")]],  # over pages
        [[directory(b"a"), file(b"a/b/c")]],
        [[directory(b"a"), file(b"a/b")], [file(b"a/b/c")]],
    ],
)
def test_an_entry_below_a_non_directory_is_refused(groups: list[list[Entry]]) -> None:
    with pytest.raises(UnsafeManifestError, match="no directory"):
        assemble(*rebuilt([encode_tree_page(group) for group in groups], []))


def test_parents_may_lie_in_earlier_pages() -> None:
    tree = [encode_tree_page([directory(b"a"), file(b"a-b")]), encode_tree_page([file(b"a/b")])]
    assert len(assemble(*rebuilt(tree, [])).entries) == 3


def test_times_are_on_all_pages_or_none() -> None:
    tree = [encode_tree_page([file(b"a")]), encode_tree_page([file(b"b", mtime_ns=None)])]
    with pytest.raises(UnsafeManifestError, match="times"):
        assemble(*rebuilt(tree, []))


def forged_page(ids: bytes, lengths: list[int], runs: list[tuple[int, int]], stream_bytes: int) -> Page:
    data = cbor.encode(
        {
            0: 1,
            1: [],
            2: ids,
            3: pack_numbers(lengths),
            4: pack_numbers([distance for distance, _ in runs]),
            5: pack_numbers([count for _, count in runs]),
        }
    )
    positions = sum(count for _, count in runs)
    return Page(data, PageRef(BlockId(digest(data)), len(data), positions, stream_bytes, len(lengths)))


@pytest.mark.parametrize(
    ("pages", "match"),
    [
        ([forged_page(bytes(64), [1, 1], [(0, 2)], 2)], "twice"),
        ([forged_page(bytes(32), [1], [(0, 1)], 1), forged_page(bytes(32), [1], [(0, 1)], 1)], "twice"),
        ([forged_page(bytes(32), [5], [(0, 1)], 4)], None),
        ([forged_page(bytes(32), [5], [(0, 1), (1, 1)], 11)], "another part"),
        ([forged_page(bytes(32), [2**20], [(0, 1)], 2**20)], "bytes in|cutter"),
        ([forged_page(bytes(32), [5], [(0, 1), (7, 1)], 10)], "beginning"),
    ],
)
def test_a_block_table_that_lies_is_refused(pages: list[Page], match: str | None) -> None:
    total = sum(page.ref.stream_bytes for page in pages)
    tree = build_tree_pages([file(b"f", size=total)])
    with pytest.raises((UnsafeManifestError, DecodeError), match=match):
        assemble(*rebuilt(tree, pages))


def test_a_root_that_lies_about_a_page_is_refused() -> None:
    built = small_version()
    blocks, tree = built.root.blocks[0], built.root.tree[0]
    totals = built.root.totals
    for changes in (
        {"totals": replace(totals, files=totals.files - 1, symlinks=totals.symlinks + 1)},
        {"content": bytes(32)},
        {"tree": (replace(tree, first_path=b"A"),)},
        {"blocks": (replace(blocks, new_blocks=2),), "totals": replace(totals, blocks=2)},
        {"totals": replace(totals, block_bytes=totals.block_bytes - 1)},
    ):
        root_bytes = encode_root(replace(built.root, **changes))  # type: ignore[arg-type]
        with pytest.raises(UnsafeManifestError):
            assemble(root_bytes, built.pages_by_index)


def test_a_tiny_page_cannot_make_a_reader_expand_more_than_the_root_says() -> None:
    page = forged_page(bytes(32), [1], [(0, 1), (1, 4_194_303)], 4_194_304)
    lying = Page(page.data, replace(page.ref, entries=1, stream_bytes=1))
    tree = build_tree_pages([file(b"f", size=1)])
    root_bytes, pages = rebuilt(tree, [lying])
    tracemalloc.start()
    with pytest.raises(UnsafeManifestError):
        assemble(root_bytes, pages)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.slow
def test_the_longest_stream_of_one_block_is_bounded_in_memory() -> None:
    stream = [block(1, 5)]
    builder = VersionBuilder(CUTTER)
    for block_id, length in stream:
        builder.add_block(block_id, length)
    page = forged_page(stream[0][0], [5], [(0, 1), (1, 4_194_303)], 5 * 4_194_304)
    tree = build_tree_pages([file(b"f", size=5 * 4_194_304)])
    root_bytes, pages = rebuilt(tree, [page])
    tracemalloc.start()
    version = assemble(root_bytes, pages)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(version.stream) == 4_194_304
    assert peak < 64 << 20


def test_files_and_stream_agree_when_a_version_is_built() -> None:
    with pytest.raises(InternalError, match="stream"):
        build_version([file(b"f", size=5)], [block(1, 4)], CUTTER)
    builder = VersionBuilder(CUTTER)
    builder.add_block(*block(1, 4))
    assert builder.stream_bytes == 4


def test_a_plain_stream_takes_no_room() -> None:
    version = version_of_stream([block(n, 10) for n in range(50)])
    assert isinstance(version.stream, range)
    assert isinstance(version.block_lengths, array)
    assert version.positions_of(Index(version.space.page_count + 7)) == (7,)
