"""One version, assembled: its root and all its pages, checked against each other, in compact memory.

Columns instead of objects: a million files take about 100 MB, a million blocks about 60 MB. Nothing here changes after
`assemble`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import overload

from swarm.errors import DecodeError, UnsafeManifestError
from swarm.protocol.blocks_pages import BlocksPage, decode_blocks_page, expand
from swarm.protocol.content import ContentHasher
from swarm.protocol.entries import Entries
from swarm.protocol.ids import DIGEST_BYTES, BlockId, Index, Runs, VersionId, digest
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import Root, decode_root, version_of
from swarm.protocol.pages import Kind, decode_tree_page
from swarm.protocol.runs import normalise


class Digests(Sequence[BlockId]):
    """Packed digests that read like a sequence."""

    __slots__ = ("_packed",)

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // DIGEST_BYTES

    @overload
    def __getitem__(self, place: int) -> BlockId: ...
    @overload
    def __getitem__(self, place: slice) -> list[BlockId]: ...
    def __getitem__(self, place: int | slice) -> BlockId | list[BlockId]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        start = (place + len(self) if place < 0 else place) * DIGEST_BYTES
        if not 0 <= start < len(self._packed):
            raise IndexError(place)
        return BlockId(self._packed[start : start + DIGEST_BYTES])

    @property
    def packed(self) -> bytes:
        return self._packed


class Version:
    """`stream[position]` is a place in the block table; `offsets[position]` where that block begins in the stream."""

    def __init__(
        self,
        root_bytes: bytes,
        root: Root,
        *,
        entries: Entries,
        ids: bytes,
        lengths: array[int],
        stream: Sequence[int],
    ) -> None:
        self.id: VersionId = version_of(root_bytes)
        self.root_bytes = root_bytes
        self.root = root
        self.space = IndexSpace(root)
        self.entries = entries
        self.block_ids = Digests(ids)
        self.block_lengths = lengths
        self.stream = stream
        self.offsets: array[int] = array("Q", accumulate(map(lengths.__getitem__, stream), initial=0))
        self._by_place: tuple[array[int], array[int]] | None = None
        self._places: tuple[array[int], array[int]] | None = None

    def length_of(self, index: int) -> int:
        """Bytes of the page or block at `index`."""
        if index < self.space.page_count:
            return self.space.page_ref(index).length
        return self.block_lengths[self.space.table_place(index)]

    def id_of(self, index: int) -> BlockId:
        """The digest of the page or block at `index`."""
        if index < self.space.page_count:
            return self.space.page_ref(index).id
        return self.block_ids[self.space.table_place(index)]

    def index_of(self, block_id: bytes) -> Index | None:
        """The index of a block of the table. The first call sorts the table: about a second for a million blocks."""
        keys, places = self._sorted_places()
        place = bisect_left(keys, _prefix(block_id))
        while place < len(keys) and keys[place] == _prefix(block_id):
            if self.block_ids[places[place]] == block_id:
                return Index(self.space.page_count + places[place])
            place += 1
        return None

    def positions_of(self, index: int) -> Sequence[int]:
        """The stream positions of a block, ascending."""
        place = self.space.table_place(index)
        if len(self.stream) == len(self.block_lengths):
            return (place,)
        starts, positions = self._positions()
        return positions[starts[place] : starts[place + 1]]

    def stream_offsets(self, index: int) -> tuple[int, ...]:
        """Where in the stream a block occurs, ascending."""
        return tuple([self.offsets[position] for position in self.positions_of(index)])

    def position_at(self, offset: int) -> int:
        """The stream position of the block that holds the byte at `offset`. Raises IndexError past the end."""
        if not 0 <= offset < self.offsets[-1]:
            raise IndexError(offset)
        return bisect_right(self.offsets, offset) - 1

    def indexes_of(self, ranges: Iterable[tuple[int, int]]) -> Runs:
        """The blocks that (offset, length) ranges of the stream need."""
        places: list[tuple[int, int] | int] = []
        for offset, length in ranges:
            if length > 0:
                first, last = self.position_at(offset), self.position_at(offset + length - 1)
                places.extend(self._places_of(first, last + 1))
        pages = self.space.page_count
        return tuple([(first + pages, count) for first, count in normalise(places)])

    def _places_of(self, first: int, end: int) -> Iterable[tuple[int, int] | int]:
        if isinstance(self.stream, range):
            return [(first, end - first)]
        return self.stream[first:end]

    def _positions(self) -> tuple[array[int], array[int]]:
        """The stream turned round: where each place's positions start in the second array (a counting sort)."""
        if self._by_place is None:
            counts = array("I", bytes(4 * (len(self.block_lengths) + 1)))
            for place in self.stream:
                counts[place + 1] += 1
            starts = array("I", accumulate(counts))
            following = array("I", starts)
            positions = array("I", bytes(4 * len(self.stream)))
            for position, place in enumerate(self.stream):
                positions[following[place]] = position
                following[place] += 1
            self._by_place = starts, positions
        return self._by_place

    def _sorted_places(self) -> tuple[array[int], array[int]]:
        if self._places is None:
            self._places = _sort_by_prefix(self.block_ids.packed)
        return self._places


def _prefix(block_id: bytes) -> int:
    return int.from_bytes(block_id[:8], "big")


def _sort_by_prefix(packed: bytes) -> tuple[array[int], array[int]]:
    """The first 8 bytes of each digest, ascending, and the places they come from."""
    keys = array("Q", [_prefix(packed[start : start + 8]) for start in range(0, len(packed), DIGEST_BYTES)])
    places = array("I", sorted(range(len(keys)), key=keys.__getitem__))
    return array("Q", map(keys.__getitem__, places)), places


