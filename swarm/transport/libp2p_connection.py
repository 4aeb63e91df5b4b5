"""One connection over py-libp2p: a control stream, a block stream, the tasks that read and write them, and its end.

The user never touches a stream: tasks of the connection do, and are cancelled only when it ends, because a read or a
write cut short would corrupt what is shared by all streams. The user waits on mailboxes and may give up at any moment.
Whoever breaks the protocol is closed with a reason. Nothing here decides anything about blocks.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import trio

from swarm.errors import InternalError, TransportError
from swarm.protocol.frames import PAYLOAD_MAX, FrameHeader
from swarm.protocol.ids import ConnectionId, PeerId
from swarm.protocol.messages import Direction, Hello, Message
from swarm.transport import multistream
from swarm.transport.block_channel import BlockChannel
from swarm.transport.control_channel import OUTBOX_FULL, ControlChannel
from swarm.transport.frame_splitter import Frame
from swarm.transport.hello import HELLO_TIMEOUT_S, Greeting, Identity, greet_as_acceptor, greet_as_dialer
from swarm.transport.message_stream import MessageStream
from swarm.transport.transport import ConnectionStatistics

if TYPE_CHECKING:
    from swarm.transport.libp2p_session import Session
    from swarm.transport.libp2p_stream import Stream

CONTROL = "/swarm/control/1"
BLOCKS = "/swarm/blocks/1"
PING = "/ipfs/ping/1.0.0"

STUCK_S = 5.0
"""Where the other side acknowledges no byte for so long it is gone; the writer cannot know, the watchdog can."""

GRACE_S = 2.0
"""How long a graceful end may take."""

REFUSAL_S = 1.0
"""How long a refused dialer may take to read why."""

STREAMS_MAX = 8
"""Streams that are open at once: ours are two, and a foreign libp2p peer's services ask for a few more in vain."""

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
        self._control_stream: Stream | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self._streams_open = 0
        self._control = ControlChannel(self._heard_goodbye)
        self._blocks = BlockChannel(session.tcp)
        session.intake.on_fault = self._end_by_fault

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

    def send_nowait(self, message: Message) -> None:
        if self._ended is not None:
            raise TransportError(self._ended)
        try:
            self._control.send_nowait(message)
        except TransportError as error:
            if error.message == OUTBOX_FULL:
                self.end(OUTBOX_FULL)
            raise

    async def receive(self) -> Message:
        return await self._control.receive()

    async def send_frame(self, header: FrameHeader, payload: bytes | memoryview) -> None:
        if not self.sends_blocks or not header.length == len(payload) <= PAYLOAD_MAX:
            raise InternalError("a block frame that this connection may not carry")
        try:
            await self._blocks.send(header, payload)
        except TransportError as error:
            self.end(error.message)
            # The first reason says more than the closed socket that a writer then meets.
            raise TransportError(self._ended or error.message) from error

    async def receive_frame(self) -> tuple[FrameHeader, bytes | memoryview]:
        return await self._blocks.receive()

    def hand_to(
        self, messages: Callable[[Message], bool] | None, frames: Callable[[Frame], bool] | None = None
    ) -> None:
        self._control.hand_to(messages)
        self._blocks.hand_to(frames)

    async def aclose(self, reason: str, *, is_graceful: bool = False) -> None:
        try:
            if is_graceful and self._ended is None and self._greeting is not None:
                with trio.move_on_after(GRACE_S):
                    await self._part(reason)
        except TransportError:
            # It has ended by itself meanwhile, which was the aim.
            pass
        finally:
            self.end(reason)
        await trio.lowlevel.checkpoint()

    def statistics(self) -> ConnectionStatistics:
        tcp = self._tcp
        measured_s = self._greeting.rtt_s if self._greeting is not None else None
        return ConnectionStatistics(
            bytes_received=tcp.bytes_received,
            bytes_sent=tcp.bytes_sent,
            last_received_at=tcp.last_received_at,
            last_sent_at=tcp.last_sent_at,
            rtt_s=tcp.rtt_s() or measured_s or 0.0,
        )

    # --- opening ------------------------------------------------------------------------------------

    async def greet_as_dialer(self, identity: Identity, direction: Direction, dial_nonce: bytes | None) -> None:
        """Opens the streams and says hello. Raises TransportError; the caller then ends the connection."""
        if direction is not Direction.CONTROL:
            # Beside the control stream, for a round trip less.
            self._start(self._open_blocks)
        with trio.move_on_after(HELLO_TIMEOUT_S):
            self._control_stream = await self._session.open_stream(CONTROL)
        control = MessageStream(self._require_control())
        self._opened(await greet_as_dialer(control, identity, self.peer_id, direction, dial_nonce))

    async def greet_as_acceptor(self, identity: Identity) -> None:
        """Waits for the control stream, answers the hello. Raises TransportError; the caller ends the connection."""
        with trio.move_on_after(HELLO_TIMEOUT_S):
            while self._control_stream is None and self._ended is None:
                await self._changed.park()
        control = MessageStream(self._require_control())
        self._opened(await greet_as_acceptor(control, identity, self.peer_id))

    async def linger(self) -> None:
        """Lets a refused dialer read the reason: it closes when it has."""
        with trio.move_on_after(REFUSAL_S):
            while self._ended is None:
                await self._changed.park()

    # --- life and end -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Everything the connection does, until it ends. Raises nothing but a cancellation."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._tasks = nursery
                    self._start(self._run_session)
                    self._start(self._accept_streams)
                    self.is_running.set()
        finally:
            self.end("the program is ending")

    def end(self, reason: str) -> None:
        """Ends it now: the socket is closed, everybody who waits is told `reason`. The first reason stays."""
        if self._ended is not None:
            return
        # What both sides have agreed on says more than the closed socket that follows.
        self._ended = reason = self._control.parting or reason
        self._tcp.abort()
        self._control.end(reason)
        self._blocks.end(reason)
        self._changed.unpark_all()
        self._scope.cancel()
        self._on_end(self)

    def look(self, now: float) -> None:
        """The watchdog's look, several times a second: ends what can no longer end by itself."""
        self._tcp.see_to_slow(now)
        if self._tcp.stuck_s(now) > STUCK_S:
            self.end(f"the other side took no byte for {STUCK_S:.0f} s")
        elif self._session.is_flooded():
            self.end("the other side sends more than it may")

    def _start(self, task: Callable[[], Awaitable[None]]) -> None:
        if self._tasks is None or self._ended is not None:
            raise TransportError(self._ended or "the connection has not begun")
        self._tasks.start_soon(self._guard, task)

    async def _guard(self, task: Callable[[], Awaitable[None]]) -> None:
        """A task's outer edge: whatever it raises ends this connection and nothing else."""
        try:
            await task()
        except TransportError as error:
            self.end(error.message)
        except Exception:  # a defect, ours or the library's: it must not end the host
            log.exception("a task of the connection with %s failed", self.peer_id)
            self.end("internal error")

    def _end_by_fault(self, error: Exception) -> None:
        """What was read could not be understood, or met a defect of whoever was told: yamux would only see an end."""
        if not isinstance(error, TransportError):
            log.error("what came from %s met a defect", self.peer_id, exc_info=error)
        self.end(error.message if isinstance(error, TransportError) else "internal error")

    async def _run_session(self) -> None:
        await self._session.run()
        self.end("the other side closed the connection")

    def _opened(self, greeting: Greeting) -> None:
        """From here on the connection is its user's."""
        self._greeting = greeting
        control = self._require_control()
        self._start(partial(self._control.read, control))
        self._start(partial(self._control.write, MessageStream(control)))
        if self._blocks.is_attached:
            self._start_blocks()

    # --- streams ------------------------------------------------------------------------------------

    async def _accept_streams(self) -> None:
        while True:
            stream = await self._session.accept_stream()
            self._streams_open += 1
            if self._streams_open > STREAMS_MAX:
                raise TransportError(f"the other side opened more than {STREAMS_MAX} streams")
            self._start(partial(self._serve_stream, stream))

    async def _serve_stream(self, stream: Stream) -> None:
        protocol = await self._agree(stream)
        if protocol is None or protocol == PING:
            if protocol == PING:
                await _answer_pings(stream)
            self._streams_open -= 1
        else:
            self._take_stream(protocol, stream)

    async def _agree(self, stream: Stream) -> str | None:
        """The protocol of a stream, or None where the other side wants what is not here."""
        with trio.move_on_after(HELLO_TIMEOUT_S):
            try:
                return await multistream.answer(stream, (CONTROL, BLOCKS, PING))
            except TransportError:
                # Foreign peers ask for services that are not here and go away; that is no fault.
                await self._session.drop_stream(stream)
                return None
        raise TransportError("the other side opened a stream and asked for nothing")

    def _take_stream(self, protocol: str, stream: Stream) -> None:
        is_taken = self._control_stream is not None if protocol == CONTROL else self._blocks.is_attached
        if self.is_dialer or is_taken:
            raise TransportError(f"the other side opened a {protocol} stream that it may not open")
        if protocol == CONTROL:
            self._control_stream = stream
            self._changed.unpark_all()
        else:
            self._attach_blocks(stream)

    async def _open_blocks(self) -> None:
        self._attach_blocks(await self._session.open_stream(BLOCKS))

    def _attach_blocks(self, stream: Stream) -> None:
        self._blocks.attach(stream)
        if self._greeting is not None:
            self._start_blocks()

    def _start_blocks(self) -> None:
        if self.direction is Direction.CONTROL:
            raise TransportError("the other side opened a block stream on a connection that carries no blocks")
        self._start(self._blocks.refuse if self.sends_blocks else self._blocks.read)

    def _require_control(self) -> Stream:
        if self._control_stream is None:
            reason = f"{self.peer_id} opened no control stream within {HELLO_TIMEOUT_S:.0f} s"
            raise TransportError(self._ended or reason)
        return self._control_stream

    # --- parting ------------------------------------------------------------------------------------

    async def _part(self, reason: str) -> None:
        if self.sends_blocks:
            await self._blocks.close_write()
        await self._control.part(reason)

    def _heard_goodbye(self) -> None:
        self._start(self._acknowledge_goodbye)

    async def _acknowledge_goodbye(self) -> None:
        """Once everything was read: the messages before it were, and the block stream is, to its end."""
        if not self.sends_blocks and self._blocks.is_attached:
            await self._blocks.has_been_read_whole.wait()
        self._control.acknowledge_goodbye()


async def _answer_pings(stream: Stream) -> None:
    try:
        while True:
            await stream.write(await stream.read_exactly(PING_BYTES))
    except TransportError:
        await stream.close_write()
