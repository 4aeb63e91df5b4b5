"""Cuts what a block stream delivers into frames, without copying those that arrived in one piece. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from swarm.protocol.frames import HEADER_BYTES, FrameHeader, unpack

Frame = tuple[FrameHeader, memoryview]


class FrameSplitter:
    """`feed` it everything that arrives, in order. A payload is a view of its piece and keeps that alive."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def has_rest(self) -> bool:
        """Part of a frame has arrived: an end now would be an end in mid-frame."""
        return bool(self._rest)

    def feed(self, piece: bytes | memoryview) -> Iterator[Frame]:
        """The frames that are whole by now. Raises DecodeError, after which the stream cannot be read on.

        The iterator must be read to its end before the next piece is fed.
        """
        if self._rest:
            # A sender writes whole frames and yamux splits one only where a window ends: joining is the exception.
            self._rest += piece
            if len(self._rest) < HEADER_BYTES or len(self._rest) < _size(self._rest):
                return
            piece, self._rest = bytes(self._rest), bytearray()
        view, start = memoryview(piece), 0
        while start + HEADER_BYTES <= len(view):
            header = unpack(view[start : start + HEADER_BYTES])
            end = start + HEADER_BYTES + header.length
            if end > len(view):
                break
            yield header, view[start + HEADER_BYTES : end]
            start = end
        self._rest += view[start:]


def _size(begun: bytearray) -> int:
    return HEADER_BYTES + unpack(begun[:HEADER_BYTES]).length
