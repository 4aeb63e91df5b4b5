"""What the agent and the tracker need of a network: messages and block frames, not streams.

Implementations: `memory` (one process, tests), `libp2p_host` (the real one). A connection exists for its user only
after both hellos (and, where a secret is set, both proofs) were found valid. One contract suite runs on both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from swarm.protocol.frames import FrameHeader
from swarm.protocol.ids import ConnectionId, PeerId
from swarm.protocol.messages import Direction, Hello, Message

OUTBOX_MESSAGES = 4096
"""A control message is small and read at once; who lets this many pile up is dead or hostile."""


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """A snapshot: bytes since the connection began, and the times (`trio.current_time`) at which bytes last moved.

    `rtt_s` is the least lately seen, without the queues that bulk makes; 0.0 where nothing was measured yet.
    """

    bytes_received: int
    bytes_sent: int
    last_received_at: float
    last_sent_at: float
    rtt_s: float


class Connection(Protocol):
    """One connection to one peer. Blocks flow one way on it (`direction`); messages flow both ways."""

    @property
    def id(self) -> ConnectionId: ...
    @property
    def remote(self) -> Hello: ...
    @property
    def direction(self) -> Direction: ...
    @property
    def is_dialer(self) -> bool: ...
    @property
    def sends_blocks(self) -> bool: ...

    def send_nowait(self, message: Message) -> None:
        """Queues a message. Raises TransportError if the connection has ended or the outbox is full (which ends it)."""

    async def receive(self) -> Message:
        """The next control message. Raises TransportError when the connection has ended."""

    async def send_frame(self, header: FrameHeader, payload: bytes | memoryview) -> None:
        """One block frame, at most `frames.PAYLOAD_MAX` of payload; waits while a second's worth is unsent."""

    async def receive_frame(self) -> tuple[FrameHeader, bytes | memoryview]:
        """The next block frame. The receiver must keep calling: flow control is by credit, above."""

    def hand_to(
        self,
        messages: Callable[[Message], bool] | None,
        frames: Callable[[tuple[FrameHeader, memoryview]], bool] | None = None,
    ) -> None:
        """What comes may from now on be handed over at once, in the transport's own turn, instead of waiting to be
        received; what is declined (False), and what comes behind it, waits. A transport need not make use of it."""

    async def aclose(self, reason: str, *, is_graceful: bool = False) -> None:
        """Ends the connection; graceful means goodbye, everything read by the other side, bounded by 2 s."""

    def statistics(self) -> ConnectionStatistics: ...


HelloMaker = Callable[[Direction, "bytes | None"], Hello]
"""Makes this side's hello for a direction and an echoed dial nonce: addresses and realm may change over time."""


class Transport(Protocol):
    """A place that can dial and be dialled."""

    @property
    def peer_id(self) -> PeerId: ...

    @property
    def addresses(self) -> tuple[str, ...]:
        """Multiaddrs without `/p2p/…`, concrete (never 0.0.0.0), that others may dial."""

    async def dial(
        self,
        addresses: tuple[str, ...],
        direction: Direction,
        *,
        peer_id: PeerId | None,
        dial_nonce: bytes | None = None,
    ) -> Connection:
        """Tries the addresses in turn, some at once. Raises TransportError with the reason of each.

        `peer_id` None (an address without `/p2p/…`) accepts whoever answers; else anybody else is refused.
        """

    async def accept(self) -> Connection:
        """The next connection that somebody else made."""
