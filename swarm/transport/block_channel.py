"""The block stream of one connection: frames written in the sender's task, read in a task of the connection.

Writing in the sender's task costs no queue and shows the pressure where it arises; each frame is shielded, and a
cancellation takes effect between frames. The frames that arrive wait in a short queue for whoever takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from swarm.errors import DecodeError, TransportError
from swarm.protocol.frames import FrameHeader, pack
from swarm.transport.chunk_buffer import Piece
from swarm.transport.frame_splitter import Frame, FrameSplitter
from swarm.transport.mailbox import Mailbox
from swarm.transport.pacing import Pacing
from swarm.transport.quick_lock import QuickLock
from swarm.transport.tcp_stream import TcpStream

if TYPE_CHECKING:
    from swarm.transport.libp2p_stream import Stream

INBOX_BYTES = 2 * 1024 * 1024
"""Thirty-two frames: hides a pause of the reader without keeping blocks in memory twice."""

FRAME_OVERHEAD_BYTES = 512
"""What a queued frame takes beside its payload: a flood of empty ones is bounded too."""


class BlockChannel:
    """`read` or `refuse` is a task of the connection; whatever it raises ends it. It is a stream's sink."""

    def __init__(self, tcp: TcpStream) -> None:
        self.has_been_read_whole = trio.Event()
        self._tcp = tcp
        self._stream: Stream | None = None
        self._attached = trio.lowlevel.ParkingLot()
        self._inbox: Mailbox[Frame] = Mailbox(INBOX_BYTES, _weight)
        self._splitter = FrameSplitter()
        self._sending = QuickLock()
        self._pacing = Pacing()
        self._ended: str | None = None

    @property
    def is_attached(self) -> bool:
        return self._stream is not None

    def attach(self, stream: Stream) -> None:
        """The dialer opens the stream beside the control stream, so the acceptor's sender may be waiting for it."""
        self._stream = stream
        self._attached.unpark_all()

    async def send(self, header: FrameHeader, payload: bytes | memoryview) -> None:
        """One frame. Raises TransportError, after which the connection must end."""
        async with self._sending:
            stream = await self._await_stream()
            await stream.await_window(lambda: self._ended is not None)
            await self._wait_for_room()
            if self._ended is not None:
                raise TransportError(self._ended)
            with trio.CancelScope(shield=True):
                await stream.write(pack(header), payload)
        # Not a whole checkpoint, which would cost a tenth of the throughput: the stream yields every few frames.
        await trio.lowlevel.checkpoint_if_cancelled()

    async def receive(self) -> Frame:
        return await self._inbox.take()

    def hand_to(self, hand: Callable[[Frame], bool] | None) -> None:
        self._inbox.hand_to(hand)

    async def close_write(self) -> None:
        """After the frame in hand: nothing more follows."""
        if self._stream is not None:
            async with self._sending:
                with trio.CancelScope(shield=True):
                    await self._stream.close_write()

    def end(self, reason: str) -> None:
        self._ended = reason
        self._inbox.end(reason)
        self._attached.unpark_all()

    async def read(self) -> None:
        """Takes frames in until the other side has sent its last."""
        stream = await self._await_stream()
        self._inbox.on_room(stream.resume)
        await stream.pour(self)
        if self._splitter.has_rest:
            raise TransportError("the other side stopped in the middle of a block frame")
        self.has_been_read_whole.set()

    @property
    def has_room(self) -> bool:
        return not self._inbox.is_full

    def take(self, piece: Piece) -> None:
        try:
            for frame in self._splitter.feed(piece):
                self._inbox.put(frame)
        except DecodeError as error:
            raise TransportError(f"a block frame that cannot be read: {error.message}") from error

    async def refuse(self) -> None:
        """The other side of a stream on which only we may send."""
        if await (await self._await_stream()).read():
            raise TransportError("the other side sent blocks against the direction of the connection")

    async def _await_stream(self) -> Stream:
        while self._stream is None:
            if self._ended is not None:
                raise TransportError(self._ended)
            await self._attached.park()
        return self._stream

    async def _wait_for_room(self) -> None:
        """While more than the link moves in a moment is unsent: `Alive` and grants go the same way."""
        while self._ended is None:
            unsent, rtt_s = self._tcp.unsent_bytes(), self._tcp.rtt_s() or 0.0
            if unsent is None or self._pacing.is_open(trio.current_time(), self._tcp.bytes_sent, unsent, rtt_s):
                return
            await trio.sleep(self._pacing.wait_s(unsent, rtt_s))


def _weight(item: Frame) -> int:
    return FRAME_OVERHEAD_BYTES + len(item[1])
