"""How a socket is read: not for every packet, and yet nothing that has come stays unseen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from swarm.transport.tcp_stream import LOOK_S, TcpStream
from tests.transport.peers import until

PACKET = 1000
MESSAGE = 60 * PACKET


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[TcpStream, trio.SocketStream]]:
    """(the end under test, a plain socket at the other end)."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        plain = await trio.open_tcp_stream(*listener.socket.getsockname()[:2])
        stream = TcpStream(await listener.accept(), is_initiator=False)
        try:
            async with plain:
                yield stream, plain
        finally:
            stream.abort()


async def trickle(plain: trio.SocketStream, packets: int) -> None:
    for _ in range(packets):
        await plain.send_all(bytes(PACKET))
        await trio.sleep(0.001)


async def read(stream: TcpStream, messages: int) -> None:
    for _ in range(messages):
        assert len(await stream.read_whole(MESSAGE)) == MESSAGE


async def test_the_reader_sleeps_while_packets_come_that_do_not_make_a_message() -> None:
    async with pair() as (stream, plain), trio.open_nursery() as nursery:
        reads = 0
        receive = stream._receive

        async def counted(wanted: int) -> int:
            nonlocal reads
            reads += 1
            return await receive(wanted)

        stream._receive = counted  # type: ignore[method-assign]
        nursery.start_soon(trickle, plain, 600)
        await read(stream, 3)  # the rate becomes known
        reads = 0
        await read(stream, 7)
        assert reads < 7 * 20, "of 420 packets"


async def test_what_comes_of_a_message_whose_sender_slows_down_is_seen_by_the_next_look() -> None:
    async with pair() as (stream, plain), trio.open_nursery() as nursery:
        nursery.start_soon(read, stream, 4)
        await trickle(plain, 3 * MESSAGE // PACKET)
        await until(lambda: stream.bytes_received == 3 * MESSAGE)
        await plain.send_all(b"slow")
        await trio.sleep(0.1)
        seen_at = stream.last_received_at
        stream.see_to_slow(seen_at + LOOK_S / 2)
        stream.see_to_slow(seen_at + LOOK_S + 0.1)
        await until(lambda: stream.bytes_received == 3 * MESSAGE + 4)
        assert stream.last_received_at > seen_at
        await plain.send_all(bytes(MESSAGE - 4))


async def test_a_message_that_is_short_comes_at_once_after_long_ones() -> None:
    async with pair() as (stream, plain):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trickle, plain, 3 * MESSAGE // PACKET)
            await read(stream, 3)
        await plain.send_all(b"ok")
        with trio.fail_after(LOOK_S):
            assert bytes(await stream.read_whole(2)) == b"ok"


async def test_an_end_in_mid_message_is_no_wait() -> None:
    async with pair() as (stream, plain):
        await trickle(plain, 3)
        await plain.aclose()
        assert len(await stream.read_whole(MESSAGE)) < MESSAGE
