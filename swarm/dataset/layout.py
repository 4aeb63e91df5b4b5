"""Where a byte of the stream lives: stream offset <-> (file number, offset in that file). Pure.

A version's files in path order, laid end to end, are its stream. `Layout` knows only their sizes; whoever numbers
files (a scan, a version's entries) keeps the same order. Entries without bytes (directories, symlinks) may take part
with size 0, so that a file number can be an entry number.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Piece(NamedTuple):
    """`length` >= 1 bytes of file `number`, from byte `offset` of that file on."""

    number: int
    offset: int
    length: int


class Layout:
    """Sizes of files, in bytes, in stream order. 8 bytes of memory a file; lookups are O(log files)."""

    __slots__ = ("_starts", "total_bytes")

    def __init__(self, sizes: Iterable[int]) -> None:
        self._starts = array("Q")
        position = 0
        for size in sizes:
            if size < 0:
                raise ValueError(f"a file has {size} bytes")
            self._starts.append(position)
            position += size
        self.total_bytes = position

    def __len__(self) -> int:
        return len(self._starts)

    def start(self, number: int) -> int:
        """The stream offset of the first byte of file `number` (of where it would be, if the file is empty)."""
        return self._starts[number]

    def size(self, number: int) -> int:
        """Bytes of file `number`."""
        is_last = number + 1 == len(self._starts)
        return (self.total_bytes if is_last else self._starts[number + 1]) - self._starts[number]

    def locate(self, offset: int) -> tuple[int, int]:
        """(file number, offset in it) of stream byte `offset`. Raises ValueError outside the stream."""
        if not 0 <= offset < self.total_bytes:
            raise ValueError(f"stream offset {offset} is not below {self.total_bytes}")
        # Of several files that start here all but the last are empty, and bisect_right finds the last.
        number = bisect_right(self._starts, offset) - 1
        return number, offset - self._starts[number]

    def pieces(self, offset: int, length: int) -> list[Piece]:
        """The parts of files that make up `length` stream bytes from `offset` on, in order; empty files are left out.

        Raises ValueError where the range is not within the stream.
        """
        if length < 0 or offset < 0 or offset + length > self.total_bytes:
            raise ValueError(f"stream bytes {offset}..{offset + length} are not within 0..{self.total_bytes}")
        return list(self._walk(offset, length)) if length else []

    def _walk(self, offset: int, length: int) -> Iterator[Piece]:
        number, inside = self.locate(offset)
        while length:
            taken = min(length, self.size(number) - inside)
            if taken:
                yield Piece(number, inside, taken)
            length -= taken
            number, inside = number + 1, 0
