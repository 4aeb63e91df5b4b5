"""Blocks pages: the block table's new entries, and the stream that is made of them.

The stream is runs: `the next n new blocks`, or `(distance back in stream positions, n)`. A run may overlap its own
source, as in LZ77, so that a gigabyte of zeros is one block and one run. There are no absolute indexes: an insertion
changes the pages it touches. A page ends after a new block whose id says so.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from operator import eq

from swarm.errors import DecodeError, UnsafeManifestError
from swarm.protocol import bounds as b
from swarm.protocol import cbor
from swarm.protocol.columns import pack_numbers, unpack_digests, unpack_numbers
from swarm.protocol.fields import Fields
from swarm.protocol.forms import Bytes
from swarm.protocol.ids import DIGEST_BYTES, BlockId, digest
from swarm.protocol.manifest import ANY, PageRef
from swarm.protocol.pages import PAGE_ROOM, Page

PAGE_BLOCKS_AVERAGE = 4_096
"""About 150 KiB a page: 4 GiB of stream at 1 MiB a block."""

_BOUNDARY_MASK = PAGE_BLOCKS_AVERAGE - 1
_BLOCK_BYTES = DIGEST_BYTES + 3
_RUN_BYTES = 8

NEW = 0
"""The distance of a run of new blocks."""


@dataclass(frozen=True, slots=True)
class BlocksPage:
    """`ids` packed, `lengths` of the new blocks; runs as (distance, count) columns, distance 0 for new blocks."""

    ids: bytes
    lengths: array[int]
    distances: array[int]
    counts: array[int]

    @property
    def new_blocks(self) -> int:
        return len(self.lengths)

    @property
    def positions(self) -> int:
        return sum(self.counts)


class _PageWriter:
    """Collects the runs of one page."""

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self.lengths: list[int] = []
        self.distances: list[int] = []
        self.counts: list[int] = []
        self.stream_bytes = 0

    @property
    def is_full(self) -> bool:
        return (len(self.ids) + 1) * _BLOCK_BYTES + (len(self.counts) + 1) * _RUN_BYTES > PAGE_ROOM

    def add(self, distance: int, length: int) -> None:
        """One more position, in the run of `distance`."""
        if self.distances and self.distances[-1] == distance:
            self.counts[-1] += 1
        else:
            self.distances.append(distance)
            self.counts.append(1)
        self.stream_bytes += length

    def page(self) -> Page:
        """The page of what was added."""
        data = cbor.encode(
            {
                0: 1,
                1: [],
                2: b"".join(self.ids),
                3: pack_numbers(self.lengths),
                4: pack_numbers(self.distances),
                5: pack_numbers(self.counts),
            }
        )
        ref = PageRef(BlockId(digest(data)), len(data), sum(self.counts), self.stream_bytes, len(self.ids))
        return Page(data, ref)


class StreamWriter:
    """Takes the stream block by block and makes pages and totals of it."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.block_bytes = 0
        self._writer = _PageWriter()
        self._places: dict[bytes, int] = {}
        self._last: array[int] = array("I")
        """By table place: the position where the block was seen last."""
        self._lengths: array[int] = array("I")
        self._stream: array[int] = array("I")
        """By position: the place in the block table."""
        self._distance = NEW

    @property
    def blocks(self) -> int:
        return len(self._lengths)

    @property
    def positions(self) -> int:
        return len(self._stream)

    def add(self, block_id: bytes, length: int) -> None:
        """The next block of the stream. Raises UnsafeManifestError where a bound is passed or lengths disagree."""
        if len(block_id) != DIGEST_BYTES or not 1 <= length <= b.BLOCK_BYTES_MAX:
            raise UnsafeManifestError(f"a block of {length} bytes and an id of {len(block_id)}")
        if self.positions >= b.STREAM_POSITIONS_MAX:
            raise UnsafeManifestError(
                f"a stream of more than {b.STREAM_POSITIONS_MAX} blocks", hint="use a larger --block-size"
            )
        place = self._places.get(block_id)
        if place is None:
            self._add_new(block_id, length)
        else:
            self._add_known(place, length)

    def finish(self) -> list[Page]:
        """All pages."""
        if self._writer.counts:
            self._end_page()
        return self.pages

    def _add_new(self, block_id: bytes, length: int) -> None:
        place = len(self._lengths)
        if self._writer.is_full:
            self._end_page()
        self._places[block_id] = place
        self._lengths.append(length)
        self._last.append(self.positions)
        self._stream.append(place)
        self._distance = NEW
        self._writer.ids.append(block_id)
        self._writer.lengths.append(length)
        self._writer.add(NEW, length)
        self.block_bytes += length
        if not (block_id[-2] << 8 | block_id[-1]) & _BOUNDARY_MASK:
            self._end_page()

    def _add_known(self, place: int, length: int) -> None:
        if self._lengths[place] != length:
            raise UnsafeManifestError(f"one block with two lengths, {self._lengths[place]} and {length}")
        position = self.positions
        if not self._distance or self._stream[position - self._distance] != place:
            self._distance = position - self._last[place]
            if self._writer.is_full:
                self._end_page()
        self._last[place] = position
        self._stream.append(place)
        self._writer.add(self._distance, length)

    def _end_page(self) -> None:
        self.pages.append(self._writer.page())
        self._writer = _PageWriter()


