"""Control messages on a stream: four bytes of length, big-endian, and the body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from swarm.errors import DecodeError, TransportError
from swarm.protocol.bounds import MESSAGE_BYTES_MAX
from swarm.protocol.codec import UnknownMessage, decode_message, encode_message
from swarm.protocol.frames import FRAME_BYTES_MAX
from swarm.protocol.messages import Message

LENGTH_BYTES = 4


class ByteStream(Protocol):
    """What is asked of the stream below."""

    async def read_exactly(self, n: int) -> bytes: ...
    async def write(self, data: bytes) -> None: ...


class MessageStream:
    """Whole messages over a byte stream; also the pipe of the hellos."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    async def send(self, message: Message) -> None:
        await self.write(frame(message))

    async def write(self, data: bytes) -> None:
        """Bytes made by `frame`, in pieces that fit one encrypted message each."""
        for start in range(0, len(data), FRAME_BYTES_MAX):
            await self._stream.write(data[start : start + FRAME_BYTES_MAX])

    async def receive(self) -> Message:
        """The next message. Raises TransportError, also where a type is unknown: before the hello nothing may be."""
        message = await self.receive_any()
        if isinstance(message, UnknownMessage):
            raise TransportError(f"a message of the unknown type {message.type}")
        return message

    async def receive_any(self) -> Message | UnknownMessage:
        """The next message, known or not."""
        body = await self._stream.read_exactly(_checked(await self._stream.read_exactly(LENGTH_BYTES)))
        return _decoded(body)


class MessageSplitter:
    """Cuts what a control stream delivers into messages. Pure; `feed` it everything that arrives, in order."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = LENGTH_BYTES

    def feed(self, piece: bytes | memoryview) -> Iterator[Message | UnknownMessage]:
        """The messages that are whole by now. Raises TransportError, after which the stream cannot be read on.

        The iterator must be read to its end before the next piece is fed.
        """
        data = bytes(piece)
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data, self._rest = bytes(self._rest), bytearray()
        start, end = 0, self._end(data, 0)
        while end <= len(data):
            yield _decoded(data[start + LENGTH_BYTES : end])
            start, end = end, self._end(data, end)
        self._rest += data[start:]
        self._needed = end - start

    def _end(self, data: bytes, start: int) -> int:
        """Where the message that begins at `start` ends, as far as that is known."""
        end = start + LENGTH_BYTES
        return end if end > len(data) else end + _checked(data[start:end])


def _checked(length: bytes) -> int:
    """A length past the bound is refused before a byte of it is read."""
    found = int.from_bytes(length, "big")
    if found > MESSAGE_BYTES_MAX:
        raise TransportError(f"a message of {found} bytes was announced; {MESSAGE_BYTES_MAX} are allowed")
    return found


def _decoded(body: bytes) -> Message | UnknownMessage:
    try:
        return decode_message(body)
    except DecodeError as error:
        raise TransportError(f"a message that cannot be read: {error.message}") from error


def frame(message: Message) -> bytes:
    """A message as it travels."""
    body = encode_message(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
