"""One yamux stream, read in pieces and written in whole frames. The window is ours to open, not yamux's to guess."""

from __future__ import annotations

import struct
from typing import Any

import trio

from swarm.errors import TransportError
from swarm.protocol.frames import FRAME_BYTES_MAX
from swarm.transport.chunk_buffer import Piece
from swarm.transport.libp2p_parts import DEFAULT_WINDOW_SIZE, TYPE_DATA, YAMUX_HEADER_FORMAT, BaseLibp2pError
from swarm.transport.quick_lock import QuickLock, QuickReadWriteLock

READ_BYTES = 4 * FRAME_BYTES_MAX
"""One read's worth: what comes in one system call, so that reading and decrypting take turns."""

WINDOW_BYTES = 8 * 1024 * 1024
"""What the other side may send ahead of our reading: the product of delay and rate of 1 Gbit/s at 64 ms. yamux's own
tuning starts at 256 KiB and takes 1 ms for the round trip: at 50 ms it would hold a stream to 5 MiB/s."""

UPDATE_BYTES = WINDOW_BYTES // 4
"""Read before the window is opened again: a message of its own for every read costs as much as the read."""

UNREAD_BYTES_MAX = WINDOW_BYTES + 1024 * 1024
"""yamux does not enforce its windows: a peer that ignores them would fill our memory."""

_HEADER = struct.Struct(YAMUX_HEADER_FORMAT)


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
        muxed.window_lock = QuickLock()
        muxed.rw_lock = QuickReadWriteLock()

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
            arrived = connection.stream_events.get(number)
            if self._muxed.reset_received and not connection.event_shutting_down.is_set():
                raise TransportError("the other side broke off a stream")
            if arrived is None or self._muxed.recv_closed or self._muxed.closed:
                return []
            await arrived.wait()
            connection.stream_events[number] = trio.Event()
        pieces: list[Piece] = buffer.take(READ_BYTES)
        await self._acknowledge(sum(map(len, pieces)))
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

    async def write(self, *parts: Piece) -> None:
        """Returns when the kernel has all of it; at most FRAME_BYTES_MAX become one message. Raises TransportError."""
        try:
            size = sum(map(len, parts))
            if size <= min(FRAME_BYTES_MAX, self._muxed.send_window) and not self._muxed.send_closed:
                await self._write_one(parts, size)
            else:
                await self._muxed.write(b"".join(parts))
        except (BaseLibp2pError, OSError) as error:
            raise TransportError(f"the connection has ended: {reason(error)}") from error

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
        """What yamux's `write` does where the window has room, without its five locks and three copies."""
        self._muxed.send_window -= size
        data = b"".join((_HEADER.pack(0, TYPE_DATA, 0, self._muxed.stream_id, size), *parts))
        async with self._connection._write_lock:
            await self._connection.secured_conn.write(data)

    async def _acknowledge(self, size: int) -> None:
        """Opens the window again once it is worth a message; at the first read, to its full width."""
        self._window -= size
        increment = WINDOW_BYTES - self._window
        if increment < UPDATE_BYTES:
            return
        self._window = WINDOW_BYTES
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
