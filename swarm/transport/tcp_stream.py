"""A TCP socket as the layers above want it: buffered reads, counted bytes, and what the kernel knows of the way.

py-libp2p reads each Noise message with two system calls; here one system call feeds several. It also cannot be asked
what is stuck, so the counters and times that the watchdog, liveness and pacing look at are kept here.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any

import trio

READ_BYTES = 256 * 1024
"""One system call's worth: four block frames. Larger reads were not measurably faster and fall out of the L2 cache."""

READ_BYTES_MIN = 8 * 1024
"""The room of a connection that carries only control messages: a tracker has a thousand of them."""

YIELD_BYTES = 256 * 1024
"""A sender whose socket always has room, or a reader whose socket always has data, lets the others run after so much:
half a millisecond's work."""

UNSENT_LOW_WATER_BYTES = 128 * 1024
"""The kernel takes no more while this much waits behind what is in flight, so that a grant is not queued behind a
megabyte of blocks. Two frames: less would leave the wire idle between wake-ups."""

LOW_WATER_S = 0.05
"""In the middle of a message the kernel wakes us for so much time's worth of bytes, or for the rest of the message. It
else does for every packet: on a link of 50 Mbit/s that was four fifths of a fetch's CPU."""

LOOK_S = 1.0
"""Where the other side slows down meanwhile, what has come is seen after about so long, in the watchdog's next look:
silence of 5 s counts as death."""

RATE_S = 0.1
"""The rate for the above is measured over so long."""

_SIOCOUTQ = 0x5411
"""Linux: bytes written and not yet acknowledged (it has the number of TIOCOUTQ)."""

_TCP_INFO_MIN_RTT = struct.Struct("=I")
_TCP_INFO_MIN_RTT_OFFSET = 148
"""`tcpi_min_rtt` in Linux's `struct tcp_info` (4.6 and later), microseconds; all ones where not measured yet."""


