"""A peer that speaks Noise and yamux correctly and everything above as a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from swarm.protocol.messages import Direction, Hello, Message
from swarm.transport.addresses import parse
from swarm.transport.libp2p_connection import BLOCKS, CONTROL
from swarm.transport.libp2p_session import Session, Upgrader
from swarm.transport.libp2p_stream import Stream
from swarm.transport.message_stream import MessageStream
from swarm.transport.nursery_of_one import nursery_of_one
from swarm.transport.tcp_stream import TcpStream
from swarm.transport.transport import Transport
from tests.transport.peers import hello_maker, key


class RawPeer:
    """A session with a control stream and, if asked for, a block stream; what goes over them is the test's affair."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.control_stream: Stream
        self.blocks: Stream

    @property
    def control(self) -> MessageStream:
        return MessageStream(self.control_stream)

    async def greet(self, direction: Direction = Direction.TO_DIALER, *, has_blocks: bool | None = None) -> Hello:
        """A proper hello, and the answer."""
        self.control_stream = await self.session.open_stream(CONTROL)
        if direction is not Direction.CONTROL if has_blocks is None else has_blocks:
            self.blocks = await self.session.open_stream(BLOCKS)
        await self.control.send(raw_hello(direction))
        answer = await self.control.receive()
        assert isinstance(answer, Hello)
        return answer

    async def send_all(self, *messages: Message) -> None:
        for message in messages:
            await self.control.send(message)

    async def until_closed(self, seconds: float = 10.0) -> None:
        """Reads whatever comes until the other side has closed the connection."""
        with trio.fail_after(seconds):
            while not self.session.tcp.is_closed:  # noqa: ASYNC110 - it has no event
                await trio.sleep(0.01)


def raw_hello(direction: Direction, number: int = 1) -> Hello:
    return replace(hello_maker(key(number))(direction, None), nonce=bytes(range(16)))


@asynccontextmanager
async def raw_peer(transport: Transport, number: int = 1) -> AsyncIterator[RawPeer]:
    """Connected and encrypted to `transport`, nothing said yet."""
    endpoint = parse(transport.addresses[0])
    tcp = TcpStream(await trio.open_tcp_stream(endpoint.host, endpoint.port), is_initiator=True)
    session = await Upgrader(key(number)).outbound(tcp, transport.peer_id)
    async with nursery_of_one() as nursery:
        nursery.start_soon(session.run)
        try:
            yield RawPeer(session)
        finally:
            tcp.abort()
