"""Block frames: a fixed header and a payload. `request` names the request, `index` the block, `offset` the place in it.

One frame is one Noise message (65,507 bytes leave room for yamux's header and Noise's tag), so a cancel takes effect
at the next frame. Every frame but an aborted one carries at least one byte.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from swarm.errors import DecodeError
from swarm.protocol.bounds import BLOCK_BYTES_MAX, INDEX_COUNT_MAX

_HEADER = struct.Struct(">IIIIIBBH")
HEADER_BYTES = _HEADER.size
FRAME_BYTES_MAX = 65_507
"""65,535 of Noise, less its 16-byte tag and yamux's 12-byte header."""

PAYLOAD_MAX = FRAME_BYTES_MAX - HEADER_BYTES
assert HEADER_BYTES == 24


class Flags(IntFlag):
    """LAST ends a whole block, ABORTED one that is not whole; LOST beside it: it can never be sent from here."""

    NONE = 0
    LAST = 1
    ABORTED = 2
    LOST = 4


_LAST, _ABORTED, _LOST = int(Flags.LAST), int(Flags.ABORTED), int(Flags.LOST)
_ENDS = _LAST | _ABORTED
# Plain numbers and a table: an IntFlag's operators cost a microsecond each, and this runs for every 64 KiB.
_FLAGS = {int(flags): flags for flags in (Flags.NONE, Flags.LAST, Flags.ABORTED, Flags.ABORTED | Flags.LOST)}


class Codec(IntEnum):
    """How the payload is encoded. Others come with a capability in `hello`."""

    PLAIN = 0


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """`length` bytes of payload at `offset` of the block's `encoded_length` bytes."""

    request: int
    index: int
    offset: int
    length: int
    encoded_length: int
    flags: Flags = Flags.NONE
    codec: Codec = Codec.PLAIN

    @property
    def is_last(self) -> bool:
        """No further frame of this block follows."""
        return int(self.flags) & _ENDS != 0


def pack(header: FrameHeader) -> bytes:
    """24 bytes, big-endian."""
    return _HEADER.pack(
        header.request,
        header.index,
        header.offset,
        header.length,
        header.encoded_length,
        header.flags,
        header.codec,
        0,
    )


def unpack(data: bytes | bytearray | memoryview) -> FrameHeader:
    """The header in exactly 24 bytes. Raises DecodeError where the numbers contradict each other or a bound."""
    if len(data) != HEADER_BYTES:
        raise DecodeError(f"a frame header of {len(data)} bytes")
    request, index, offset, length, encoded_length, flags, codec, zero = _HEADER.unpack(data)
    if zero or codec != Codec.PLAIN:
        raise DecodeError(f"a frame of codec {codec}, reserved {zero}")
    if length > PAYLOAD_MAX or encoded_length > BLOCK_BYTES_MAX or index >= INDEX_COUNT_MAX:
        raise DecodeError(f"a frame past its bounds (length {length}, block {encoded_length}, index {index})")
    if not _is_consistent(offset, length, encoded_length, flags):
        raise DecodeError(f"a frame that contradicts itself ({offset}+{length} of {encoded_length}, flags {flags})")
    return FrameHeader(request, index, offset, length, encoded_length, _FLAGS[flags], Codec.PLAIN)


def _is_consistent(offset: int, length: int, encoded_length: int, flags: int) -> bool:
    end = offset + length
    if flags & _ABORTED:
        return length == 0 and end <= encoded_length and flags in (_ABORTED, _ABORTED | _LOST)
    return length > 0 and end <= encoded_length and flags == (_LAST if end == encoded_length else 0)


def abort(request: int, index: int, offset: int, encoded_length: int, *, is_lost: bool = False) -> FrameHeader:
    """The frame that ends a block early; it has no payload."""
    flags = Flags.ABORTED | Flags.LOST if is_lost else Flags.ABORTED
    return FrameHeader(request, index, offset, 0, encoded_length, flags)
