"""Which entries of a version are in question, and which blocks that takes.

A block is *needed* if it has bytes of a taken file, and *whole* if some place of it in the stream lies in taken files
only: those can be read again from the files. The others, at the borders of a selection, have bytes that belong to
files which are not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from swarm.dataset.layout import Layout, Piece
from swarm.dataset.selection import Selection
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import digest
from swarm.protocol.pages import Entry, Kind
from swarm.protocol.version import Version


class Body:
    """A version with what one needs to place its bytes: entry number = file number, entries without bytes have none.

    Blocks are numbered by their place in the block table, as everywhere in this package.
    """

    __slots__ = ("layout", "version")

    def __init__(self, version: Version) -> None:
        self.version = version
        self.layout = Layout(version.entries.sizes)

    @property
    def block_count(self) -> int:
        return self.version.space.block_count

    def offsets(self, block: int) -> tuple[int, ...]:
        """Stream offsets at which the block begins, ascending; at least one."""
        return self.version.stream_offsets(self.version.space.page_count + block)

    def pieces(self, block: int, offset: int) -> list[Piece]:
        """The parts of files that hold the block which begins at `offset`."""
        return self.layout.pieces(offset, self.version.block_lengths[block])

    def overlapping(self, start: int, end: int) -> Iterator[int]:
        """Blocks that have bytes in [start, end) of the stream, in its order."""
        if start >= end:
            return
        first, last = self.version.position_at(start), self.version.position_at(end - 1)
        for position in range(first, last + 1):
            yield self.version.stream[position]

    def inside(self, start: int, end: int) -> Iterator[int]:
        """Blocks that lie in [start, end) as a whole."""
        if start >= end:
            return
        offsets = self.version.offsets
        first, last = self.version.position_at(start), self.version.position_at(end - 1)
        for position in range(first, last + 1):
            if offsets[position] >= start and offsets[position + 1] <= end:
                yield self.version.stream[position]


class Scope:
    """Entries of a body, by number. Immutable. `needed` and `whole` have a bit for each block of the table."""

    __slots__ = ("body", "is_everything", "needed", "taken", "whole")

    def __init__(self, body: Body, taken: Bitfield) -> None:
        self.body = body
        self.taken = taken
        self.is_everything = taken.is_full
        blocks = body.block_count
        if self.is_everything:
            self.needed = self.whole = Bitfield.full(blocks)
            return
        self.needed, self.whole = Bitfield(blocks), Bitfield(blocks)
        for start, end in self._ranges():
            for block in body.overlapping(start, end):
                self.needed.set(block)
            for block in body.inside(start, end):
                self.whole.set(block)

    @property
    def version(self) -> Version:
        return self.body.version

    @property
    def key(self) -> bytes:
        """32 bytes, the same for the same entries of the same version."""
        return digest(self.taken.to_bytes())

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """(number, entry) of what is taken, in path order."""
        if self.is_everything:
            yield from enumerate(self.version.entries)
            return
        for number, entry in enumerate(self.version.entries):
            if number in self.taken:
                yield number, entry

    def of_kind(self, kind: Kind) -> Iterator[Entry]:
        """What is taken and of one kind, in path order."""
        entries = self.version.entries
        if not entries.count(kind):
            return
        for number in self.taken:
            if entries.kind(number) is kind:
                yield entries[number]

    def count(self, kind: Kind) -> int:
        """How much of what is taken is of a kind."""
        entries = self.version.entries
        if self.is_everything:
            return entries.count(kind)
        return sum(entries.kind(number) is kind for number in self.taken)

    @property
    def bytes_taken(self) -> int:
        """Of all files that are taken."""
        sizes = self.version.entries.sizes
        return sum(sum(sizes[first : first + count]) for first, count in self.taken.runs())

    def paths(self) -> Iterator[bytes]:
        """Of what is taken, in order."""
        return map(self.version.entries.path, self.taken)

    def has_all(self, pieces: list[Piece]) -> bool:
        """Whether these are all of taken files."""
        return self.is_everything or all(piece.number in self.taken for piece in pieces)

    def has_some(self, pieces: list[Piece]) -> bool:
        """Whether any of these is of a taken file."""
        return self.is_everything or any(piece.number in self.taken for piece in pieces)

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Stream ranges of neighbouring taken files; files without bytes separate nothing."""
        layout = self.body.layout
        start = end = -1
        for first, count in self.taken.runs():
            left = layout.start(first)
            last = first + count - 1
            right = layout.start(last) + layout.size(last)
            if left != end:
                if end > start:
                    yield start, end
                start = left
            end = right
        if end > start:
            yield start, end


def everything(body: Body) -> Scope:
    """All entries."""
    return Scope(body, Bitfield.full(len(body.version.entries)))


def selected(body: Body, selection: Selection) -> Scope:
    """What a selection takes, with the directories above it."""
    entries = body.version.entries
    if selection.is_everything:
        return everything(body)
    taken = Bitfield(len(entries))
    above: set[bytes] = set()
    for number, entry in enumerate(entries):
        if selection.takes(entry.path, is_directory=entry.kind is Kind.DIRECTORY):
            taken.set(number)
            above.update(_directories(entry.path))
    for number, entry in enumerate(entries):
        if entry.kind is Kind.DIRECTORY and entry.path in above:
            taken.set(number)
    return Scope(body, taken)


def of_bytes(body: Body, data: bytes | None) -> Scope:
    """A scope from the index: None is everything. Raises DecodeError where it is of another version."""
    if data is None:
        return everything(body)
    return Scope(body, Bitfield.from_bytes(data, len(body.version.entries)))


def _directories(path: bytes) -> Iterator[bytes]:
    above = path.rpartition(b"/")[0]
    while above:
        yield above
        above = above.rpartition(b"/")[0]


def with_directories(version: Version, numbers: Iterable[int]) -> Bitfield:
    """These entries, and the directories that they are in."""
    entries = version.entries
    taken = Bitfield(len(entries))
    for number in numbers:
        taken.set(number)
        above = entries.path(number).rpartition(b"/")[0]
        while above:
            found = entries.find(above)
            if found is None or not taken.set(found):
                break
            above = above.rpartition(b"/")[0]
    return taken
