"""One direction of a connection in memory: what was posted arrives in order, after a while, and waits to be taken.

Time is computed, not spent: each item knows when it arrives, and a taker sleeps until the first one does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from swarm.errors import TransportError
from swarm.protocol.codec import encode_message
from swarm.protocol.frames import HEADER_BYTES, FrameHeader
from swarm.protocol.ids import PeerId
from swarm.protocol.messages import Message
from swarm.transport.transport import OUTBOX_MESSAGES

WINDOW_BYTES = 4 * 1024 * 1024
"""Frames on their way or not yet taken: what a real connection holds in sockets and windows before its writer waits."""

Frame = tuple[FrameHeader, bytes]


class Medium(Protocol):
    """What a link asks of its network."""

    latency_s: float

    def is_frozen(self, source: PeerId, target: PeerId) -> bool: ...


class Uplink:
    """All links of one host leave through it, one byte after the other."""

    def __init__(self, bytes_per_s: float) -> None:
        self.bytes_per_s = bytes_per_s
        self._free_at = -math.inf

    def depart(self, size: int, now: float) -> float:
        """When the last of `size` bytes has left."""
        self._free_at = max(self._free_at, now) + size / self.bytes_per_s
        return self._free_at


@dataclass(slots=True)
class _Flight:
    arrives_at: float
    size: int
    item: Message | Frame


class Link:
    """Bytes posted by `source` and taken by `target`. `on_end` is told once."""

    def __init__(
        self, medium: Medium, uplink: Uplink, source: PeerId, target: PeerId, on_end: Callable[[Link], None]
    ) -> None:
        self._changed = trio.lowlevel.ParkingLot()
        self.bytes_posted = self.bytes_arrived = 0
        self.last_posted_at = self.last_arrived_at = trio.current_time()
        self._medium, self._uplink = medium, uplink
        self._source, self._target = source, target
        self._on_end = on_end
        self._flying: deque[_Flight] = deque()
        self._messages: deque[Message] = deque()
        self._frames: deque[Frame] = deque()
        self._messages_flying = 0
        self._frame_bytes = 0
        self._ended: str | None = None

    def joins(self, peer_id: PeerId, other: PeerId | None) -> bool:
        ends = {self._source, self._target}
        return peer_id in ends and (other is None or other in ends)

    def latency_s(self) -> float:
        return self._medium.latency_s

    def post_message(self, message: Message) -> bool:
        """False where too many wait. Raises TransportError on a link that has ended."""
        self._check_living()
        if self._messages_flying + len(self._messages) >= OUTBOX_MESSAGES:
            return False
        self._messages_flying += 1
        self._post(message, len(encode_message(message)))
        return True

    def post_frame(self, header: FrameHeader, payload: bytes) -> None:
        """Raises TransportError on a link that has ended."""
        self._check_living()
        self._frame_bytes += len(payload)
        self._post((header, payload), HEADER_BYTES + len(payload))

    async def wait_for_room(self) -> None:
        """Until the window has room for a frame, or the link has ended."""
        await trio.lowlevel.checkpoint()
        while self._frame_bytes >= WINDOW_BYTES and self._ended is None:
            await self._changed.park()

    async def wait_until_arrived(self) -> None:
        """Until everything posted has arrived and the other side could have said so."""
        await trio.lowlevel.checkpoint()
        self.settle()
        while self._flying and self._ended is None:
            await self._wait()
            self.settle()
        await trio.sleep(self.latency_s())

    async def take_message(self) -> Message:
        """The next message; TransportError once the link has ended and everything that arrived was taken."""
        await self._wait_for(self._messages)
        return self._messages.popleft()

    async def take_frame(self) -> Frame:
        """The next frame; ends like `take_message`."""
        await self._wait_for(self._frames)
        header, payload = self._frames.popleft()
        self._frame_bytes -= len(payload)
        self._changed.unpark_all()
        return header, payload

    def end(self, reason: str, *, discards: bool = True) -> None:
        """Nothing more is posted; what is still flying is lost unless `discards` is false."""
        if self._ended is not None:
            return
        self.settle()
        if discards:
            self._flying.clear()
        self._ended = reason
        self._on_end(self)
        self._changed.unpark_all()

    def thaw(self) -> None:
        """What would have arrived while the link was frozen arrives now."""
        now = trio.current_time()
        for flight in self._flying:
            flight.arrives_at = max(flight.arrives_at, now)
        self._changed.unpark_all()

    def settle(self) -> None:
        """Moves what has arrived by now to where it is taken from."""
        now = trio.current_time()
        while self._flying and self._next_arrival() <= now:
            flight = self._flying.popleft()
            self.bytes_arrived += flight.size
            self.last_arrived_at = flight.arrives_at
            if isinstance(flight.item, tuple):
                self._frames.append(flight.item)
            else:
                self._messages_flying -= 1
                self._messages.append(flight.item)

    def _post(self, item: Message | Frame, size: int) -> None:
        now = trio.current_time()
        self.bytes_posted += size
        self.last_posted_at = now
        self._flying.append(_Flight(self._uplink.depart(size, now) + self.latency_s(), size, item))
        self._changed.unpark_all()

    async def _wait_for(self, queue: deque[Message] | deque[Frame]) -> None:
        await trio.lowlevel.checkpoint()
        self.settle()
        while not queue:
            if self._ended is not None and not self._flying:
                raise TransportError(self._ended)
            await self._wait()
            self.settle()

    async def _wait(self) -> None:
        with trio.move_on_at(self._next_arrival()):
            await self._changed.park()

    def _next_arrival(self) -> float:
        if not self._flying or self._medium.is_frozen(self._source, self._target):
            return math.inf
        return self._flying[0].arrives_at

    def _check_living(self) -> None:
        if self._ended is not None:
            raise TransportError(self._ended)
