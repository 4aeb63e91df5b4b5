"""Bulk in both directions between two peers, and what a message waits for."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
import trio

from swarm.errors import TransportError
from swarm.protocol.ids import PeerId
from swarm.protocol.messages import Alive, Cancel, Direction
from swarm.transport.pacing import UNSENT_BYTES_MIN
from swarm.transport.transport import Connection, Transport
from tests.transport.narrow_link import narrow_link
from tests.transport.peers import Opener, receive_block, send_block

BULK = os.urandom(1 << 20)


async def _exchange(one: Transport, two: Transport, addresses: dict[PeerId, str], seconds: float) -> int:
    """Bulk both ways, a connection for each, with control messages both ways on both; returns blocks received."""
    count = 0
    pairs = []
    for dialing, accepting in ((one, two), (two, one)):
        dialer = await dialing.dial((addresses[accepting.peer_id],), Direction.TO_DIALER, peer_id=accepting.peer_id)
        pairs.append((dialer, await accepting.accept()))

    async def send(sender: Connection) -> None:
        while True:
            await send_block(sender, 1, BULK)

    async def receive(receiver: Connection) -> None:
        nonlocal count
        while True:
            assert await receive_block(receiver) == (1, BULK)
            count += 1

    async def chat(connection: Connection) -> None:
        while True:
            connection.send_nowait(Alive())
            await trio.sleep(0.01)

    async def listen(connection: Connection) -> None:
        while True:
            await connection.receive()

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for dialer, acceptor in pairs:
                nursery.start_soon(send, acceptor)
                nursery.start_soon(receive, dialer)
                for end in (dialer, acceptor):
                    nursery.start_soon(chat, end)
                    nursery.start_soon(listen, end)
    return count


@pytest.mark.parametrize("seconds", [2, pytest.param(15, marks=pytest.mark.slow)])
async def test_bulk_both_ways_between_two_peers_does_not_deadlock(seconds: int) -> None:
    """On one connection it does: yamux's read loop waits for a writer that waits for the other's read loop."""
    async with (
        Opener("libp2p").transport(1) as one,
        Opener("libp2p").transport(2) as two,
        narrow_link(one.addresses[0], 5e6) as to_one,
        narrow_link(two.addresses[0], 5e6) as to_two,
    ):
        addresses = {one.peer_id: to_one.address, two.peer_id: to_two.address}
        count = await _exchange(one, two, addresses, seconds)
        assert count >= seconds
        passed = to_one.bytes_passed, to_two.bytes_passed
        assert min(passed) > 1e6


async def test_a_message_overtakes_all_but_a_moment_of_blocks() -> None:
    """A socket takes megabytes: `Alive` would be stuck behind them for seconds, and its sender taken for dead."""
    bytes_per_s = 1e6
    async with (
        Opener("libp2p").transport(1) as dialing,
        Opener("libp2p").transport(2) as accepting,
        narrow_link(accepting.addresses[0], bytes_per_s) as link,
        trio.open_nursery() as nursery,
    ):
        dialer = await dialing.dial((link.address,), Direction.TO_ACCEPTOR, peer_id=accepting.peer_id)
        acceptor = await accepting.accept()
        nursery.start_soon(_send_for_ever, dialer)
        nursery.start_soon(_drain, acceptor)
        await trio.sleep(1.5)
        behind = []
        for number in range(5):
            before = acceptor.statistics().bytes_received
            dialer.send_nowait(Cancel(number))
            with trio.fail_after(20):
                assert await acceptor.receive() == Cancel(number)
            behind.append(acceptor.statistics().bytes_received - before)
        assert max(behind) < bytes_per_s + UNSENT_BYTES_MIN
        nursery.cancel_scope.cancel()


async def _send_for_ever(connection: Connection) -> None:
    while True:
        await send_block(connection, 1, BULK)


async def _drain(connection: Connection) -> None:
    with suppress(TransportError):
        while True:
            await connection.receive_frame()
