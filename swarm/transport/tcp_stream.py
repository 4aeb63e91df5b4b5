"""A TCP socket as the layers above want it: buffered reads, counted bytes, and what the kernel knows of the way.

py-libp2p reads each Noise message with two system calls; here one system call feeds several. It also cannot be asked
what is stuck, so the counters and times that the watchdog, liveness and pacing look at are kept here.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from typing import Any

import trio

READ_BYTES = 256 * 1024
"""One system call's worth: four block frames. Larger reads were not measurably faster and fall out of the L2 cache."""

UNSENT_LOW_WATER_BYTES = 128 * 1024
"""The kernel takes no more while this much waits behind what is in flight, so that a grant is not queued behind a
megabyte of blocks. Two frames: less would leave the wire idle between wake-ups."""

_SIOCOUTQ = 0x5411
"""Linux: bytes written and not yet acknowledged (it has the number of TIOCOUTQ)."""

_TCP_INFO_MIN_RTT = struct.Struct("=I")
_TCP_INFO_MIN_RTT_OFFSET = 148
"""`tcpi_min_rtt` in Linux's `struct tcp_info` (4.6 and later), microseconds; all ones where not measured yet."""


class TcpStream:
    """What py-libp2p asks of a raw connection. A broken socket reads as end of file and writes as OSError."""

    def __init__(self, stream: trio.SocketStream, *, is_initiator: bool) -> None:
        self.is_initiator = is_initiator
        self.bytes_received = self.bytes_sent = 0
        self.last_received_at = self.last_sent_at = trio.current_time()
        self.is_writing = False
        self.is_closed = False
        self._socket = stream.socket
        self._room = bytearray(READ_BYTES)
        self._start = self._end = 0
        self._acknowledged, self._acknowledged_at = 0, self.last_sent_at
        _tune(self._socket)

    async def read(self, n: int | None = None) -> bytes:
        """At least one and at most `n` bytes; nothing at the end."""
        view = await self.read_view(READ_BYTES if n is None else n)
        return bytes(view)

    async def read_view(self, n: int) -> memoryview:
        """Like `read` without the copy: good until the next read."""
        if self._start == self._end and not await self._fill():
            return memoryview(b"")
        start = self._start
        self._start = min(start + n, self._end)
        return memoryview(self._room)[start : self._start]

    async def read_whole(self, n: int) -> memoryview:
        """Exactly `n` bytes (at most READ_BYTES), good until the next read; fewer only at the end."""
        if self._end - self._start < n:
            await self._gather(n)
        return await self.read_view(n)

    async def write(self, data: bytes) -> None:
        """Hands all of `data` to the kernel. Raises OSError where the connection is gone."""
        self.is_writing = True
        self.last_sent_at = trio.current_time()
        try:
            sent = await self._send(data)
            if sent < len(data):
                await self._send_rest(memoryview(data)[sent:])
        finally:
            self.is_writing = False

    async def close(self) -> None:
        self.abort()
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Closes at once; a reader or writer in mid-call wakes up."""
        self.is_closed = True
        self._socket.close()

    def stuck_s(self, now: float) -> float:
        """For how long, seen from regular looks, something was unsent and the other side has acknowledged nothing."""
        unsent = self.unsent_bytes()
        if unsent is None:
            return now - self.last_sent_at if self.is_writing else 0.0
        acknowledged = self.bytes_sent - unsent
        if unsent == 0 or acknowledged != self._acknowledged:
            self._acknowledged, self._acknowledged_at = acknowledged, now
        return now - self._acknowledged_at

    def unsent_bytes(self) -> int | None:
        """Bytes handed to the kernel that the other side has not acknowledged; None where the system does not say."""
        return _unsent_bytes(self._socket) if not self.is_closed else None

    def rtt_s(self) -> float | None:
        """The least round trip the kernel has lately seen: queues, ours too, left out. None where it does not say."""
        return _least_rtt_s(self._socket) if not self.is_closed else None

    def get_remote_address(self) -> tuple[str, int] | None:
        with contextlib.suppress(OSError):
            host, port, *_ = self._socket.getpeername()
            return str(host), int(port)
        return None

    def get_transport_addresses(self) -> list[Any]:
        return []

    async def _fill(self) -> bool:
        self._start = self._end = 0
        try:
            count = await self._socket.recv_into(self._room)
        except (OSError, trio.ClosedResourceError):
            count = 0
        self._received(count)
        return count > 0

    async def _gather(self, n: int) -> None:
        """Makes room at the front of what is there and reads until `n` bytes are together."""
        kept = self._end - self._start
        self._room[:kept] = self._room[self._start : self._end]
        self._start, self._end = 0, kept
        while self._end < n:
            try:
                count = await self._socket.recv_into(memoryview(self._room)[self._end :])
            except (OSError, trio.ClosedResourceError):
                count = 0
            self._received(count)
            if count == 0:
                return

    def _received(self, count: int) -> None:
        self._end += count
        if count:
            self.bytes_received += count
            self.last_received_at = trio.current_time()

    async def _send_rest(self, rest: memoryview) -> None:
        while rest:
            rest = rest[await self._send(rest) :]

    async def _send(self, data: bytes | memoryview) -> int:
        try:
            sent = await self._socket.send(data)
        except trio.ClosedResourceError as error:
            raise BrokenPipeError("the connection was closed here") from error
        self.bytes_sent += sent
        self.last_sent_at = trio.current_time()
        return sent


def _tune(sock: trio.socket.SocketType) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_LOW_WATER_BYTES)


def _unsent_bytes(sock: trio.socket.SocketType) -> int | None:
    if sys.platform != "linux":
        return None
    import fcntl  # noqa: PLC0415 - not on every system

    try:
        return int(struct.unpack("=i", fcntl.ioctl(sock.fileno(), _SIOCOUTQ, b"\0\0\0\0"))[0])
    except OSError:
        return None


def _least_rtt_s(sock: trio.socket.SocketType) -> float | None:
    if sys.platform != "linux":
        return None
    end = _TCP_INFO_MIN_RTT_OFFSET + _TCP_INFO_MIN_RTT.size
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, end)
    except OSError:
        return None
    if len(info) < end:
        return None
    (microseconds,) = _TCP_INFO_MIN_RTT.unpack_from(info, _TCP_INFO_MIN_RTT_OFFSET)
    return None if microseconds == 0xFFFFFFFF else microseconds / 1e6
