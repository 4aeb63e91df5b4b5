"""multistream-select 1.0: how two sides agree on the protocol of a connection or a stream.

Ours asks in one message (`/multistream/1.0.0` and the protocol) and reads both answers: a round trip less than asking
twice, which every implementation allows. A line is at most 1 KiB, so a stranger cannot make us collect more.

Source: https://github.com/multiformats/multistream-select
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from swarm.errors import TransportError

HEADER = "/multistream/1.0.0"
NOT_AVAILABLE = "na"

LINE_BYTES_MAX = 1024
"""A protocol name, its newline included; the longest in use anywhere is under 100."""

OFFERS_MAX = 8
"""Names that the other side may try before it is refused; js-libp2p tries at most three."""


class ExactStream(Protocol):
    """Bytes in order, read exactly."""

    async def read_exactly(self, n: int) -> bytes:
        """Raises TransportError at the end."""

    async def write(self, data: bytes) -> None: ...


async def ask(stream: ExactStream, protocol: str) -> None:
    """As the side that opened: raises TransportError unless the other side speaks `protocol`."""
    await stream.write(_line(HEADER) + _line(protocol))
    await _expect_header(stream)
    answer = await _read_line(stream)
    if answer != protocol:
        raise TransportError(f"the other side does not speak {protocol}")


async def answer(stream: ExactStream, protocols: Collection[str]) -> str:
    """As the side that was asked: the first of `protocols` that the other side names. Raises TransportError."""
    await stream.write(_line(HEADER))
    await _expect_header(stream)
    for _ in range(OFFERS_MAX):
        wanted = await _read_line(stream)
        if wanted in protocols:
            await stream.write(_line(wanted))
            return wanted
        await stream.write(_line(NOT_AVAILABLE))
    raise TransportError("the other side asks for nothing that is spoken here")


def _line(text: str) -> bytes:
    body = text.encode() + b"\n"
    return _varint(len(body)) + body


async def _expect_header(stream: ExactStream) -> None:
    if await _read_line(stream) != HEADER:
        raise TransportError("the other side does not speak multistream")


async def _read_line(stream: ExactStream) -> str:
    length = await _read_varint(stream)
    if not 1 <= length <= LINE_BYTES_MAX:
        raise TransportError(f"a multistream line of {length} bytes")
    body = await stream.read_exactly(length)
    try:
        return body.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise TransportError("a multistream line that is not text") from error


async def _read_varint(stream: ExactStream) -> int:
    first = (await stream.read_exactly(1))[0]
    if first < 0x80:
        return first
    second = (await stream.read_exactly(1))[0]
    if second >= 0x80:
        raise TransportError("a multistream line past its bound")
    return (first & 0x7F) | (second << 7)


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([(value & 0x7F) | 0x80, value >> 7])
