"""One connection over py-libp2p: a control stream, a block stream, the tasks that read and write them, and its end.

The user never touches a stream: tasks of the connection do, and are cancelled only when it ends, because a read or a
write cut short would corrupt what is shared by all streams. The user waits on mailboxes and may give up at any moment.
The one exception is `send_frame`, which writes in the user's task (a queue would cost a copy and hide the pressure):
each frame is shielded, and cancelling takes effect between frames.

Whoever breaks the protocol is closed with a reason. Nothing here decides anything about blocks.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import trio

from swarm.errors import DecodeError, InternalError, TransportError
from swarm.protocol.codec import UnknownMessage
from swarm.protocol.frames import FRAME_BYTES_MAX, FrameHeader, pack
from swarm.protocol.ids import ConnectionId, PeerId
from swarm.protocol.messages import Direction, Goodbye, GoodbyeAck, Hello, Message, Prove, Unsupported
from swarm.transport import multistream
from swarm.transport.frame_splitter import Frame, FrameSplitter
from swarm.transport.hello import HELLO_TIMEOUT_S, Greeting, Identity, greet_as_acceptor, greet_as_dialer
from swarm.transport.mailbox import Mailbox
from swarm.transport.message_stream import MessageStream, frame
from swarm.transport.pacing import Pacing
from swarm.transport.quick_lock import QuickLock
from swarm.transport.transport import OUTBOX_MESSAGES, ConnectionStatistics

if TYPE_CHECKING:
    from swarm.transport.libp2p_session import Session, Stream

CONTROL = "/swarm/control/1"
BLOCKS = "/swarm/blocks/1"
PING = "/ipfs/ping/1.0.0"

STUCK_S = 5.0
"""A write of which the kernel takes no byte for so long is stuck for good; the writer cannot know, the watchdog can."""

GRACE_S = 2.0
"""How long a graceful end may take."""

REFUSAL_S = 1.0
"""How long a refused dialer may take to read why."""

STREAMS_MAX = 8
"""Streams that are open at once: ours are two, and a foreign libp2p peer's services ask for a few more in vain."""

INBOX_MESSAGES = 1024
"""Then nothing more is read, the other side's writes stand still, and its watchdog sees it."""

INBOX_FRAME_BYTES = 2 * 1024 * 1024
"""Thirty-two frames: hides a pause of the reader without keeping blocks in memory twice."""

FRAME_OVERHEAD_BYTES = 512
"""What a queued frame takes beside its payload: a flood of empty ones is bounded too."""

OUTBOX_LONG_BYTES = 4096
"""A longer message counts in the outbox as several, so that its bound is one of memory too: 16 MiB."""

PING_BYTES = 32

log = logging.getLogger(__name__)


