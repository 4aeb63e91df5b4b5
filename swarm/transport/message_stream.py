"""Control messages on a stream: four bytes of length, big-endian, and the body."""

from __future__ import annotations

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
        """The next message, known or not. A length past the bound is refused before a byte of it is read."""
        length = int.from_bytes(await self._stream.read_exactly(LENGTH_BYTES), "big")
        if length > MESSAGE_BYTES_MAX:
            raise TransportError(f"a message of {length} bytes was announced; {MESSAGE_BYTES_MAX} are allowed")
        body = await self._stream.read_exactly(length)
        try:
            return decode_message(body)
        except DecodeError as error:
            raise TransportError(f"a message that cannot be read: {error.message}") from error


def frame(message: Message) -> bytes:
    """A message as it travels."""
    body = encode_message(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
