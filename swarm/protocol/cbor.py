"""Canonical CBOR in and out: RFC 8949, section 4.2, and a subset of it.

What may occur: integers, byte strings, text, arrays, maps, true, false, null. No tags, floats, other simple values or
indefinite lengths. This module checks bytes; `fields` checks what the values mean.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import cbor2

from swarm.errors import DecodeError
from swarm.protocol.bounds import DEPTH_MAX, ITEMS_MAX

_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7
_FALSE, _TRUE, _NULL = 20, 21, 22


def encode(value: object) -> bytes:
    """Deterministic bytes of `value`. With unsigned keys cbor2's canonical order is that of RFC 8949.

    Raises DecodeError for what has no encoding, such as text that is not Unicode: nobody could read it.
    """
    try:
        return cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as error:
        raise DecodeError(f"cannot be written: {error}") from error


def decode(
    data: bytes | bytearray | memoryview,
    *,
    max_bytes: int,
    max_depth: int = DEPTH_MAX,
    max_items: int = ITEMS_MAX,
    is_canonical: bool = True,
) -> object:
    """The value of `data`, which must be one item and nothing after it. Raises DecodeError, and nothing else.

    `is_canonical` re-encodes and compares: for everything that is hashed or signed. Memory: `data`, a copy of it, and
    about 100 bytes for each of at most `max_items` items.
    """
    if len(data) > max_bytes:
        raise DecodeError(f"{len(data)} bytes, where at most {max_bytes} are allowed")
    if is_canonical or len(data) > max_items:
        # One item takes at least one byte, so a shorter message cannot hold too many.
        count_items(data, max_items=max_items)
    value = _load(bytes(data), max_depth)
    if is_canonical and encode(value) != data:
        raise DecodeError("not canonical CBOR")
    return value


def count_items(data: bytes | bytearray | memoryview, *, max_items: int) -> int:
    """Walks the heads of a CBOR item without building anything. Raises DecodeError past `max_items`."""
    position, pending, items = 0, 1, 0
    if not data:
        raise DecodeError("no bytes")
    while pending:
        items += 1
        if items > max_items:
            raise DecodeError(f"more than {max_items} items")
        major, argument, position = _head(data, position)
        pending -= 1
        if major in (_BYTES, _TEXT):
            position += argument
        elif major == _ARRAY:
            pending += argument
        elif major == _MAP:
            pending += 2 * argument
        if position + pending > len(data):
            raise DecodeError("ends too early")
    return items


def _head(data: bytes | bytearray | memoryview, position: int) -> tuple[int, int, int]:
    initial = data[position]
    major, info = initial >> 5, initial & 31
    position += 1
    if major == _TAG or (major == _SIMPLE and info not in (_FALSE, _TRUE, _NULL)) or info > 27:
        raise DecodeError(f"an item that is not allowed (0x{initial:02x})")
    if info < 24:
        return major, info, position
    end = position + (1 << (info - 24))
    if end > len(data):
        raise DecodeError("ends too early")
    return major, int.from_bytes(data[position:end], "big"), end


class _RefuseTags(dict[int, Callable[..., Any]]):
    """Answers for every tag: cbor2's own decoders of tags (regular expressions, decimals, cycles) are never reached."""

    def __missing__(self, tag: int) -> Callable[..., Any]:
        return _refuse_tag


def _refuse_tag(*_: object) -> Any:
    raise DecodeError("a CBOR tag, which is not allowed")


_REFUSE_TAGS = _RefuseTags()


def _load(data: bytes, max_depth: int) -> object:
    stream = BytesIO(data)
    # strict_hashable_types stays off: it refuses integer keys (cbor2 6.2). `fields` looks at the keys.
    decoder = cbor2.CBORDecoder(
        stream,
        max_depth=max_depth,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        semantic_decoders=_REFUSE_TAGS,
        tag_hook=_refuse_tag,
    )
    try:
        value = decoder.decode()
    except DecodeError:
        raise
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise DecodeError(f"not CBOR: {error}") from error
    if stream.tell() != len(data):
        raise DecodeError(f"{len(data) - stream.tell()} bytes after the end")
    return value
