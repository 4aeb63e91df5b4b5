"""The buffer that takes the place of yamux's bytearray."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.transport.chunk_buffer import ChunkBuffer, ChunkBuffers, FloodError


@given(st.lists(st.binary(max_size=50) | st.integers(1, 120), max_size=60))
def test_what_goes_in_comes_out_in_order(steps: list[bytes | int]) -> None:
    """Against a bytearray: bytes are added, numbers taken."""
    buffer, model = ChunkBuffer(10_000), bytearray()
    for step in steps:
        if isinstance(step, bytes):
            buffer.extend(step)
            model += step
        else:
            taken = b"".join(map(bytes, buffer.take(step)))
            assert taken == model[: len(taken)]
            assert bool(taken) == bool(model)
            assert len(taken) <= max(step, 50)
            del model[: len(taken)]
        buffer.check()
        assert len(buffer) == len(model)


def test_pieces_are_handed_on_uncopied() -> None:
    buffer, piece = ChunkBuffer(100), bytes(60)
    buffer.extend(piece)
    assert buffer.take(100)[0] is piece


def test_past_its_bound_it_refuses_and_remembers() -> None:
    buffer = ChunkBuffer(100)
    buffer.extend(bytes(100))
    with pytest.raises(FloodError):
        buffer.extend(b"x")
    assert buffer.is_flooded
    assert len(buffer) == 100


def test_whatever_yamux_puts_into_the_dictionary_becomes_a_bounded_buffer() -> None:
    buffers = ChunkBuffers(10)
    buffers[3] = bytearray()
    assert isinstance(buffers[3], ChunkBuffer)
    assert not buffers[3]
    with pytest.raises(FloodError):
        buffers[3].extend(bytes(11))
