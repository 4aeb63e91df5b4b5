from __future__ import annotations

import tracemalloc
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import DecodeError, UnsafeManifestError
from swarm.protocol import blocks_pages, cbor
from swarm.protocol.blocks_pages import NEW, StreamWriter, build_blocks_pages, decode_blocks_page, expand
from swarm.protocol.bounds import PAGE_BYTES_MAX, STREAM_POSITIONS_MAX
from swarm.protocol.columns import pack_numbers
from swarm.protocol.ids import BlockId, digest
from swarm.protocol.pages import Page
from tests.protocol.trees import block, streams


def expanded(pages: list[Page]) -> list[tuple[bytes, int]]:
    """What a naive reader makes of the pages."""
    table: list[tuple[bytes, int]] = []
    stream: array[int] = array("I")
    for page in pages:
        columns = decode_blocks_page(page.data)
        expand(columns, stream, len(table))
        table += [(columns.ids[32 * i : 32 * i + 32], length) for i, length in enumerate(columns.lengths)]
    return [table[place] for place in stream]


def runs_of(page: Page) -> list[tuple[int, int]]:
    columns = decode_blocks_page(page.data)
    return list(zip(columns.distances, columns.counts, strict=True))


def raw(ids: bytes, lengths: list[int], runs: list[tuple[int, int]]) -> bytes:
    distances, counts = [d for d, _ in runs], [c for _, c in runs]
    return cbor.encode(
        {0: 1, 1: [], 2: ids, 3: pack_numbers(lengths), 4: pack_numbers(distances), 5: pack_numbers(counts)}
    )


@given(streams)
def test_streams_come_back(stream: list[tuple[BlockId, int]]) -> None:
    pages = build_blocks_pages(stream)
    assert expanded(pages) == stream
    assert sum(page.ref.entries for page in pages) == len(stream)
    assert sum(page.ref.new_blocks for page in pages) == len(set(stream))
    assert sum(page.ref.stream_bytes for page in pages) == sum(length for _, length in stream)


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 4))
def test_streams_come_back_over_page_ends(numbers: list[int], every: int) -> None:
    """With every `every`-th new block ending a page, as hashes would have it."""
    stream = [block(number) for number in numbers]
    writer = StreamWriter()
    for place, (block_id, length) in enumerate(stream):
        writer.add(block_id, length)
        if place % every == 0 and writer._writer.counts:
            writer._end_page()
    assert expanded(writer.finish()) == stream


def test_a_gigabyte_of_zeros_is_one_block_and_two_runs() -> None:
    pages = build_blocks_pages([block(1)] * 4096)
    assert runs_of(pages[0]) == [(NEW, 1), (1, 4095)]
    assert len(pages) == 1
    assert pages[0].ref.length < 80


def test_a_copied_part_is_one_run() -> None:
    part = [block(n) for n in range(100)]
    (page,) = build_blocks_pages([*part, block(200), *part, block(201), *part[50:]])
    assert runs_of(page) == [(NEW, 101), (101, 100), (NEW, 1), (51, 50)]


def test_a_pattern_repeats_within_one_run() -> None:
    (page,) = build_blocks_pages([block(1), block(2), block(3)] * 50)
    assert runs_of(page) == [(NEW, 3), (3, 147)]


def test_an_insertion_touches_the_pages_it_lies_in() -> None:
    stream = [block(n) for n in range(60_000)]
    before = build_blocks_pages(stream)
    after = build_blocks_pages([*stream[:30_000], block(70_001), block(70_002), *stream[30_000:]])
    changed = {page.ref.id for page in after} - {page.ref.id for page in before}
    assert len(before) > 8
    assert len(changed) <= 2


def test_pages_do_not_pass_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_pages, "_BOUNDARY_MASK", 0xFFFF)
    pages = build_blocks_pages((digest(b"%d" % n), 1 + n % 2 * (2**24 - 1)) for n in range(70_000))
    assert max(page.ref.length for page in pages) <= PAGE_BYTES_MAX
    assert len(pages) >= 3


def test_runs_that_are_scattered_end_a_page_too() -> None:
    """100,000 new blocks, then their repeats in an order that makes each a run of its own."""
    stream = [(digest(b"%d" % n), 1) for n in range(1000)]
    scattered = [stream[n * 389 % 1000] for n in range(1000)] * 150
    pages = build_blocks_pages(
        [*stream, *(block for pair in zip(scattered, reversed(scattered), strict=True) for block in pair)]
    )
    assert max(page.ref.length for page in pages) <= PAGE_BYTES_MAX
    assert len(pages) >= 2


@pytest.mark.parametrize(
    "data",
    [
        raw(bytes(32), [0], [(0, 1)]),  # an empty block
        raw(bytes(32), [2**24 + 1], [(0, 1)]),
        raw(bytes(31), [1], [(0, 1)]),
        raw(bytes(32), [1], [(0, 2)]),  # more new blocks than ids
        raw(bytes(64), [1, 1], [(0, 1)]),
        raw(bytes(64), [1, 1], [(0, 1), (0, 1)]),  # one run in two
        raw(bytes(32), [1], [(0, 1), (1, 3), (1, 4)]),
        raw(bytes(32), [1], [(0, 1), (1, 0)]),
        raw(bytes(32), [1], [(0, 1), (1, 2**32)]),
        raw(bytes(32), [1], [(0, 1), (1, STREAM_POSITIONS_MAX), (2, 5)]),
        raw(bytes(32), [1], [(0, 1), (2**40, 1)]),
        raw(b"", [], []),
        cbor.encode({0: 1, 1: [], 2: b"", 3: [0, 0, b""], 4: [0, 2, b"abc"], 5: [1, 0, b""]}),
        cbor.encode({0: 1, 1: [], 2: b"", 3: [0, 0, b""], 4: [0, -2, b""], 5: [1, 0, b""]}),
    ],
)
def test_a_page_that_breaks_the_rules_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_blocks_page(data)


def test_a_run_cannot_reach_before_the_beginning() -> None:
    page = decode_blocks_page(raw(bytes(32), [1], [(0, 1), (2, 1)]))
    with pytest.raises(DecodeError, match="beginning"):
        expand(page, array("I"), 0)


def test_doubling_runs_are_a_bomb_that_does_not_go_off() -> None:
    """Each page repeats all that came before: 2^60 positions in 60 pages, were there no bound."""
    first = decode_blocks_page(raw(bytes(32), [1], [(0, 1)]))
    stream: array[int] = array("I")
    expand(first, stream, 0)
    tracemalloc.start()
    with pytest.raises(DecodeError, match="more than"):  # noqa: PT012
        for _ in range(60):
            page = decode_blocks_page(raw(b"", [], [(len(stream), len(stream))]))
            expand(page, stream, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(stream) <= STREAM_POSITIONS_MAX
    assert peak < 6 * 4 * STREAM_POSITIONS_MAX


def test_a_writer_refuses_what_no_reader_takes() -> None:
    for block_id, length in ((b"short", 1), (bytes(32), 0), (bytes(32), 2**24 + 1)):
        with pytest.raises(UnsafeManifestError):
            StreamWriter().add(block_id, length)
    writer = StreamWriter()
    writer.add(bytes(32), 5)
    with pytest.raises(UnsafeManifestError, match="two lengths"):
        writer.add(bytes(32), 6)
