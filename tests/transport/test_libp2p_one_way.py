"""Why blocks flow one way on a connection: the other way, shown on the library's multiplexer as it is."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
import trio

from swarm.errors import TransportError
from swarm.transport import multistream
from swarm.transport.addresses import multiaddr, parse
from swarm.transport.libp2p_session import Session, Upgrader
from swarm.transport.libp2p_stream import Stream
from swarm.transport.nursery_of_one import nursery_of_one
from swarm.transport.tcp_stream import TcpStream
from tests.transport.narrow_link import BUFFER_BYTES, narrow_link
from tests.transport.peers import key

BULK, ECHO = "/bulk", "/echo"


@pytest.mark.slow
async def test_bulk_both_ways_on_one_connection_with_new_streams_deadlocks() -> None:
    """Each read loop waits to write the answer to a new stream, behind a writer that waits for the other to read."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    target = multiaddr(*listener.socket.getsockname()[:2])
    async with narrow_link(target, 5e6) as link, nursery_of_one() as nursery:
        for session in await _sessions(listener, link.address):
            nursery.start_soon(session.run)
            nursery.start_soon(_serve, session, nursery)
            nursery.start_soon(_pump_new, session, nursery)
            for _ in range(4):
                nursery.start_soon(_open_streams, session)
        with trio.fail_after(30):
            passed = -1
            while passed != link.bytes_passed:
                passed = link.bytes_passed
                await trio.sleep(1.5)
    await listener.aclose()


async def _sessions(listener: trio.SocketListener, address: str) -> tuple[Session, Session]:
    sessions: dict[str, Session] = {}

    async def answer() -> None:
        sessions["far"] = await Upgrader(key(2)).inbound(TcpStream(await listener.accept(), is_initiator=False))

    endpoint = parse(address)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        tcp = TcpStream(await trio.open_tcp_stream(endpoint.host, endpoint.port), is_initiator=True)
        sessions["near"] = await Upgrader(key(1)).outbound(tcp, key(2).peer_id)
    for session in sessions.values():
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            session.tcp._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    return sessions["near"], sessions["far"]


async def _serve(session: Session, nursery: trio.Nursery) -> None:
    async def serve_one(stream: Stream) -> None:
        with suppress(TransportError):
            if await multistream.answer(stream, (BULK, ECHO)) == BULK:
                await _read(stream)
            else:
                await stream.write(await stream.read_exactly(2))

    with suppress(TransportError):
        while True:
            nursery.start_soon(serve_one, await session.accept_stream())


async def _read(stream: Stream) -> None:
    while await stream.read():
        pass


async def _pump_new(session: Session, nursery: trio.Nursery) -> None:
    with suppress(TransportError):
        for _ in range(2):
            nursery.start_soon(_pump, await session.open_stream(BULK))


async def _pump(stream: Stream) -> None:
    with suppress(TransportError):
        while True:
            await stream.write(bytes(65_507))


async def _open_streams(session: Session) -> None:
    with suppress(TransportError):
        while True:
            stream = await session.open_stream(ECHO)
            await stream.write(b"hi")
            await stream.read_exactly(2)
            await stream.reset()
