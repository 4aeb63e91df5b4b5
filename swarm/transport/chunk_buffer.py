"""What has arrived on a stream and was not read: a list of pieces instead of one long bytearray.

yamux keeps a bytearray for each stream, adds 64 KiB at its end and cuts 256 KiB off its front; with megabytes in it,
moving them about took more than half of a receiver's time. Pieces are handed on as they came, without a copy.
"""

from __future__ import annotations

from collections import deque

Piece = bytes | memoryview


class FloodError(Exception):
    """More came than the window allowed; the stream cannot go on."""


class ChunkBuffer:
    """Has what yamux asks of a bytearray (`extend`, `len`, `clear`), and `take`. Holds at most `bound` bytes."""

    def __init__(self, bound: int) -> None:
        self.is_flooded = False
        self._bound = bound
        self._pieces: deque[Piece] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def extend(self, piece: Piece) -> None:
        """Adds without copying: the caller hands `piece` over. Raises FloodError past the bound."""
        if self._size + len(piece) > self._bound:
            self.is_flooded = True
            raise FloodError(f"{self._size + len(piece)} bytes unread, where {self._bound} are allowed")
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)

    def take(self, at_most: int) -> list[Piece]:
        """The oldest pieces, whole: as many as fit into `at_most` bytes, but at least one if there is one."""
        taken: list[Piece] = []
        room = at_most
        while self._pieces and (not taken or len(self._pieces[0]) <= room):
            piece = self._pieces.popleft()
            room -= len(piece)
            taken.append(piece)
        self._size -= at_most - room
        return taken

    def clear(self) -> None:
        self._pieces.clear()
        self._size = 0

    def check(self) -> None:
        """Derives the size again."""
        assert self._size == sum(map(len, self._pieces)) <= self._bound


class ChunkBuffers(dict[int, ChunkBuffer]):
    """Stands in for yamux's dictionary of buffers: whatever is put in becomes an empty ChunkBuffer."""

    def __init__(self, bound: int) -> None:
        super().__init__()
        self._bound = bound

    def __setitem__(self, stream_id: int, _: object) -> None:
        super().__setitem__(stream_id, ChunkBuffer(self._bound))