def assemble(root_bytes: bytes, pages: Mapping[Index, bytes] | Mapping[int, bytes]) -> Version:
    """The version of a root and all its pages, by index. Each page is hashed and held against the root and the others.

    Raises DecodeError (also for a page that is missing or another), UnsafeManifestError.
    """
    root = decode_root(root_bytes)
    space = IndexSpace(root)
    ids, lengths, stream = _assemble_blocks(root, space, pages)
    entries = _assemble_entries(root, space, pages)
    is_plain = len(stream) == len(lengths)
    compact = range(len(lengths)) if is_plain else stream
    return Version(root_bytes, root, entries=entries, ids=ids, lengths=lengths, stream=compact)


def _page(space: IndexSpace, pages: Mapping[Index, bytes] | Mapping[int, bytes], index: Index) -> bytes:
    ref = space.page_ref(index)
    data = pages.get(index)
    if data is None:
        raise DecodeError(f"page {index} is missing")
    if len(data) != ref.length or digest(data) != ref.id:
        raise DecodeError(f"page {index} is not the one that the root names")
    return data


@dataclass(frozen=True, slots=True)
class TablePart:
    """What one blocks page adds to the block table: indexes from `first` on, their digests, their lengths."""

    first: Index
    ids: Digests
    lengths: array[int]

    def __contains__(self, index: int) -> bool:
        return self.first <= index < self.first + len(self.lengths)

    def id_of(self, index: int) -> BlockId:
        """The digest of a block of this part."""
        return self.ids[index - self.first]

    def length_of(self, index: int) -> int:
        """Bytes of a block of this part."""
        return self.lengths[index - self.first]


def table_part(root: Root, number: int, data: bytes) -> TablePart:
    """The part of the block table that is in the `number`-th blocks page, whatever else of the version is here.

    Raises DecodeError where these are other bytes, UnsafeManifestError. Whether the parts fit together only `assemble`
    sees: until then nothing that is made of them may be shown.
    """
    space = IndexSpace(root)
    page = _blocks_page(root, space, {space.blocks_page(number): data}, number)
    if page.lengths and max(page.lengths) > root.cutter.maximum:
        raise UnsafeManifestError(f"a block of {max(page.lengths)} bytes, over the cutter's {root.cutter.maximum}")
    before = sum(ref.new_blocks for ref in root.blocks[:number])
    return TablePart(Index(space.page_count + before), Digests(page.ids), page.lengths)


def _blocks_page(
    root: Root, space: IndexSpace, pages: Mapping[Index, bytes] | Mapping[int, bytes], number: int
) -> BlocksPage:
    page, ref = decode_blocks_page(_page(space, pages, space.blocks_page(number))), root.blocks[number]
    if (page.new_blocks, page.positions) != (ref.new_blocks, ref.entries):
        raise UnsafeManifestError(f"blocks page {number} holds other numbers of blocks than the root says")
    return page


def _assemble_blocks(
    root: Root, space: IndexSpace, pages: Mapping[Index, bytes] | Mapping[int, bytes]
) -> tuple[bytes, array[int], array[int]]:
    ids = bytearray()
    lengths, stream = array("I"), array("I")
    for number, ref in enumerate(root.blocks):
        page = _blocks_page(root, space, pages, number)
        start = len(stream)
        table_size = len(lengths)
        ids += page.ids
        lengths.extend(page.lengths.tolist())
        expand(page, stream, table_size)
        if sum(map(lengths.__getitem__, stream[start:])) != ref.stream_bytes:
            raise UnsafeManifestError(f"blocks page {number} holds another part of the stream than the root says")
    _check_table(root, bytes(ids), lengths)
    return bytes(ids), lengths, stream


def _check_table(root: Root, ids: bytes, lengths: array[int]) -> None:
    if sum(lengths) != root.totals.block_bytes:
        raise UnsafeManifestError(f"blocks of {sum(lengths)} bytes, where the root says {root.totals.block_bytes}")
    if lengths and max(lengths) > root.cutter.maximum:
        raise UnsafeManifestError(f"a block of {max(lengths)} bytes, over the cutter's {root.cutter.maximum}")
    if len({ids[start : start + DIGEST_BYTES] for start in range(0, len(ids), DIGEST_BYTES)}) != len(lengths):
        raise UnsafeManifestError("a block table that lists a block twice")


def _assemble_entries(root: Root, space: IndexSpace, pages: Mapping[Index, bytes] | Mapping[int, bytes]) -> Entries:
    entries, content = Entries(), ContentHasher()
    for number, ref in enumerate(root.tree):
        page = decode_tree_page(_page(space, pages, space.tree_page(number)))
        if (len(page.paths), sum(page.sizes), page.paths[0]) != (ref.entries, ref.stream_bytes, ref.first_path):
            raise UnsafeManifestError(f"tree page {number} holds other entries than the root says")
        entries.append_page(page)
        content.add_page(page)
    entries.end()
    totals = root.totals
    counts = (entries.count(Kind.FILE), entries.count(Kind.DIRECTORY), entries.count(Kind.SYMLINK))
    if counts != (totals.files, totals.directories, totals.symlinks):
        raise UnsafeManifestError("tree pages with other numbers of files, directories and symlinks than the root says")
    if content.digest() != root.content:
        raise UnsafeManifestError("tree pages of another content than the root says")
    return entries
