"""What a peer may do wrong on an encrypted connection: it loses that connection, and nobody else loses anything."""

from __future__ import annotations

import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from swarm.errors import TransportError
from swarm.protocol.bounds import MESSAGE_BYTES_MAX
from swarm.protocol.frames import pack
from swarm.protocol.messages import Alive, Cancel, Direction, Goodbye, Prove, Unsupported
from swarm.transport import hello, libp2p_connection, libp2p_host
from swarm.transport.addresses import parse
from swarm.transport.libp2p_connection import BLOCKS, CONTROL, STREAMS_MAX
from swarm.transport.libp2p_stream import UNREAD_BYTES_MAX
from swarm.transport.transport import Connection, Transport
from tests.transport.peers import Opener, block_frames, connect, hello_maker, key, until
from tests.transport.raw_peer import RawPeer, raw_hello, raw_peer


@pytest.fixture
async def host() -> AsyncIterator[Transport]:
    async with Opener("libp2p").transport(2) as transport:
        yield transport


@asynccontextmanager
async def greeted(
    host: Transport, direction: Direction = Direction.TO_DIALER
) -> AsyncIterator[tuple[RawPeer, Connection]]:
    async with raw_peer(host) as peer:
        await peer.greet(direction)
        yield peer, await host.accept()


async def reason_of(connection: Connection) -> str:
    with trio.fail_after(10):
        while True:
            try:
                await connection.receive()
            except TransportError as error:
                return error.message


async def serves_others(host: Transport) -> None:
    """The host is as well as before."""
    async with Opener("libp2p").transport(3) as other:
        dialer, acceptor = await connect(other, host)
        dialer.send_nowait(Alive())
        assert await acceptor.receive() == Alive()


async def test_a_length_of_4_gib_is_refused_before_it_is_allocated_or_read(host: Transport) -> None:
    async with greeted(host) as (peer, connection):
        await peer.control_stream.write(struct.pack(">I", 0xFFFFFFFF) + b"x")
        assert "4294967295 bytes" in await reason_of(connection)
        await peer.until_closed()
    await serves_others(host)


async def test_a_length_just_past_the_bound_is_refused(host: Transport) -> None:
    async with greeted(host) as (peer, connection):
        await peer.control_stream.write(struct.pack(">I", MESSAGE_BYTES_MAX + 1))
        assert str(MESSAGE_BYTES_MAX + 1) in await reason_of(connection)


async def test_bytes_that_are_no_message_end_the_connection(host: Transport) -> None:
    async with greeted(host) as (peer, connection):
        await peer.control_stream.write(struct.pack(">I", 100) + os.urandom(100))
        assert "cannot be read" in await reason_of(connection)
    await serves_others(host)


async def test_a_message_type_that_nobody_knows_is_answered_and_harms_nothing(host: Transport) -> None:
    async with greeted(host) as (peer, connection):
        await peer.control_stream.write(struct.pack(">I", 4) + bytes([0x82, 0x18, 0xFE, 0xA0]))
        assert await peer.control.receive() == Unsupported(0xFE)
        await peer.send_all(Cancel(5))
        assert await connection.receive() == Cancel(5)


@pytest.mark.parametrize("again", [raw_hello(Direction.TO_DIALER), Prove(bytes(32))])
async def test_a_second_hello_ends_the_connection(host: Transport, again: Prove) -> None:
    async with greeted(host) as (peer, connection):
        await peer.send_all(again)
        assert "twice" in await reason_of(connection)


async def test_a_block_frame_against_the_direction_ends_the_connection(host: Transport) -> None:
    (header, payload), *_ = block_frames(1, b"not wanted")
    async with greeted(host, Direction.TO_DIALER) as (peer, connection):
        assert connection.sends_blocks
        await peer.blocks.write(pack(header) + payload)
        assert "against the direction" in await reason_of(connection)
    await serves_others(host)


async def test_a_block_stream_on_a_control_connection_ends_it(host: Transport) -> None:
    async with greeted(host, Direction.CONTROL) as (peer, connection):
        with suppress(TransportError):  # as below
            await peer.session.open_stream(BLOCKS)
        assert "carries no blocks" in await reason_of(connection)


async def test_a_block_stream_opened_before_a_control_hello_is_refused_with_it(host: Transport) -> None:
    async with raw_peer(host) as peer:
        await peer.greet(Direction.CONTROL, has_blocks=True)
        await peer.until_closed()
    await serves_others(host)


async def test_a_second_control_stream_ends_the_connection(host: Transport) -> None:
    async with greeted(host) as (peer, connection):
        with suppress(TransportError):  # the end may overtake the answer
            await peer.session.open_stream(CONTROL)
        assert "may not open" in await reason_of(connection)


async def test_who_was_dialled_may_open_no_stream(host: Transport) -> None:
    async with Opener("libp2p").transport(3) as other:
        dialer, acceptor = await connect(other, host)
        with suppress(TransportError):
            await acceptor._session.open_stream(CONTROL)  # type: ignore[attr-defined]
        assert "may not open" in await reason_of(dialer)


@pytest.mark.parametrize("frame", [bytes(24), b"\xff" * 24, os.urandom(24)], ids=["zeros", "ones", "random"])
async def test_a_frame_header_that_makes_no_sense_ends_the_connection(host: Transport, frame: bytes) -> None:
    async with greeted(host, Direction.TO_ACCEPTOR) as (peer, connection):
        await peer.blocks.write(frame)
        assert "cannot be read" in await reason_of(connection)


async def test_a_block_stream_that_ends_in_mid_frame_is_a_fault(host: Transport) -> None:
    (header, payload), *_ = block_frames(1, bytes(1000))
    async with greeted(host, Direction.TO_ACCEPTOR) as (peer, connection):
        await peer.blocks.write(pack(header) + payload[:500])
        await peer.blocks.close_write()
        assert "middle of a block frame" in await reason_of(connection)


