"""The control messages of one connection: queued to be sent, read to be received, and how both sides part.

A goodbye is answered when everything before it was read. Neither it nor its answer is ever seen by the user.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from swarm.errors import TransportError
from swarm.protocol.codec import UnknownMessage
from swarm.protocol.messages import Goodbye, GoodbyeAck, Hello, Message, Prove, Unsupported
from swarm.transport.chunk_buffer import Piece
from swarm.transport.mailbox import Mailbox
from swarm.transport.message_stream import MessageSplitter, MessageStream, frame
from swarm.transport.transport import OUTBOX_MESSAGES

if TYPE_CHECKING:
    from swarm.transport.libp2p_stream import Stream

INBOX_MESSAGES = 1024
"""Then nothing more is read, the other side's writes stand still, and its watchdog sees it."""

LONG_BYTES = 4096
"""A longer message counts in the outbox as several, so that its bound is one of memory too: 16 MiB."""

OUTBOX_FULL = "the outbox is full: the other side reads nothing"


log = logging.getLogger(__name__)


class ControlChannel:
    """`read` and `write` are tasks of the connection; whatever they raise ends it. It is a stream's sink."""

    def __init__(self, on_goodbye: Callable[[], None]) -> None:
        self.parting: str | None = None
        """Why nothing more may be sent although the connection still lives."""
        self.has_parted = trio.Event()
        self._on_goodbye = on_goodbye
        self._outbox: Mailbox[bytes] = Mailbox(OUTBOX_MESSAGES, _weight)
        self._inbox: Mailbox[Message] = Mailbox(INBOX_MESSAGES)
        self._splitter = MessageSplitter()

    def send_nowait(self, message: Message) -> None:
        """Raises TransportError where it cannot be queued; with OUTBOX_FULL the connection is beyond hope."""
        if self.parting is not None:
            raise TransportError(self.parting)
        if self._outbox.is_full:
            raise TransportError(OUTBOX_FULL)
        self._post(message)

    async def receive(self) -> Message:
        return await self._inbox.take()

    def hand_to(self, hand: Callable[[Message], bool] | None) -> None:
        self._inbox.hand_to(hand)

    async def part(self, reason: str) -> None:
        """Says goodbye and waits for the answer, or the end."""
        if self.parting is None:
            self.parting = reason
        self._post(Goodbye(reason))
        await self.has_parted.wait()

    def acknowledge_goodbye(self) -> None:
        self._post(GoodbyeAck())

    def end(self, reason: str) -> None:
        self._outbox.end(reason)
        self._inbox.end(reason)
        self.has_parted.set()

    async def write(self, stream: MessageStream) -> None:
        while True:
            await stream.write(b"".join(await self._outbox.take_all()))

    async def read(self, stream: Stream) -> None:
        self._inbox.on_room(stream.resume)
        await stream.pour(self)
        raise TransportError("the connection has ended")

    @property
    def has_room(self) -> bool:
        return not self._inbox.is_full

    def take(self, piece: Piece) -> None:
        for message in self._splitter.feed(piece):
            self._handle(message)

    def _handle(self, message: Message | UnknownMessage) -> None:
        match message:
            case UnknownMessage(type=number):
                self._post(Unsupported(number))
            case Hello() | Prove():
                raise TransportError("the other side said hello twice")
            case Goodbye(reason=reason):
                if self.parting is None:
                    self.parting = f"the other side said goodbye: {reason}"
                self._on_goodbye()
            case Unsupported(type=number):
                log.info("the other side does not know messages of type %d", number)
            case GoodbyeAck():
                self.has_parted.set()
            case _:
                self._inbox.put(message)

    def _post(self, message: Message) -> None:
        """Past the bound where it must: what the connection itself has to say is little, but a flood of questions that
        each want an answer is none of its business."""
        if self._outbox.weight > 2 * OUTBOX_MESSAGES:
            raise TransportError(OUTBOX_FULL)
        self._outbox.put(frame(message))


def _weight(data: bytes) -> int:
    return 1 + len(data) // LONG_BYTES
