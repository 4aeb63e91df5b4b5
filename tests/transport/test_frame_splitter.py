"""Frames out of whatever pieces the wire makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import DecodeError
from swarm.protocol.frames import HEADER_BYTES, PAYLOAD_MAX, FrameHeader, abort, pack
from swarm.transport.frame_splitter import FrameSplitter
from tests.transport.peers import block_frames


def split(pieces: list[bytes]) -> list[tuple[FrameHeader, bytes]]:
    splitter = FrameSplitter()
    frames = [(header, bytes(payload)) for piece in pieces for header, payload in splitter.feed(piece)]
    assert not splitter.has_rest
    return frames


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8), st.data())
def test_frames_cut_anywhere_come_out_as_they_went_in(blocks: list[bytes], data: st.DataObject) -> None:
    frames = [frame for index, block in enumerate(blocks) for frame in block_frames(index, block)]
    frames.append((abort(1, 2, 3, 400), b""))
    wire = b"".join(pack(header) + payload for header, payload in frames)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=12)))
    assert split([wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]) == frames


def test_byte_by_byte() -> None:
    frames = block_frames(1, b"slowly")
    wire = b"".join(pack(header) + payload for header, payload in frames)
    assert split([wire[n : n + 1] for n in range(len(wire))]) == frames


def test_a_payload_that_came_in_one_piece_is_not_copied() -> None:
    (header, payload), *_ = block_frames(1, bytes(PAYLOAD_MAX))
    piece = pack(header) + payload
    ((_, view),) = FrameSplitter().feed(piece)
    assert view.obj is piece


def test_part_of_a_frame_is_known_to_be_missing() -> None:
    (header, payload), *_ = block_frames(1, b"whole")
    for size in (1, HEADER_BYTES, HEADER_BYTES + 1):
        splitter = FrameSplitter()
        assert list(splitter.feed((pack(header) + payload)[:size])) == []
        assert splitter.has_rest


@given(st.binary(max_size=300), st.integers(1, 50))
def test_anything_is_frames_or_our_error(wire: bytes, size: int) -> None:
    splitter = FrameSplitter()
    try:
        for start in range(0, len(wire), size):
            list(splitter.feed(wire[start : start + size]))
    except DecodeError:
        return
    assert len(wire) < HEADER_BYTES + PAYLOAD_MAX


def test_a_header_is_refused_before_its_payload_is_waited_for() -> None:
    with pytest.raises(DecodeError):
        list(FrameSplitter().feed(b"\xff" * HEADER_BYTES))
    splitter = FrameSplitter()
    list(splitter.feed(b"\xff" * 10))
    with pytest.raises(DecodeError):
        list(splitter.feed(b"\xff" * (HEADER_BYTES - 10)))
