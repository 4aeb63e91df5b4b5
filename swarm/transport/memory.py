"""Transports in one process, for tests: the same promises as the real one, with knobs to delay, freeze and cut.

A `MemoryNetwork` holds every transport made from it. Nothing here runs a task except the opening of connections:
a link is a queue of things that arrive at a computed time, and whoever waits for them sleeps until then. So under
`autojump_clock` hours pass in milliseconds, and the same test sees the same times.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

import trio

from swarm.errors import InternalError, TransportError
from swarm.protocol.frames import PAYLOAD_MAX, FrameHeader
from swarm.protocol.ids import ConnectionId, PeerId
from swarm.protocol.messages import Direction, Hello, Message
from swarm.transport.hello import Greeting, Identity, greet_as_acceptor, greet_as_dialer
from swarm.transport.memory_link import Link, Uplink
from swarm.transport.nursery_of_one import nursery_of_one
from swarm.transport.transport import Connection, ConnectionStatistics, HelloMaker

ACCEPT_BACKLOG = 64
"""Opened connections that wait for `accept`; as many as a kernel's listen queue commonly holds."""

STUCK_S = 5.0
"""A writer whose peer takes nothing for so long is stuck for good: the connection ends."""

GRACE_S = 2.0
"""How long a graceful end may take."""


log = logging.getLogger(__name__)


