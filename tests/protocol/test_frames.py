from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import DecodeError
from swarm.protocol import frames
from swarm.protocol.bounds import BLOCK_BYTES_MAX, INDEX_COUNT_MAX
from swarm.protocol.frames import HEADER_BYTES, PAYLOAD_MAX, Flags, FrameHeader

U32 = st.integers(0, 2**32 - 1)


def test_a_frame_fills_one_noise_message() -> None:
    assert HEADER_BYTES == 24
    assert HEADER_BYTES + PAYLOAD_MAX == 65_507


def test_the_header_to_the_byte() -> None:
    header = FrameHeader(1, 2, 3, 4, 7, Flags.LAST)
    assert frames.pack(header).hex() == "000000010000000200000003000000040000000701000000"
    assert frames.unpack(frames.pack(header)) == header


@given(U32, st.integers(0, INDEX_COUNT_MAX - 1), st.integers(0, BLOCK_BYTES_MAX - 1), st.data())
def test_whole_blocks_come_back(request: int, index: int, offset: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, min(PAYLOAD_MAX, BLOCK_BYTES_MAX - offset)))
    more = data.draw(st.integers(0, BLOCK_BYTES_MAX - offset - length))
    flags = Flags.NONE if more else Flags.LAST
    header = FrameHeader(request, index, offset, length, offset + length + more, flags)
    assert frames.unpack(frames.pack(header)) == header
    assert header.is_last == (more == 0)


@pytest.mark.parametrize("is_lost", [True, False])
def test_an_aborted_block_ends_without_payload(is_lost: bool) -> None:
    header = frames.abort(1, 2, 3, 9, is_lost=is_lost)
    again = frames.unpack(frames.pack(header))
    assert again == header
    assert again.is_last
    assert again.length == 0
    assert bool(again.flags & Flags.LOST) == is_lost


@pytest.mark.parametrize(
    "header",
    [
        FrameHeader(0, 0, 0, 0, 5),  # no payload
        FrameHeader(0, 0, 0, 5, 5),  # the end, and not said
        FrameHeader(0, 0, 0, 4, 5, Flags.LAST),  # said, and not the end
        FrameHeader(0, 0, 3, 3, 5),  # past the end
        FrameHeader(0, 0, 0, 1, 5, Flags.ABORTED),
        FrameHeader(0, 0, 0, 0, 5, Flags.LOST),
        FrameHeader(0, 0, 0, 0, 5, Flags.ABORTED | Flags.LAST),
        FrameHeader(0, 0, 6, 0, 5, Flags.ABORTED),
        FrameHeader(0, 0, 0, 0, 0, Flags.LAST),
        FrameHeader(0, 0, 0, PAYLOAD_MAX + 1, BLOCK_BYTES_MAX),
        FrameHeader(0, 0, 0, 5, BLOCK_BYTES_MAX + 1),
        FrameHeader(0, INDEX_COUNT_MAX, 0, 5, 6),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(header: FrameHeader) -> None:
    with pytest.raises(DecodeError):
        frames.unpack(frames.pack(header))


def test_reserved_bits_are_zero() -> None:
    good = frames.pack(FrameHeader(0, 0, 0, 5, 6))
    for place, value in ((20, 8), (20, 128), (21, 1), (22, 1), (23, 1)):
        with pytest.raises(DecodeError):
            frames.unpack(good[:place] + bytes([value]) + good[place + 1 :])


@given(st.binary(min_size=0, max_size=40) | st.binary(min_size=24, max_size=24))
def test_any_bytes_are_a_header_or_a_decode_error(data: bytes) -> None:
    try:
        header = frames.unpack(data)
    except DecodeError:
        return
    assert frames.pack(header) == data
