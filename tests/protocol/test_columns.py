from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import DecodeError
from swarm.protocol.columns import pack_numbers, pack_strings, unpack_digests, unpack_numbers, unpack_strings

INT64 = st.integers(-(2**63), 2**63 - 1)
WIDE = {"minimum": -(2**63), "maximum": 2**63 - 1}


@given(st.lists(INT64) | st.lists(st.integers(0, 300)) | st.lists(st.integers(2**40, 2**40 + 9)))
def test_numbers_come_back_in_the_least_room(values: list[int]) -> None:
    column = pack_numbers(values)
    assert unpack_numbers(column, len(values), **WIDE).tolist() == values
    base, width, data = column
    assert base == min(values, default=0)
    assert len(data) == len(values) * width  # type: ignore[arg-type,operator]
    spread = max(values, default=0) - min(values, default=0)
    assert width == (spread.bit_length() + 7) // 8


def test_a_column_to_the_byte() -> None:
    assert pack_numbers([7, 7, 7]) == [7, 0, b""]
    assert pack_numbers([-1, 0, 255]) == [-1, 2, bytes.fromhex("000000010100")]
    assert pack_numbers([]) == [0, 0, b""]


@pytest.mark.parametrize(
    ("column", "count"),
    [
        ([0, 1, b"\0\1"], 3),
        ([0, 1, b"\1\2"], 2),  # the base is not the smallest
        ([0, 2, b"\0\0\0\1"], 2),  # the width is not the smallest
        ([0, 1, b"\0\0"], 2),  # a constant that is spelt out
        ([1, 0, b""], 0),
        ([0, 9, bytes(9)], 1),
        ([0, -1, b""], 1),
        ([2**63, 0, b""], 1),
        ([2**63 - 1, 1, b"\0\1"], 2),
        ([0, 8, bytes(8) + b"\xff" * 8], 2),
        ([True, 0, b""], 1),
        ([0, 0], 1),
        (None, 1),
        ([0, 0, bytearray()], 1),
        ([0.0, 0, b""], 1),
    ],
)
def test_other_columns_are_refused(column: object, count: int) -> None:
    with pytest.raises(DecodeError):
        unpack_numbers(column, count, **WIDE)


def test_numbers_are_bounded() -> None:
    for values in ([3, 11], [-1, 5], [11], [-1]):
        with pytest.raises(DecodeError, match="outside"):
            unpack_numbers(pack_numbers(values), len(values), minimum=0, maximum=10)


def test_an_empty_column_fits_every_bound() -> None:
    assert len(unpack_numbers(pack_numbers([]), 0, minimum=1, maximum=5)) == 0


def test_a_count_that_the_data_does_not_bear_allocates_nothing() -> None:
    tracemalloc.start()
    with pytest.raises(DecodeError):
        unpack_numbers([0, 8, b"\0" * 16], 10**9, **WIDE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@given(st.lists(st.binary(max_size=9).map(lambda data: data.replace(b"\0", b"x")), max_size=9))
def test_strings_come_back(strings: list[bytes]) -> None:
    assert unpack_strings(pack_strings(strings), maximum=9) == strings


def test_strings_are_ended_and_bounded() -> None:
    for data in (b"a", b"a\0b", "a\0", None):
        with pytest.raises(DecodeError):
            unpack_strings(data, maximum=9)
    with pytest.raises(DecodeError):
        unpack_strings(b"\0" * 10, maximum=9)


def test_digests_are_whole() -> None:
    assert unpack_digests(bytes(64), 2) == bytes(64)
    for data, count in ((bytes(33), None), (bytes(64), 1), ("", None)):
        with pytest.raises(DecodeError):
            unpack_digests(data, count)
