from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from swarm.errors import DecodeError, UnsafeManifestError
from swarm.protocol import cbor
from swarm.protocol.bounds import PAGE_BYTES_MAX
from swarm.protocol.columns import pack_numbers
from swarm.protocol.ids import digest
from swarm.protocol.pages import Entry, Kind, build_tree_pages, decode_tree_page, encode_tree_page, ends_page
from tests.protocol.samples import directory, file, symlink
from tests.protocol.trees import trees

GOOD = [directory(b"a"), file(b"a/b", b"x"), symlink(b"a/c", b"../d"), file(b"d", mtime_ns=-5)]


def value_of(entries: list[Entry]) -> dict[int, object]:
    return cbor.decode(encode_tree_page(entries).data, max_bytes=PAGE_BYTES_MAX)  # type: ignore[return-value]


@given(trees())
def test_columns_come_back(entries: list[Entry]) -> None:
    for page in build_tree_pages(entries):
        columns = decode_tree_page(page.data)
        start = next(i for i, entry in enumerate(entries) if entry.path == columns.paths[0])
        part = entries[start : start + len(columns.paths)]
        assert columns.paths == [entry.path for entry in part]
        assert columns.kinds.tolist() == [entry.kind for entry in part]
        assert columns.modes.tolist() == [entry.mode for entry in part]
        assert columns.sizes.tolist() == [entry.size for entry in part]
        assert columns.targets == [entry.target for entry in part if entry.target is not None]
        assert columns.digests == b"".join(entry.digest for entry in part if entry.digest is not None)
        times = columns.mtimes.tolist() if columns.mtimes is not None else [None] * len(part)
        assert times == [entry.mtime_ns for entry in part]


def test_the_reference_says_what_the_page_holds() -> None:
    (page,) = build_tree_pages(GOOD)
    assert page.ref.id == digest(page.data)
    assert (page.ref.length, page.ref.entries, page.ref.stream_bytes) == (len(page.data), 4, 1)
    assert (page.ref.first_path, page.ref.new_blocks) == (b"a", 0)


@pytest.mark.parametrize(
    "entries",
    [
        [file(b"b"), file(b"a")],
        [file(b"a"), file(b"a")],
        [file(b"../a")],
        [symlink(b"l", b"/etc")],
        [symlink(b"l", b"")],
        [replace(file(b"a"), mode=0o4755)],
        [replace(file(b"a"), size=-1)],
        [replace(file(b"a"), digest=b"short")],
        [replace(file(b"a"), digest=None)],
        [replace(file(b"a"), mtime_ns=2**63)],
        [file(b"a"), file(b"b", mtime_ns=None)],
    ],
)
def test_what_no_reader_takes_is_not_written(entries: list[Entry]) -> None:
    with pytest.raises((DecodeError, UnsafeManifestError)):
        build_tree_pages(entries)


@pytest.mark.parametrize(
    "changes",
    [
        {2: b""},
        {2: b"a"},
        {2: b"a\0a/b\0"},
        {2: b"a\0a/b\0a/b\0d\0"},
        {2: b"a\0a/../b\0a/c\0d\0"},
        {3: pack_numbers([1, 0, 2, 3])},
        {3: pack_numbers([0, 0, 0, 0])},
        {3: None},
        {4: pack_numbers([0o755, 0o1000, 0])},
        {5: pack_numbers([1, 2**60])},
        {5: pack_numbers([1, 2, 3])},
        {6: bytes(32)},
        {7: pack_numbers([1, 2, 3])},
        {8: b""},
        {8: b"../../d\0"},
        {8: b"../d\0x\0"},
        {0: 2},
        {1: [9]},
    ],
)
def test_a_page_that_breaks_the_rules_is_refused(changes: dict[int, object]) -> None:
    with pytest.raises((DecodeError, UnsafeManifestError)):
        decode_tree_page(cbor.encode(value_of(GOOD) | changes))


def test_reserved_columns_are_ignored() -> None:
    assert decode_tree_page(cbor.encode(value_of(GOOD) | {9: "uid", 15: b"md5"})).paths == [e.path for e in GOOD]


def test_pages_end_by_the_hash_of_a_path_and_never_pass_their_bound() -> None:
    entries = [file(b"%s%05d" % (b"x" * 240, n), mtime_ns=None) for n in range(9000)]
    pages = build_tree_pages(entries)
    assert sum(page.ref.entries for page in pages) == 9000
    place = 0
    for page in pages[:-1]:
        place += page.ref.entries
        is_full = page.ref.entries == (PAGE_BYTES_MAX - 1024) // (245 + 64)
        assert ends_page(entries[place - 1].path) or is_full
        assert page.ref.length <= PAGE_BYTES_MAX
    assert any(page.ref.length > PAGE_BYTES_MAX * 0.8 for page in pages), "one was ended by its size"


def test_the_widest_page_stays_within_its_bound() -> None:
    """Every column at its widest, so that the room an entry is counted with is enough."""
    entries = []
    for n in range(30_000):
        path = b"%06d" % n
        wide = (-1) ** n * 2**62
        if n % 2:
            entries.append(Entry(path, Kind.FILE, (n * 7) % 512, wide, 2**33 + n, digest(path)))
        else:
            entries.append(Entry(path, Kind.SYMLINK, 0o777, wide, target=b"t"))
    pages = build_tree_pages(entries)
    assert max(page.ref.length for page in pages) <= PAGE_BYTES_MAX
    assert len({page.ref.id for page in pages}) == len(pages)


def test_paths_of_a_page_bomb_are_bounded() -> None:
    bomb = cbor.encode(value_of(GOOD) | {2: b"\0" * 10})
    with pytest.raises(DecodeError):
        decode_tree_page(bomb)
    with pytest.raises(DecodeError):
        decode_tree_page(b"\0" * (PAGE_BYTES_MAX + 1))