class MemoryNetwork:
    """`latency_s` is one way. `freeze` is a pulled cable or stopped process, `cut` a reset, `refuse` a closed port."""

    def __init__(self, *, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self._hosts: dict[str, MemoryTransport] = {}
        self._links: set[Link] = set()
        self._frozen: set[PeerId] = set()
        self._refusing: set[PeerId] = set()
        self._numbers = count(1)

    @asynccontextmanager
    async def transport(
        self,
        peer_id: PeerId,
        make_hello: HelloMaker,
        secret: bytes | None = None,
        *,
        upload_bytes_per_s: float = math.inf,
    ) -> AsyncIterator[MemoryTransport]:
        """A transport that lives as long as the context; its connections end with it."""
        async with nursery_of_one() as nursery:
            host = MemoryTransport(self, Identity(peer_id, make_hello, secret), nursery, upload_bytes_per_s)
            address = f"/memory/{next(self._numbers)}"
            host.addresses = (address,)
            self._hosts[address] = host
            try:
                yield host
            finally:
                del self._hosts[address]
                host.end("the peer's program has ended")

    def freeze(self, peer_id: PeerId) -> None:
        """Nothing moves to or from this peer until `thaw`, and nobody is told."""
        for link in self._links:
            link.settle()
        self._frozen.add(peer_id)

    def thaw(self, peer_id: PeerId) -> None:
        """What was on its way arrives now."""
        self._frozen.discard(peer_id)
        for link in self._links:
            link.thaw()

    def cut(self, peer_id: PeerId, other: PeerId | None = None) -> None:
        """Resets the peer's connections (those with `other`, if given); new ones may be made."""
        for link in [link for link in self._links if link.joins(peer_id, other)]:
            link.end("the connection was reset")

    def refuse(self, peer_id: PeerId, is_refusing: bool = True) -> None:
        """New connections to this peer fail; living ones stay."""
        (self._refusing.add if is_refusing else self._refusing.discard)(peer_id)

    def find(self, address: str) -> MemoryTransport | None:
        host = self._hosts.get(address)
        return None if host is None or host.peer_id in self._refusing else host

    def is_frozen(self, source: PeerId, target: PeerId) -> bool:
        return source in self._frozen or target in self._frozen

    def link(self, source: MemoryTransport, target: MemoryTransport) -> Link:
        link = Link(self, source.uplink, source.peer_id, target.peer_id, on_end=self._links.discard)
        self._links.add(link)
        return link


class MemoryTransport:
    """One host of a `MemoryNetwork`. Implements `Transport`."""

    addresses: tuple[str, ...] = ()

    def __init__(
        self, network: MemoryNetwork, identity: Identity, nursery: trio.Nursery, upload_bytes_per_s: float
    ) -> None:
        self.uplink = Uplink(upload_bytes_per_s)
        self._network = network
        self._identity = identity
        self._nursery = nursery
        self._connections: set[MemoryConnection] = set()
        self._opened, self._accepted = trio.open_memory_channel[Connection](ACCEPT_BACKLOG)

    @property
    def peer_id(self) -> PeerId:
        return self._identity.peer_id

    async def dial(
        self,
        addresses: tuple[str, ...],
        direction: Direction,
        *,
        peer_id: PeerId | None,
        dial_nonce: bytes | None = None,
    ) -> Connection:
        await trio.lowlevel.checkpoint()
        target = self._find(addresses, peer_id)
        out, back = self._network.link(self, target), self._network.link(target, self)
        near, far = MemoryConnection(out, back, is_dialer=True), MemoryConnection(back, out, is_dialer=False)
        target._nursery.start_soon(target._welcome, far, self.peer_id)
        try:
            near.opened(await greet_as_dialer(near, self._identity, target.peer_id, direction, dial_nonce))
        except BaseException:
            near.end("the opening failed")
            raise
        self._connections.add(near)
        return near

    async def accept(self) -> Connection:
        return await self._accepted.receive()

    def end(self, reason: str) -> None:
        """Ends every connection, as the death of the process would."""
        for connection in self._connections:
            connection.end(reason)

    def _find(self, addresses: tuple[str, ...], peer_id: PeerId | None) -> MemoryTransport:
        reasons = []
        for address in addresses:
            target = self._network.find(address)
            if target is None:
                reasons.append(f"{address}: nobody listens")
            elif peer_id is not None and target.peer_id != peer_id:
                reasons.append(f"{address}: {target.peer_id} is there")
            else:
                return target
        raise TransportError(f"cannot reach {peer_id or 'the peer'}: {'; '.join(reasons) or 'no address is known'}")

    async def _welcome(self, connection: MemoryConnection, dialer: PeerId) -> None:
        self._connections.add(connection)
        try:
            connection.opened(await greet_as_acceptor(connection, self._identity, dialer))
            await self._opened.send(connection)
        except TransportError as error:
            log.info("a connection was refused: %s", error)
            # What was said before the end still arrives: the reason is on its way to the dialer.
            connection.end(error.message, discards=False)
        except Exception:  # a defect in a hello maker must not end the host: no more than on the real transport
            log.exception("a connection could not be opened")
            connection.end("internal error")


class MemoryConnection:
    """One end of a connection. Implements `Connection`, and the pipe that the hellos travel through."""

    _numbers = count(1)

    def __init__(self, outbound: Link, inbound: Link, *, is_dialer: bool) -> None:
        self.id = ConnectionId(next(self._numbers))
        self.is_dialer = is_dialer
        self._outbound = outbound
        self._inbound = inbound
        self._greeting: Greeting | None = None

    def opened(self, greeting: Greeting) -> None:
        self._greeting = greeting

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

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        self.send_nowait(message)

    def send_nowait(self, message: Message) -> None:
        if not self._outbound.post_message(message):
            self.end("the outbox is full: the other side reads nothing")
            raise TransportError("the outbox is full: the other side reads nothing")

    async def receive(self) -> Message:
        return await self._inbound.take_message()

    async def send_frame(self, header: FrameHeader, payload: bytes | memoryview) -> None:
        if not self.sends_blocks or len(payload) > PAYLOAD_MAX or header.length != len(payload):
            raise InternalError("a block frame that this connection may not carry")
        with trio.move_on_after(STUCK_S) as scope:
            await self._outbound.wait_for_room()
        if scope.cancelled_caught:
            self.end(f"the other side took nothing for {STUCK_S:.0f} s")
        self._outbound.post_frame(header, bytes(payload))

    async def receive_frame(self) -> tuple[FrameHeader, bytes | memoryview]:
        return await self._inbound.take_frame()

    def hand_to(
        self,
        messages: Callable[[Message], bool] | None,
        frames: Callable[[tuple[FrameHeader, memoryview]], bool] | None = None,
    ) -> None:
        pass  # what comes here comes when its time has come, which only who waits for it finds out

    async def aclose(self, reason: str, *, is_graceful: bool = False) -> None:
        if is_graceful:
            with trio.move_on_after(GRACE_S):
                await self._outbound.wait_until_arrived()
        self.end(reason)
        await trio.lowlevel.checkpoint()

    def end(self, reason: str, *, discards: bool = True) -> None:
        self._outbound.end(reason, discards=discards)
        self._inbound.end(reason)

    def statistics(self) -> ConnectionStatistics:
        sent, received = self._outbound, self._inbound
        received.settle()
        return ConnectionStatistics(
            bytes_received=received.bytes_arrived,
            bytes_sent=sent.bytes_posted,
            last_received_at=received.last_arrived_at,
            last_sent_at=sent.last_posted_at,
            rtt_s=sent.latency_s() + received.latency_s(),
        )
