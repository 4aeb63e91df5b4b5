"""Stream offset <-> file and offset in it, against files really laid end to end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.dataset.layout import Layout, Piece

SIZES = st.lists(st.integers(0, 12), max_size=12)


def laid_out(sizes: list[int]) -> list[tuple[int, int]]:
    """The naive model: for each stream byte, its file and its offset there."""
    return [(number, offset) for number, size in enumerate(sizes) for offset in range(size)]


@given(SIZES)
def test_every_stream_byte_is_where_it_was_laid(sizes: list[int]) -> None:
    layout = Layout(sizes)
    assert layout.total_bytes == sum(sizes)
    assert [layout.locate(offset) for offset in range(layout.total_bytes)] == laid_out(sizes)
    assert [layout.size(number) for number in range(len(layout))] == sizes
    assert [layout.start(number) for number in range(len(layout))] == [
        sum(sizes[:number]) for number in range(len(sizes))
    ]


@given(SIZES, st.data())
def test_pieces_are_exactly_the_bytes_asked_for(sizes: list[int], data: st.DataObject) -> None:
    layout = Layout(sizes)
    offset = data.draw(st.integers(0, layout.total_bytes))
    length = data.draw(st.integers(0, layout.total_bytes - offset))
    pieces = layout.pieces(offset, length)
    found = [(piece.number, piece.offset + step) for piece in pieces for step in range(piece.length)]
    assert found == laid_out(sizes)[offset : offset + length]
    assert all(piece.length for piece in pieces)
    assert len({piece.number for piece in pieces}) == len(pieces)


def test_empty_files_between_others_have_no_piece() -> None:
    assert Layout([0, 3, 0, 0, 2, 0]).pieces(2, 2) == [Piece(1, 2, 1), Piece(4, 0, 1)]


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 6), (5, 1), (0, -1), (6, 0)])
def test_ranges_outside_the_stream_are_errors(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="not within"):
        Layout([2, 3]).pieces(offset, length)


def test_an_offset_outside_the_stream_is_an_error() -> None:
    with pytest.raises(ValueError, match="not below"):
        Layout([2, 3]).locate(5)


def test_a_negative_size_is_an_error() -> None:
    with pytest.raises(ValueError, match="-1 bytes"):
        Layout([1, -1])
