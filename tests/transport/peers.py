"""Two peers on any transport: what every test of this folder begins with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import trio

from swarm.protocol.frames import PAYLOAD_MAX, Flags, FrameHeader
from swarm.protocol.keys import SigningKey
from swarm.protocol.messages import Direction, Hello
from swarm.transport.libp2p_host import TransportConfig, open_transport
from swarm.transport.memory import MemoryNetwork
from swarm.transport.transport import Connection, HelloMaker, Transport

LOOPBACK = (("127.0.0.1", 0),)


def key(number: int) -> SigningKey:
    return SigningKey.from_seed(bytes([number]) * 32)


def hello_maker(signing_key: SigningKey, **changes: object) -> HelloMaker:
    def make(direction: Direction, dial_nonce: bytes | None) -> Hello:
        hello = Hello(
            realm=None,
            agent_id=signing_key.agent_id,
            agent_proof=None,
            peer_id=signing_key.peer_id,
            site="",
            direction=direction,
            is_origin=False,
            reads_store=False,
            is_tracker=False,
            nonce=b"",
            dial_nonce=dial_nonce,
        )
        return replace(hello, **changes)  # type: ignore[arg-type]

    return make


class Opener:
    """Opens transports of one kind that can reach one another."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.network = MemoryNetwork()

    @asynccontextmanager
    async def transport(
        self, number: int, *, make_hello: HelloMaker | None = None, secret: bytes | None = None
    ) -> AsyncIterator[Transport]:
        signing_key = key(number)
        maker = make_hello or hello_maker(signing_key)
        if self.kind == "memory":
            async with self.network.transport(signing_key.peer_id, maker, secret) as transport:
                yield transport
        else:
            async with open_transport(TransportConfig(signing_key, maker, LOOPBACK, secret)) as transport:
                yield transport

    @asynccontextmanager
    async def pair(self, direction: Direction = Direction.TO_DIALER) -> AsyncIterator[tuple[Connection, Connection]]:
        """(the dialer's end, the acceptor's end) of one connection between peers 1 and 2."""
        async with AsyncExitStack() as stack:
            dialing = await stack.enter_async_context(self.transport(1))
            accepting = await stack.enter_async_context(self.transport(2))
            yield await connect(dialing, accepting, direction)


async def connect(
    dialing: Transport, accepting: Transport, direction: Direction = Direction.TO_DIALER
) -> tuple[Connection, Connection]:
    ends: dict[str, Connection] = {}

    async def accept() -> None:
        ends["acceptor"] = await accepting.accept()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            ends["dialer"] = await dialing.dial(accepting.addresses, direction, peer_id=accepting.peer_id)
    return ends["dialer"], ends["acceptor"]


def block_frames(index: int, data: bytes) -> list[tuple[FrameHeader, bytes]]:
    """A block cut as a sender cuts it."""
    frames = []
    for offset in range(0, len(data), PAYLOAD_MAX):
        payload = data[offset : offset + PAYLOAD_MAX]
        flags = Flags.LAST if offset + len(payload) == len(data) else Flags.NONE
        frames.append((FrameHeader(1, index, offset, len(payload), len(data), flags), payload))
    return frames


async def send_block(connection: Connection, index: int, data: bytes) -> None:
    for header, payload in block_frames(index, data):
        await connection.send_frame(header, payload)


async def receive_block(connection: Connection) -> tuple[int, bytes]:
    data = bytearray()
    while True:
        header, payload = await connection.receive_frame()
        data += payload
        if header.is_last:
            return header.index, bytes(data)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits for something that other tasks bring about."""
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await trio.sleep(0.01)
