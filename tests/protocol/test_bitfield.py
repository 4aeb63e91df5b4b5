from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import DecodeError, InternalError
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.runs import iterate, normalise

sizes = st.integers(0, 90)


@st.composite
def fields(draw: st.DrawFn, size: int | None = None) -> tuple[Bitfield, set[int]]:
    bits = draw(sizes) if size is None else size
    indexes = draw(st.sets(st.integers(0, bits - 1))) if bits else set()
    return Bitfield.from_runs(normalise(indexes), bits), indexes


@given(fields(), st.data())
def test_it_behaves_like_a_set(pair: tuple[Bitfield, set[int]], data: st.DataObject) -> None:
    field, model = pair
    index = st.integers(0, field.size - 1) if field.size else st.nothing()
    for _ in range(data.draw(st.integers(0, 12)) if field.size else 0):
        match data.draw(st.sampled_from(["set", "clear", "set_run", "clear_run"])):
            case "set":
                place = data.draw(index)
                assert field.set(place) == (place not in model)
                model.add(place)
            case "clear":
                place = data.draw(index)
                assert field.clear(place) == (place in model)
                model.discard(place)
            case "set_run":
                first, end = sorted((data.draw(index), data.draw(index)))
                field.set_run((first, end - first))
                model |= set(range(first, end))
            case "clear_run":
                first, end = sorted((data.draw(index), data.draw(index)))
                field.clear_run((first, end - first))
                model -= set(range(first, end))
        field.check()
    assert set(field) == model
    assert field.count == len(model)
    assert set(iterate(field.missing())) == set(range(field.size)) - model
    assert [field.get(i) for i in range(field.size)] == [i in model for i in range(field.size)]
    assert (field.is_empty, field.is_full) == (not model, len(model) == field.size)


@given(sizes.flatmap(lambda size: st.tuples(fields(size), fields(size))))
def test_whole_field_operations_agree_with_sets(
    pairs: tuple[tuple[Bitfield, set[int]], tuple[Bitfield, set[int]]],
) -> None:
    (a, left), (b, right) = pairs
    everything = set(range(a.size))
    for result, expected in (
        (a & b, left & right),
        (a | b, left | right),
        (a - b, left - right),
        (~a, everything - left),
        (a.copy(), left),
        (Bitfield.full(a.size), everything),
    ):
        result.check()
        assert set(result) == expected
    assert a.is_subset(b) == (left <= right)
    assert (a == b) == (left == right)


@given(fields(), st.integers(0, 100))
def test_first_clear_and_first_set_find_the_lowest(pair: tuple[Bitfield, set[int]], start: int) -> None:
    field, model = pair
    rest = range(start, field.size)
    assert field.first_set(start) == next((i for i in rest if i in model), None)
    assert field.first_clear(start) == next((i for i in rest if i not in model), None)


@given(fields())
def test_bytes_and_runs_come_back(pair: tuple[Bitfield, set[int]]) -> None:
    field, model = pair
    assert Bitfield.from_bytes(field.to_bytes(), field.size) == field
    assert Bitfield.from_runs(field.runs(), field.size) == field
    assert field.runs() == normalise(model)


def test_index_0_is_the_highest_bit_of_the_first_byte() -> None:
    assert Bitfield.from_runs(((0, 1), (9, 1)), 10).to_bytes() == b"\x80\x40"


@pytest.mark.parametrize(("data", "size"), [(b"", 1), (b"\0\0", 8), (b"\x01", 7), (b"\0\x3f", 10), (b"\0", 0)])
def test_bytes_of_another_size_are_refused(data: bytes, size: int) -> None:
    with pytest.raises(DecodeError):
        Bitfield.from_bytes(data, size)


def test_indexes_out_of_range_are_refused() -> None:
    field = Bitfield(10)
    for call in (field.get, field.set, field.clear):
        for index in (-1, 10):
            with pytest.raises(IndexError):
                call(index)
    for run in ((-1, 2), (9, 2), (0, 11), (3, -1)):
        with pytest.raises(IndexError):
            field.set_run(run)
    assert 10 not in field
    with pytest.raises(ValueError, match="bitfields of"):
        field & Bitfield(11)


def test_check_finds_a_wrong_count() -> None:
    field = Bitfield(10)
    field._bits[0] = 1
    with pytest.raises(InternalError):
        field.check()