def build_blocks_pages(stream: Iterable[tuple[bytes, int]]) -> list[Page]:
    """The pages of a stream of (block id, length). Raises UnsafeManifestError."""
    writer = StreamWriter()
    for block_id, length in stream:
        writer.add(block_id, length)
    return writer.finish()


def decode_blocks_page(data: bytes) -> BlocksPage:
    """The columns of a page, each within its bounds. Raises DecodeError. Nothing is expanded here."""
    value = cbor.decode(data, max_bytes=b.PAGE_BYTES_MAX, max_items=b.STORED_ITEMS_MAX)
    fields = Fields(value, "blocks page", known=range(6))
    ids = unpack_digests(fields.take(2, Bytes(b.PAGE_BYTES_MAX)))
    lengths = unpack_numbers(fields.take(3, ANY), len(ids) // DIGEST_BYTES, minimum=1, maximum=b.BLOCK_BYTES_MAX)
    runs = _run_count(fields.take(4, ANY))
    distances = unpack_numbers(fields.take(4, ANY), runs, minimum=0, maximum=b.STREAM_POSITIONS_MAX)
    counts = unpack_numbers(fields.take(5, ANY), runs, minimum=1, maximum=b.STREAM_POSITIONS_MAX)
    if any(map(eq, distances, distances[1:])):
        raise DecodeError("blocks page: two neighbouring runs that are one")
    page = BlocksPage(ids, lengths, distances, counts)
    if page.positions > b.STREAM_POSITIONS_MAX:
        raise DecodeError(f"blocks page: {page.positions} stream positions")
    news = sum([count for distance, count in zip(distances, counts, strict=True) if distance == NEW])
    if news != page.new_blocks:
        raise DecodeError(f"blocks page: runs of {news} new blocks and {page.new_blocks} ids")
    return page


def _run_count(distances: object) -> int:
    """How many runs: neighbours differ in distance, so this column is constant only where there is one run."""
    if type(distances) is not list or len(distances) != 3 or type(distances[2]) is not bytes:
        raise DecodeError("blocks page: not a column")
    width = distances[1]
    if type(width) is not int or width < 0:
        raise DecodeError("blocks page: not a column")
    return len(distances[2]) // width if width else 1


def expand(page: BlocksPage, stream: array[int], table_size: int) -> None:
    """Appends the table places of a page's positions to `stream`; `table_size` blocks came before.

    Raises DecodeError where a run reaches before the stream's beginning or would pass STREAM_POSITIONS_MAX.
    """
    if len(stream) + page.positions > b.STREAM_POSITIONS_MAX:
        raise DecodeError(f"a stream of more than {b.STREAM_POSITIONS_MAX} blocks")
    for distance, count in zip(page.distances, page.counts, strict=True):
        if distance == NEW:
            stream.extend(range(table_size, table_size + count))
            table_size += count
        elif distance > len(stream):
            raise DecodeError("blocks page: a run from before the stream's beginning")
        else:
            _repeat(stream, distance, count)


def _repeat(stream: array[int], distance: int, count: int) -> None:
    """Copies `count` positions from `distance` back, which may be fewer than `count`: then they repeat."""
    source = stream[len(stream) - distance : len(stream) - distance + min(distance, count)]
    whole, rest = divmod(count, distance)
    stream.extend(source * whole)
    stream.extend(source[:rest])