class Libp2pConnection:
    """Implements `Connection`. `run` is its life; `greet_*` must succeed before anybody uses it."""

    _numbers = count(1)

    def __init__(self, session: Session, *, is_dialer: bool, on_end: Callable[[Libp2pConnection], None]) -> None:
        self.id = ConnectionId(next(self._numbers))
        self.is_dialer = is_dialer
        self.peer_id: PeerId = session.peer_id
        self.is_running = trio.Event()
        self._session = session
        self._tcp = session.tcp
        self._on_end = on_end
        self._scope = trio.CancelScope()
        self._tasks: trio.Nursery | None = None
        self._ended: str | None = None
        self._greeting: Greeting | None = None
        self._control: MessageStream | None = None
        self._blocks: Stream | None = None
        self._stream_opened = trio.lowlevel.ParkingLot()
        self._streams_open = 0
        self._outbox: Mailbox[bytes] = Mailbox(OUTBOX_MESSAGES, _outbox_weight)
        self._inbox: Mailbox[Message] = Mailbox(INBOX_MESSAGES)
        self._frames: Mailbox[Frame] = Mailbox(INBOX_FRAME_BYTES, _frame_weight)
        self._sending = QuickLock()
        self._pacing = Pacing()
        self._blocks_read_whole = trio.Event()
        self._parting: str | None = None
        self._parted = trio.Event()

    # --- Connection ---------------------------------------------------------------------------------

    @property
    def remote(self) -> Hello:
        if self._greeting is None:
            raise InternalError("a connection was used before its hello")
        return self._greeting.remote

    @property
    def direction(self) -> Direction:
        return self.remote.direction

    @property
    def sends_blocks(self) -> bool:
        return self.direction is (Direction.TO_ACCEPTOR if self.is_dialer else Direction.TO_DIALER)

    @property
    def receives_blocks(self) -> bool:
        return self.direction is (Direction.TO_DIALER if self.is_dialer else Direction.TO_ACCEPTOR)

    def send_nowait(self, message: Message) -> None:
        reason = self._ended or self._parting
        if reason is not None:
            raise TransportError(reason)
        if self._outbox.is_full:
            self.end("the outbox is full: the other side reads nothing")
            raise TransportError("the outbox is full: the other side reads nothing")
        self._outbox.put_nowait((frame(message),))

    async def receive(self) -> Message:
        return await self._inbox.take()

    async def send_frame(self, header: FrameHeader, payload: bytes | memoryview) -> None:
        if not self.sends_blocks or header.length != len(payload):
            raise InternalError("a block frame that this connection may not carry")
        data = b"".join((pack(header), payload))
        if len(data) > FRAME_BYTES_MAX:
            raise InternalError(f"a block frame of {len(data)} bytes")
        async with self._sending:
            stream = await self._blocks_stream()
            await self._wait_for_room()
            if self._ended is not None:
                raise TransportError(self._ended)
            await self._write_whole(stream, data)

    async def receive_frame(self) -> tuple[FrameHeader, bytes | memoryview]:
        return await self._frames.take()

    async def aclose(self, reason: str, *, is_graceful: bool = False) -> None:
        try:
            if is_graceful and self._ended is None and self._greeting is not None:
                with trio.move_on_after(GRACE_S):
                    await self._part(reason)
        finally:
            self.end(reason)
        await trio.lowlevel.checkpoint()

    def statistics(self) -> ConnectionStatistics:
        tcp = self._tcp
        return ConnectionStatistics(
            bytes_received=tcp.bytes_received,
            bytes_sent=tcp.bytes_sent,
            last_received_at=tcp.last_received_at,
            last_sent_at=tcp.last_sent_at,
            rtt_s=self._rtt_s(),
        )

    # --- opening ------------------------------------------------------------------------------------

    async def greet_as_dialer(self, identity: Identity, direction: Direction, dial_nonce: bytes | None) -> None:
        """Opens the streams and says hello. Raises TransportError; the caller then ends the connection."""
        with trio.move_on_after(HELLO_TIMEOUT_S) as scope:
            if direction is not Direction.CONTROL and self._tasks is not None:
                # Beside the control stream, for a round trip less.
                self._tasks.start_soon(self._guard, self._open_blocks)
            self._control = MessageStream(await self._session.open_stream(CONTROL))
        if scope.cancelled_caught:
            raise TransportError(f"{self.peer_id} opened no stream within {HELLO_TIMEOUT_S:.0f} s")
        greeting = await greet_as_dialer(self._control_stream(), identity, self.peer_id, direction, dial_nonce)
        self._opened(greeting)

    async def greet_as_acceptor(self, identity: Identity) -> None:
        """Waits for the control stream, answers the hello. Raises TransportError; the caller ends the connection."""
        with trio.move_on_after(HELLO_TIMEOUT_S) as scope:
            while self._control is None:
                if self._ended is not None:
                    raise TransportError(self._ended)
                await self._stream_opened.park()
        if scope.cancelled_caught:
            raise TransportError(f"{self.peer_id} opened no control stream within {HELLO_TIMEOUT_S:.0f} s")
        self._opened(await greet_as_acceptor(self._control_stream(), identity, self.peer_id))

    async def linger(self) -> None:
        """Lets a refused dialer read the reason: it closes when it has."""
        with trio.move_on_after(REFUSAL_S):
            while self._ended is None:
                await self._stream_opened.park()

    # --- life and end -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Everything the connection does, until it ends. Raises nothing but a cancellation."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._tasks = nursery
                    nursery.start_soon(self._guard, self._session.run)
                    nursery.start_soon(self._guard, self._accept_streams)
                    self.is_running.set()
        finally:
            self.end("the program is ending")

    def end(self, reason: str) -> None:
        """Ends it now: the socket is closed, everybody who waits is told `reason`. The first reason stays."""
        if self._ended is not None:
            return
        self._ended = reason = self._parting or reason
        self._tcp.abort()
        for mailbox in (self._outbox, self._inbox, self._frames):
            mailbox.end(reason)
        self._stream_opened.unpark_all()
        self._parted.set()
        self._scope.cancel()
        self._on_end(self)

    def look(self, now: float) -> None:
        """The watchdog's look, several times a second: ends what can no longer end by itself."""
        if self._tcp.stuck_s(now) > STUCK_S:
            self.end(f"the other side took no byte for {STUCK_S:.0f} s")
        elif self._session.is_flooded():
            self.end("the other side sends more than it may")

    async def _guard(self, task: Callable[[], Awaitable[None]]) -> None:
        """A task's outer edge: whatever it raises ends this connection and nothing else."""
        try:
            await task()
        except TransportError as error:
            self.end(error.message)
        except Exception:  # a defect, ours or the library's: it must not end the host
            log.exception("a task of the connection with %s failed", self.peer_id)
            self.end("internal error")
        else:
            if task == self._session.run:
                self.end("the other side closed the connection")

    def _opened(self, greeting: Greeting) -> None:
        """From here on the connection is its user's."""
        self._greeting = greeting
        if self._ended is not None or self._tasks is None:
            raise TransportError(self._ended or "the connection has ended")
        self._tasks.start_soon(self._guard, self._read_control)
        self._tasks.start_soon(self._guard, self._write_control)
        if self._blocks is not None:
            self._start_blocks()

    # --- streams ------------------------------------------------------------------------------------

    async def _accept_streams(self) -> None:
        while self._tasks is not None:
            stream = await self._session.accept_stream()
            self._streams_open += 1
            if self._streams_open > STREAMS_MAX:
                raise TransportError(f"the other side opened more than {STREAMS_MAX} streams")
            self._tasks.start_soon(self._guard, partial(self._serve_stream, stream))

    async def _serve_stream(self, stream: Stream) -> None:
        try:
            with trio.move_on_after(HELLO_TIMEOUT_S) as scope:
                protocol = await multistream.answer(stream, (CONTROL, BLOCKS, PING))
        except TransportError:
            # Foreign peers ask for services that are not here and go away; that is no fault.
            await self._session.drop_stream(stream)
            self._streams_open -= 1
            return
        if scope.cancelled_caught:
            raise TransportError("the other side opened a stream and asked for nothing")
        if protocol == PING:
            await _answer_pings(stream)
            self._streams_open -= 1
        else:
            self._stream_accepted(protocol, stream)

    def _stream_accepted(self, protocol: str, stream: Stream) -> None:
        if self.is_dialer or (self._control if protocol == CONTROL else self._blocks) is not None:
            raise TransportError(f"the other side opened a {protocol} stream that it may not open")
        if protocol == CONTROL:
            self._control = MessageStream(stream)
        else:
            self._blocks = stream
            if self._greeting is not None:
                self._start_blocks()
        self._stream_opened.unpark_all()

    async def _open_blocks(self) -> None:
        self._blocks = await self._session.open_stream(BLOCKS)
        if self._greeting is not None:
            self._start_blocks()
        self._stream_opened.unpark_all()

    def _start_blocks(self) -> None:
        if self.direction is Direction.CONTROL:
            raise TransportError("a block stream on a connection that carries no blocks")
        if self._tasks is not None:
            read = self._read_blocks if self.receives_blocks else self._refuse_blocks
            self._tasks.start_soon(self._guard, read)

    def _control_stream(self) -> MessageStream:
        if self._control is None:
            raise InternalError("there is no control stream yet")
        return self._control

    async def _blocks_stream(self) -> Stream:
        """The dialer opens it beside the control stream, so the acceptor may have to wait for it."""
        while self._blocks is None:
            if self._ended is not None:
                raise TransportError(self._ended)
            await self._stream_opened.park()
        return self._blocks

    # --- control ------------------------------------------------------------------------------------

    async def _write_control(self) -> None:
        control = self._control_stream()
        while True:
            await control.write(b"".join(await self._outbox.take_all()))

    async def _read_control(self) -> None:
        control = self._control_stream()
        while True:
            self._handle(await control.receive_any())
            if self._inbox.is_full:
                await self._inbox.wait_for_room()

    def _handle(self, message: Message | UnknownMessage) -> None:
        match message:
            case UnknownMessage(type=number):
                self._outbox.put_nowait((frame(Unsupported(number)),))
            case Hello() | Prove():
                raise TransportError("the other side said hello twice")
            case Goodbye(reason=reason):
                self._parting = f"the other side said goodbye: {reason}"
                if self._tasks is not None:
                    self._tasks.start_soon(self._guard, self._acknowledge_parting)
            case GoodbyeAck():
                self._parted.set()
            case _:
                self._inbox.put_nowait((message,))

    async def _acknowledge_parting(self) -> None:
        """Says that everything was read: what came before the goodbye, and the block stream to its end."""
        if self.receives_blocks:
            await self._blocks_read_whole.wait()
        self._outbox.put_nowait((frame(GoodbyeAck()),))

    async def _part(self, reason: str) -> None:
        if self.sends_blocks and self._blocks is not None:
            async with self._sending:
                with trio.CancelScope(shield=True):
                    await self._blocks.close_write()
        if self._ended is None:
            self._outbox.put_nowait((frame(Goodbye(reason)),))
        self._parting = self._parting or reason
        await self._parted.wait()

    # --- blocks -------------------------------------------------------------------------------------

    async def _read_blocks(self) -> None:
        splitter = FrameSplitter()
        stream = await self._blocks_stream()
        while chunk := await stream.read():
            try:
                self._frames.put_nowait(splitter.feed(chunk))
            except DecodeError as error:
                raise TransportError(f"a block frame that cannot be read: {error.message}") from error
            if self._frames.is_full:
                await self._frames.wait_for_room()
        if splitter.has_rest:
            raise TransportError("the other side stopped in the middle of a block frame")
        self._blocks_read_whole.set()

    async def _refuse_blocks(self) -> None:
        if await (await self._blocks_stream()).read():
            raise TransportError("the other side sent blocks against the direction of the connection")

    async def _wait_for_room(self) -> None:
        """While more than the link moves in a moment is unsent: `Alive` and grants go the same way."""
        while self._ended is None:
            unsent = self._tcp.unsent_bytes()
            if unsent is None or self._pacing.is_open(
                trio.current_time(), self._tcp.bytes_sent, unsent, rtt_s := self._rtt_s()
            ):
                return
            await trio.sleep(self._pacing.wait_s(unsent, rtt_s))

    async def _write_whole(self, stream: Stream, data: bytes) -> None:
        try:
            with trio.CancelScope(shield=True):
                await stream.write(data)
        except TransportError as error:
            self.end(error.message)
            raise
        # Cancelling takes effect here, between frames; a checkpoint in full would cost a tenth of the throughput.
        await trio.lowlevel.checkpoint_if_cancelled()

    def _rtt_s(self) -> float:
        measured = self._tcp.rtt_s()
        if measured is None and self._greeting is not None:
            measured = self._greeting.rtt_s
        return measured or 0.0


async def _answer_pings(stream: Stream) -> None:
    try:
        while True:
            await stream.write(await stream.read_exactly(PING_BYTES))
    except TransportError:
        await stream.close_write()


def _frame_weight(item: Frame) -> int:
    return FRAME_OVERHEAD_BYTES + len(item[1])


def _outbox_weight(data: bytes) -> int:
    return 1 + len(data) // OUTBOX_LONG_BYTES
