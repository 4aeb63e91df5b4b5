from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import DecodeError
from swarm.protocol.cbor import count_items, decode, encode

BUILTIN_TAGS = [*range(70), 100, 256, 258, 260, 261, 1004, 43000, 55799, 65535]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=30) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, 2**40), inner, max_size=5),
    max_leaves=12,
)


def refused(data: bytes, **options: int | bool) -> str:
    with pytest.raises(DecodeError) as caught:
        decode(data, **({"max_bytes": 1 << 20} | options))  # type: ignore[arg-type]
    return str(caught.value)


@given(values)
def test_every_value_comes_back(value: object) -> None:
    assert decode(encode(value), max_bytes=1 << 20) == value
    assert decode(encode(value), max_bytes=1 << 20, is_canonical=False) == value


@given(values)
def test_the_scan_agrees_with_the_decoder_about_what_is_one_item(value: object) -> None:
    data = encode(value)
    assert count_items(data, max_items=1000) >= 1
    for cut in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:cut], max_bytes=1000, is_canonical=False)


def test_keys_are_ordered_as_rfc_8949_says() -> None:
    assert encode({1000: 0, 24: 0, 23: 0, 0: 0}).hex() == "a400001700181800" + "1903e800"


@pytest.mark.parametrize("tag", BUILTIN_TAGS)
def test_no_tag_reaches_its_decoder(tag: int) -> None:
    head = bytes([0xD9]) + tag.to_bytes(2, "big")
    for content in (b"\x00", b"\x63abc", b"\x82\x1a\x7f\xff\xff\xff\x01", b"\x41\x01", b"\x80"):
        assert "tag" in refused(head + content, is_canonical=False)
        refused(head + content)


@pytest.mark.parametrize(
    "data",
    [
        "1801",  # an integer that is longer than needed
        "190001",
        "5801aa",
        "a201000000",  # keys out of order
        "f93c00",  # a float
        "f7",  # undefined
        "f0",  # a simple value
        "5f4100ff",  # indefinite lengths
        "9f00ff",
        "bf0000ff",
        "ff",
        "1c",
        "a200000000",  # a key twice
        "0000",  # bytes after the end
        "61ff",  # not UTF-8
        "8200",  # too short
        "",
    ],
)
def test_what_is_not_canonical_is_refused(data: str) -> None:
    refused(bytes.fromhex(data))


@pytest.mark.parametrize("data", ["5f4100ff", "9f00ff", "ff", "a200000000", "0000", "61ff", "8200", "c000", ""])
def test_a_message_need_not_be_canonical_and_is_strict_all_the_same(data: str) -> None:
    refused(bytes.fromhex(data), is_canonical=False)
    assert decode(bytes.fromhex("1801"), max_bytes=9, is_canonical=False) == 1


def test_depth_is_bounded() -> None:
    assert decode(b"\x81" * 16 + b"\0", max_bytes=100)
    refused(b"\x81" * 17 + b"\0")
    refused(b"\x81" * 17 + b"\0", is_canonical=False)
    refused(b"\x81" * 100_000)
    refused(b"\x81" * 100_000, is_canonical=False)


def test_bytes_are_bounded_before_anything_is_read() -> None:
    assert "at most 10" in refused(b"\xff" * 11, max_bytes=10)


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x5b\x00\x00\x00\x01\x00\x00\x00\x00",  # 4 GiB of bytes
        b"\x7b\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",  # 2^64 items
        b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x80" * (1 << 20),
        pytest.param(
            b"\x9a\x00\x0f\xff\xfb" + b"\x80" * ((1 << 20) - 5), marks=pytest.mark.slow, id="a million arrays"
        ),
        pytest.param(b"\x9a\x00\x0f\xff\xfb" + b"\xa0" * ((1 << 20) - 5), marks=pytest.mark.slow, id="a million maps"),
        b"\xc2\x5a\x00\x0f\xff\xfa" + b"\xff" * ((1 << 20) - 6),  # an integer of eight million bits
        b"\x84" * 15 + b"\x9b\x00\x00\x00\x01\x00\x00\x00\x00",
    ],
)
@pytest.mark.parametrize("is_canonical", [True, False])
def test_a_bomb_is_refused_in_bounded_memory(bomb: bytes, is_canonical: bool) -> None:
    tracemalloc.start()
    refused(bomb, is_canonical=is_canonical)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_what_has_no_encoding_is_a_decode_error() -> None:
    for value in ("\udc80", object(), 2**70 * 1j):
        with pytest.raises(DecodeError):
            encode({1: value} if not isinstance(value, complex) else {1: object()})
