"""One yamux stream, read in pieces and written in whole frames. The window is ours to open, not yamux's to guess."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import trio

from swarm.errors import TransportError
from swarm.protocol.frames import FRAME_BYTES_MAX
from swarm.transport.chunk_buffer import Piece
from swarm.transport.libp2p_parts import DEFAULT_WINDOW_SIZE, TYPE_DATA, YAMUX_HEADER_FORMAT, BaseLibp2pError
from swarm.transport.quick_lock import QuickLock

READ_BYTES = 4 * FRAME_BYTES_MAX
"""One read's worth: what comes in one system call, so that reading and decrypting take turns."""

WINDOW_BYTES = 8 * 1024 * 1024
"""What the other side may send ahead of our reading: the product of delay and rate of 1 Gbit/s at 64 ms. yamux's own
tuning starts at 256 KiB and takes 1 ms for the round trip: at 50 ms it would hold a stream to 5 MiB/s."""

UPDATE_BYTES = WINDOW_BYTES // 4
"""Taken before the window is opened again: a message of its own for every read costs as much as the read."""

UPDATE_S = 1.0
"""Who takes slowly, for a rate limit or a slow disk, opens it as often as this all the same: who sends waits and sees
that it goes on."""

CLOSED_S = 60.0
"""A window that stays closed for so long will not open again: far longer than a limit of 10 KB/s needs for a frame."""

LOOK_S = 0.01
"""How often a closed window is looked at; the library tells nobody that it was opened."""

OVERRUN_BYTES = 1024 * 1024
UNREAD_BYTES_MAX = WINDOW_BYTES + OVERRUN_BYTES
"""yamux does not enforce its windows: a peer that ignores them would fill our memory."""

_HEADER = struct.Struct(YAMUX_HEADER_FORMAT)


class Sink(Protocol):
    """Where a stream may pour what comes, in order and in the turn of whoever reads the connection."""

    @property
    def has_room(self) -> bool: ...

    def take(self, piece: Piece) -> None:
        """Raises TransportError where it cannot be understood: then the connection ends."""


