"""Cuts what a block stream delivers into frames, without copying those that arrived in one piece. Pure."""

from __future__ import annotations

from swarm.protocol.frames import HEADER_BYTES, FrameHeader, unpack

Frame = tuple[FrameHeader, memoryview]


class FrameSplitter:
    """`feed` it everything that arrives, in order. A payload is a view of a chunk; it keeps the chunk alive."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def has_rest(self) -> bool:
        """Part of a frame has arrived: an end now would be an end in mid-frame."""
        return bool(self._rest)

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that are whole by now. Raises DecodeError, after which the stream cannot be read on."""
        if self._rest:
            # A chunk that begins in mid-frame is copied once; that is 1 % of what its way here has cost.
            chunk, self._rest = self._rest + chunk, b""
        view, frames, start = memoryview(chunk), [], 0
        while start + HEADER_BYTES <= len(view):
            header = unpack(view[start : start + HEADER_BYTES])
            end = start + HEADER_BYTES + header.length
            if end > len(view):
                break
            frames.append((header, view[start + HEADER_BYTES : end]))
            start = end
        self._rest = bytes(view[start:])
        return frames