class TcpStream:
    """What py-libp2p asks of a raw connection. A broken socket reads as end of file and writes as OSError."""

    def __init__(self, stream: trio.SocketStream, *, is_initiator: bool) -> None:
        """Takes the socket over: `stream` is of no use afterwards."""
        self.is_initiator = is_initiator
        self.bytes_received = self.bytes_sent = 0
        self.last_received_at = self.last_sent_at = trio.current_time()
        self.is_writing = False
        self.is_closed = False
        # trio's socket yields to the scheduler around every call; one that is used directly yields when it must wait.
        self._socket = socket.socket(fileno=stream.socket.detach())
        self._socket.setblocking(False)
        self._view = memoryview(bytearray(READ_BYTES_MIN))
        self._start = self._end = 0
        self._is_room_short = False
        self._unyielded = self._unyielded_in = 0
        self._acknowledged, self._acknowledged_at = 0, self.last_sent_at
        self._low_water = 1
        self._rate_bytes_per_s = 0.0
        self._rated_bytes, self._rated_at = 0, self.last_received_at
        _tune(self._socket)

    async def read(self, n: int | None = None) -> bytes:
        """At least one and at most `n` bytes; nothing at the end."""
        return bytes(await self.read_view(READ_BYTES if n is None else n))

    async def read_view(self, n: int) -> memoryview:
        """Like `read` without the copy: good until the next read."""
        if self._start == self._end:
            await self._gather(1)
        start = self._start
        self._start = min(start + n, self._end)
        return self._view[start : self._start]

    async def read_whole(self, n: int) -> memoryview:
        """Exactly `n` bytes (at most READ_BYTES), good until the next read; fewer only at the end."""
        if self._end - self._start < n:
            await self._gather(n)
        return await self.read_view(n)

    async def write(self, *parts: bytes) -> None:
        """Hands all of it to the kernel. Raises OSError where the connection is gone."""
        self.is_writing = True
        self.last_sent_at = trio.current_time()
        try:
            sent = await self._send(parts)
            if sent < sum(map(len, parts)):
                await self._send_rest(memoryview(b"".join(parts))[sent:])
        finally:
            self.is_writing = False

    async def close(self) -> None:
        self.abort()
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Closes at once; a reader or writer in mid-call wakes up."""
        if not self.is_closed:
            self.is_closed = True
            trio.lowlevel.notify_closing(self._socket.fileno())
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

    async def _gather(self, n: int) -> None:
        """Makes room at the front of what is there and reads until `n` bytes are together, or the end."""
        self._make_room(n)
        is_first = True
        while self._end < n:
            if not is_first:
                # What comes meanwhile comes in single packets: it is left until there is enough of it.
                await self._wait_readable(n - self._end)
            is_first = False
            count = await self._receive(n - self._end)
            if count == 0:
                return
            self._end += count
            self._is_room_short = self._end == len(self._view)
            self._received(count)
            if self._unyielded_in >= YIELD_BYTES:
                # Data that never stops coming must not keep others from running.
                self._unyielded_in = 0
                await trio.lowlevel.checkpoint()

    def _make_room(self, n: int) -> None:
        kept, room = self._view[self._start : self._end], self._view
        if n > len(room) or (self._is_room_short and len(room) < READ_BYTES):
            room = memoryview(bytearray(READ_BYTES))
        room[: len(kept)] = kept
        self._view, self._start, self._end, self._is_room_short = room, 0, len(kept), False

    async def _receive(self, wanted: int) -> int:
        """Bytes added to the room; 0 at the end, whatever has brought it. There is no use in fewer than `wanted`."""
        while True:
            try:
                return self._socket.recv_into(self._view[self._end :])
            except BlockingIOError:
                pass
            except OSError:
                return 0
            await self._wait_readable(wanted)

    async def _wait_readable(self, wanted: int) -> None:
        """Until about `wanted` bytes are there, as far as the rate lets hope for them soon, or the end."""
        # A closed socket is found out by the read that follows.
        with contextlib.suppress(OSError, trio.ClosedResourceError):
            self._set_low_water(max(1, min(wanted, int(self._rate_bytes_per_s * LOW_WATER_S))))
            self._unyielded_in = 0
            await trio.lowlevel.wait_readable(self._socket.fileno())

    def _set_low_water(self, low_water: int) -> None:
        if low_water != self._low_water:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low_water)
            self._low_water = low_water

    def see_to_slow(self, now: float) -> None:
        """For the watchdog: where too few bytes have come for a while to wake the reader, it gets those that have."""
        if self._low_water > 1 and now - self.last_received_at > LOOK_S and not self.is_closed:
            self._rate_bytes_per_s = 0.0
            with contextlib.suppress(OSError):
                self._set_low_water(1)

    def _received(self, count: int) -> None:
        self.bytes_received += count
        self._unyielded_in += count
        self.last_received_at = now = trio.current_time()
        if now - self._rated_at >= RATE_S:
            self._rate_bytes_per_s = (self.bytes_received - self._rated_bytes) / (now - self._rated_at)
            self._rated_bytes, self._rated_at = self.bytes_received, now

    async def _send(self, parts: Sequence[bytes | memoryview]) -> int:
        """Hands over what the kernel takes, at least one byte."""
        while True:
            try:
                sent = self._socket.sendmsg(parts)
            except BlockingIOError:
                await self._wait_writable()
            else:
                self.bytes_sent += sent
                self.last_sent_at = trio.current_time()
                await self._yield_after(sent)
                return sent

    async def _send_rest(self, rest: memoryview) -> None:
        while rest:
            rest = rest[await self._send((rest,)) :]

    async def _wait_writable(self) -> None:
        self._unyielded = 0
        try:
            await trio.lowlevel.wait_writable(self._socket.fileno())
        except (trio.ClosedResourceError, OSError) as error:
            raise BrokenPipeError("the connection was closed here") from error

    async def _yield_after(self, sent: int) -> None:
        self._unyielded += sent
        if self._unyielded >= YIELD_BYTES:
            self._unyielded = 0
            await trio.lowlevel.checkpoint()


def _tune(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_LOW_WATER_BYTES)


def _unsent_bytes(sock: socket.socket) -> int | None:
    if sys.platform != "linux":
        return None
    import fcntl  # noqa: PLC0415 - not on every system

    try:
        return int(struct.unpack("=i", fcntl.ioctl(sock.fileno(), _SIOCOUTQ, b"\0\0\0\0"))[0])
    except OSError:
        return None


def _least_rtt_s(sock: socket.socket) -> float | None:
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