class Stream:
    """Ends as empty reads, faults as TransportError.

    Neither `read` nor `write` may be cancelled on a connection that is to live on: a write leaves half a message on the
    wire, a read may have taken bytes and lost them.
    """

    def __init__(self, muxed: Any) -> None:
        self._muxed = muxed
        self._connection = muxed.conn
        self._window = DEFAULT_WINDOW_SIZE
        self._rest: Piece = b""
        self._position = 0
        self._sink: Sink | None = None
        self._held: deque[Piece] = deque()
        self._held_bytes = 0
        self._opened_at = float("-inf")
        self._emptied = trio.lowlevel.ParkingLot()
        muxed.window_lock = QuickLock()

    async def read(self) -> list[Piece]:
        """What has arrived, about READ_BYTES of it, in the pieces it came in; nothing at the end.

        A killed peer and an end in order look alike in yamux: what was whole, the layers above know.
        """
        if self._position < len(self._rest):
            rest = memoryview(self._rest)[self._position :]
            self._rest, self._position = b"", 0
            return [rest]
        number, connection = self._muxed.stream_id, self._connection
        while not (buffer := connection.stream_buffers.get(number)):
            if self._has_ended():
                return []
            await self._wait_for_news()
        pieces: list[Piece] = buffer.take(READ_BYTES)
        self._window -= sum(map(len, pieces))
        await self._open_window()
        return pieces

    async def read_exactly(self, n: int) -> bytes:
        """Exactly `n` bytes; memory grows with what arrives, not with `n`. Raises TransportError at the end."""
        gathered = bytearray()
        while len(self._rest) - self._position + len(gathered) < n:
            pieces = await self.read()
            if not pieces:
                raise TransportError("the connection has ended")
            for piece in pieces:
                gathered += piece
        if gathered:
            self._rest, self._position = bytes(gathered), 0
        start, self._position = self._position, self._position + n
        return bytes(self._rest[start : self._position])

    async def pour(self, sink: Sink) -> None:
        """Gives everything that comes from now on to `sink`, until the end of the stream.

        While the sink has no room it is held here: `resume` goes on. Raises TransportError where it was broken off.
        """
        number, connection = self._muxed.stream_id, self._connection
        rest, self._rest, self._position = memoryview(self._rest)[self._position :], b"", 0
        self._sink = sink
        if rest:
            self._hold(rest)
        self.resume()
        connection.secured_conn.divert(number, self._arrived)
        if buffer := connection.stream_buffers.get(number):
            for piece in buffer.take(UNREAD_BYTES_MAX):
                self._arrived(piece)
        while not self._has_ended():
            if self._is_window_due():
                await self._open_window()
            else:
                await self._wait_for_news()
        while self._held:
            await self._emptied.park()

    def resume(self) -> None:
        """The sink has room again."""
        assert self._sink is not None
        while self._held and self._sink.has_room:
            piece = self._held.popleft()
            self._held_bytes -= len(piece)
            self._sink.take(piece)
        if not self._held:
            self._emptied.unpark_all()
        if self._is_window_due() and (news := self._connection.stream_events.get(self._muxed.stream_id)) is not None:
            news.set()

    async def write(self, *parts: Piece) -> None:
        """Returns when the kernel has all of it; at most FRAME_BYTES_MAX become one message. Raises TransportError."""
        size = sum(map(len, parts))
        if size <= FRAME_BYTES_MAX:
            await self._write_one(parts, size)
            return
        whole = memoryview(b"".join(parts))
        for start in range(0, size, FRAME_BYTES_MAX):
            piece = whole[start : start + FRAME_BYTES_MAX]
            await self._write_one((piece,), len(piece))

    async def await_window(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Until the other side would take a frame, or `is_over`. Raises TransportError where it never does.

        The library's own writer gives up after five seconds, which a rate limit at the other end may well take.
        """
        closed_at: float | None = None
        while self._muxed.send_window < FRAME_BYTES_MAX and not self._muxed.send_closed and not is_over():
            closed_at = closed_at or trio.current_time()
            if trio.current_time() - closed_at > CLOSED_S:
                raise TransportError(f"the other side took nothing of a stream for {CLOSED_S:.0f} s")
            await trio.sleep(LOOK_S)

    async def close_write(self) -> None:
        """Says that nothing more follows."""
        try:
            await self._muxed.close()
        except (BaseLibp2pError, OSError) as error:
            raise TransportError(f"the connection has ended: {reason(error)}") from error

    async def reset(self) -> None:
        """Ends both directions at once; the connection goes on. Raises TransportError."""
        try:
            await self._muxed.reset()
        except (BaseLibp2pError, OSError) as error:
            raise TransportError(f"the connection has ended: {reason(error)}") from error

    async def _write_one(self, parts: tuple[Piece, ...], size: int) -> None:
        """What yamux's `write` does, without its five locks and three copies."""
        await self.await_window()
        if self._muxed.send_closed:
            raise TransportError("the connection has ended: the stream is closed for sending")
        self._muxed.send_window -= size
        data = b"".join((_HEADER.pack(0, TYPE_DATA, 0, self._muxed.stream_id, size), *parts))
        try:
            async with self._connection._write_lock:
                await self._connection.secured_conn.write(data)
        except (BaseLibp2pError, OSError) as error:
            raise TransportError(f"the connection has ended: {reason(error)}") from error

    def _arrived(self, piece: Piece) -> None:
        """In the turn of whoever reads the connection. Raises TransportError where the window was ignored."""
        self._window -= len(piece)
        if self._window < -OVERRUN_BYTES:
            raise TransportError("the other side sends more than it may")
        self._hold(piece)
        if len(self._held) == 1:
            self.resume()

    def _hold(self, piece: Piece) -> None:
        self._held.append(piece)
        self._held_bytes += len(piece)

    def _has_ended(self) -> bool:
        """Whether nothing more comes. Raises TransportError where the stream was broken off."""
        muxed, connection = self._muxed, self._connection
        if muxed.reset_received and not connection.event_shutting_down.is_set():
            raise TransportError("the other side broke off a stream")
        return muxed.recv_closed or muxed.closed or muxed.stream_id not in connection.stream_events

    async def _wait_for_news(self) -> None:
        number, events = self._muxed.stream_id, self._connection.stream_events
        await events[number].wait()
        if number in events:  # it goes with the stream
            events[number] = trio.Event()

    def _is_window_due(self) -> bool:
        """Opened again once it is worth a message; after the hello, to its full width."""
        room = self._room()
        is_slow = bool(self._held) and room > 0
        return room >= UPDATE_BYTES or (is_slow and trio.current_time() - self._opened_at >= UPDATE_S)

    def _room(self) -> int:
        """What the other side may send beyond what it was told: what is held here is not yet taken."""
        return WINDOW_BYTES - self._held_bytes - self._window

    async def _open_window(self) -> None:
        if not self._is_window_due():
            return
        increment = self._room()
        self._window += increment
        self._opened_at = trio.current_time()
        self._muxed.recv_window += increment
        try:
            await self._muxed.send_window_update(increment)
        except (BaseLibp2pError, OSError):
            # The way back is gone. What has come counts, and the next read sees the end.
            return


def reason(error: BaseException) -> str:
    """The innermost sentence of an exception: the outer ones say 'failed'."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