async def test_a_block_stream_that_is_broken_off_is_a_fault(host: Transport) -> None:
    """Else the receiver would wait for ever for frames that cannot come."""
    async with greeted(host, Direction.TO_ACCEPTOR) as (peer, connection):
        await peer.blocks.reset()
        assert "broke off" in await reason_of(connection)


async def test_being_told_that_a_message_is_unknown_there_is_no_news_for_the_user(host: Transport) -> None:
    async with greeted(host) as (peer, connection):
        await peer.send_all(Unsupported(200), Alive())
        assert await connection.receive() == Alive()


async def test_frames_cut_anywhere_are_put_together_again(host: Transport) -> None:
    data = os.urandom(20_000)
    (header, payload), *_ = block_frames(1, data)
    wire = pack(header) + payload
    async with greeted(host, Direction.TO_ACCEPTOR) as (peer, connection):
        for start in range(0, len(wire), 997):
            await peer.blocks.write(wire[start : start + 997])
        got_header, got = await connection.receive_frame()
        assert (got_header, bytes(got)) == (header, data)


async def test_who_ignores_the_window_fills_no_memory(host: Transport) -> None:
    """Stock yamux only logs: 39 MiB were buffered on one unread stream."""
    async with greeted(host, Direction.TO_ACCEPTOR) as (peer, connection):
        muxed = peer.blocks._muxed
        frames = block_frames(1, bytes(4 << 20))
        sent = 0
        with trio.move_on_after(20), suppress(TransportError):
            while sent < 4 * UNREAD_BYTES_MAX:
                muxed.send_window = 1 << 30
                for header, payload in frames:
                    await peer.blocks.write(pack(header), payload)
                    sent += len(payload)
        assert "more than it may" in await reason_of(connection)
    await serves_others(host)


async def test_streams_without_number_end_the_connection(host: Transport) -> None:
    async with greeted(host) as (peer, connection):
        for _ in range(STREAMS_MAX - 2):
            await peer.session.open_stream("/ipfs/ping/1.0.0")
        with pytest.raises(TransportError):
            await peer.session.open_stream("/ipfs/ping/1.0.0")
        assert "streams" in await reason_of(connection)


async def test_services_that_are_not_here_are_refused_and_nothing_else_happens(host: Transport) -> None:
    async with greeted(host) as (peer, connection):
        for _ in range(3 * STREAMS_MAX):
            with pytest.raises(TransportError):
                await peer.session.open_stream("/ipfs/id/1.0.0")
        await peer.send_all(Alive())
        assert await connection.receive() == Alive()


# --- before the hello -------------------------------------------------------------------------------


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hello, libp2p_connection, libp2p_host):
        monkeypatch.setattr(module, "HELLO_TIMEOUT_S", 0.3)


@pytest.mark.usefixtures("short_patience")
async def test_a_connection_that_says_nothing_is_closed(host: Transport) -> None:
    endpoint = parse(host.addresses[0])
    async with await trio.open_tcp_stream(endpoint.host, endpoint.port) as stream:
        with trio.fail_after(10):
            while await stream.receive_some():
                pass


@pytest.mark.usefixtures("short_patience")
async def test_an_encrypted_connection_without_a_hello_is_closed(host: Transport) -> None:
    async with raw_peer(host) as peer:
        await peer.until_closed()
    async with raw_peer(host) as peer:
        await peer.session.open_stream(CONTROL)
        await peer.until_closed()


@pytest.mark.parametrize("first", [Alive(), Prove(bytes(32)), Cancel(1)])
async def test_anything_before_the_hello_is_refused(host: Transport, first: Alive) -> None:
    async with raw_peer(host) as peer:
        stream = await peer.session.open_stream(CONTROL)
        peer.control_stream = stream
        await peer.send_all(first)
        await peer.until_closed()


async def test_a_hello_in_anothers_name_is_refused_with_the_reason(host: Transport) -> None:
    async with raw_peer(host, number=1) as peer:
        peer.control_stream = await peer.session.open_stream(CONTROL)
        await peer.send_all(raw_hello(Direction.CONTROL, number=4))
        answer = await peer.control.receive()
        assert isinstance(answer, Goodbye)
        assert key(4).peer_id in answer.reason


async def test_an_echoed_hello_does_not_open_with_a_secret() -> None:
    """A reflection: the attacker has no secret and sends back what it hears."""
    async with Opener("libp2p").transport(2, secret=b"known") as host, raw_peer(host, number=1) as peer:
        peer.control_stream = await peer.session.open_stream(CONTROL)
        hello_with_proof = hello_maker(key(1), nonce=bytes(16), needs_proof=True)(Direction.CONTROL, None)
        await peer.send_all(hello_with_proof)
        await peer.control.receive()
        await peer.send_all(Prove(bytes(32)))
        answer = await peer.control.receive()
        assert isinstance(answer, Goodbye)
        assert "secret" in answer.reason


# --- not even libp2p --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x01",
        b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff" + bytes(3000),
        b"\xff" * 100,
        b"\x00" * 100,
        os.urandom(4096),
    ],
    ids=["http", "cut noise", "wrong noise", "varint", "zeros", "random"],
)
async def test_garbage_on_the_port_harms_nobody(host: Transport, garbage: bytes) -> None:
    endpoint = parse(host.addresses[0])
    stream = await trio.open_tcp_stream(endpoint.host, endpoint.port)
    await stream.send_all(garbage)
    await stream.send_eof()
    await stream.aclose()
    await serves_others(host)
    await until(lambda: host.connection_count <= 2)  # type: ignore[attr-defined]
