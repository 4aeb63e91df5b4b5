"""Columns of a page: many numbers, or many byte strings, as one byte string.

A column of numbers is `[base, width, data]`: value i is base + the i-th `width`-byte big-endian number of data. The
base is the smallest value and the width the smallest that fits, so that there is one encoding, equal values take no
room, and a reader knows every length before it allocates. Packing and unpacking run at the speed of `bytes` slices.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence

from swarm.errors import DecodeError
from swarm.protocol.forms import show

_WORD = 8
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


def pack_numbers(values: Sequence[int]) -> list[object]:
    """`[base, width, data]` of signed 64-bit numbers."""
    if not values:
        return [0, 0, b""]
    base = min(values)
    width = ((max(values) - base).bit_length() + 7) // 8
    if not width:
        return [base, 0, b""]
    words = array("Q", [value - base for value in values] if base else values)
    if sys.byteorder == "little":
        words.byteswap()
    raw = words.tobytes()
    data = bytearray(len(values) * width)
    for place in range(width):
        data[place::width] = raw[_WORD - width + place :: _WORD]
    return [base, width, bytes(data)]


def unpack_numbers(column: object, count: int, *, minimum: int, maximum: int) -> array[int]:
    """`count` numbers between `minimum` and `maximum` as array('q'). Raises DecodeError, before it allocates."""
    base, width, data = _check_column(column, count)
    if not count:
        return array("q")
    if not minimum <= base <= maximum:
        raise DecodeError(f"a column from {base}, outside {minimum} to {maximum}")
    if not width:
        return array("q", [base]) * count
    words = _widen(data, count, width)
    greatest = max(words)
    if base + greatest > maximum:
        raise DecodeError(f"a column to {base + greatest}, outside {minimum} to {maximum}")
    if min(words) or greatest >> (8 * (width - 1)) == 0:
        raise DecodeError("a column that is not in its smallest form")
    return array("q", [base + word for word in words]) if base else array("q", words.tobytes())


def _check_column(column: object, count: int) -> tuple[int, int, bytes]:
    if type(column) is not list or len(column) != 3:
        raise DecodeError(f"{show(column)} is not a column")
    base, width, data = column
    if type(base) is not int or type(width) is not int or type(data) is not bytes:
        raise DecodeError("a column is not [base, width, data]")
    if not _INT64_MIN <= base <= _INT64_MAX or not 0 <= width <= _WORD or len(data) != count * width:
        raise DecodeError(f"a column of {len(data)} bytes for {count} numbers of {width}")
    if not count and base:
        raise DecodeError("an empty column with a base")
    return base, width, data


def _widen(data: bytes, count: int, width: int) -> array[int]:
    raw = bytearray(count * _WORD)
    for place in range(width):
        raw[_WORD - width + place :: _WORD] = data[place::width]
    words = array("Q", bytes(raw))
    if sys.byteorder == "little":
        words.byteswap()
    return words


def pack_strings(strings: Iterable[bytes]) -> bytes:
    """Each followed by NUL."""
    listed = [*strings, b""]
    return b"\0".join(listed)


def unpack_strings(data: object, *, maximum: int) -> list[bytes]:
    """The strings, each followed by NUL. Raises DecodeError; `maximum` bounds the number before anything is split."""
    if type(data) is not bytes or (data and data[-1]):
        raise DecodeError(f"{show(data)} is not a column of strings")
    if data.count(0) > maximum:
        raise DecodeError(f"{data.count(0)} strings, where at most {maximum} are allowed")
    return data.split(b"\0")[:-1]


def unpack_digests(data: object, count: int | None = None) -> bytes:
    """A column of 32-byte digests, still packed. Raises DecodeError unless it holds `count` of them."""
    if type(data) is not bytes or len(data) % 32 or (count is not None and len(data) != 32 * count):
        raise DecodeError(f"{show(data)} is not a column of digests")
    return data
