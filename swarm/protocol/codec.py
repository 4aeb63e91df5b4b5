"""Control messages as bytes: `[type, fields]`, one fixed number a type, one table of fields a message.

The type is read before anything is decoded, so that each message has a bound of its own. Framing (a length before
each message) is the transport's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from swarm.errors import DecodeError, InternalError
from swarm.protocol import cbor
from swarm.protocol.bounds import MESSAGE_BYTES_MAX
from swarm.protocol.message_table import KINDS
from swarm.protocol.messages import Message

_PAIR = 0x82
"""The head of an array of two."""

_BY_TYPE = {kind.number: kind for kind in KINDS}
_BY_CLASS = {kind.cls: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A type that this program does not know: answered with `Unsupported`, never an error."""

    type: int


def encode_message(message: Message) -> bytes:
    """The bytes of a message. Raises InternalError where they pass a bound of its type: the caller must send less."""
    kind = _BY_CLASS[type(message)]
    try:
        data = cbor.encode([kind.number, kind.schema.write(message)])
    except DecodeError as error:
        raise InternalError(f"a {kind.cls.__name__} that nobody could read: {error.message}") from error
    if len(data) > kind.max_bytes:
        raise InternalError(f"a {kind.cls.__name__} of {len(data)} bytes, where {kind.max_bytes} are allowed")
    return data


def decode_message(data: bytes | bytearray | memoryview) -> Message | UnknownMessage:
    """The message of exactly these bytes, every field checked. Raises DecodeError."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise DecodeError(f"a message of {len(data)} bytes")
    number = _peek_type(data)
    kind = _BY_TYPE.get(number)
    if kind is None:
        return UnknownMessage(number)
    value = cbor.decode(data, max_bytes=kind.max_bytes, is_canonical=False)
    # _peek_type saw an array of two.
    return cast("Message", kind.schema.read(cast("list[object]", value)[1]))


def _peek_type(data: bytes | bytearray | memoryview) -> int:
    """The number after the head of an array of two, shortest form only."""
    if len(data) >= 2 and data[0] == _PAIR:
        if data[1] < 24:
            return data[1]
        if data[1] == 24 and len(data) >= 3 and data[2] >= 24:
            return data[2]
        if data[1] == 25 and len(data) >= 4 and data[2]:
            return data[2] << 8 | data[3]
    raise DecodeError("not a message: no array of a type and fields")
