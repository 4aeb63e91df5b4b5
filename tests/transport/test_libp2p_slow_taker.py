"""Who takes slowly is waited for: a rate limit, a slow disk. Only who takes nothing for long is left."""

from __future__ import annotations

import pytest
import trio

from swarm.errors import TransportError
from swarm.protocol.messages import Direction
from swarm.transport import libp2p_stream
from swarm.transport.libp2p_stream import UPDATE_BYTES
from swarm.transport.transport import Connection
from tests.transport.peers import Opener, receive_block, send_block

MIB = bytes(1 << 20)


class Sender:
    """Sends a mebibyte after the other, and counts them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.sent = 0

    async def send(self, count: int) -> None:
        for index in range(count):
            await send_block(self._connection, index, MIB)
            self.sent += 1

    async def until_it_waits(self) -> None:
        before = -1
        while self.sent != before or not before:
            before = self.sent
            await trio.sleep(0.2)


async def test_the_window_opens_while_much_is_still_held() -> None:
    """Waiting until all of it was taken would leave a limited consumer's sender without a sign for eight seconds."""
    async with Opener("libp2p").pair(Direction.TO_ACCEPTOR) as (near, far), trio.open_nursery() as nursery:
        sender = Sender(near)
        with trio.fail_after(20):
            nursery.start_soon(sender.send, 100)
            await sender.until_it_waits()
            before = sender.sent
            for _ in range(2 * UPDATE_BYTES // len(MIB)):
                await receive_block(far)
            while sender.sent < before + UPDATE_BYTES // len(MIB):  # noqa: ASYNC110 - it has no event
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_who_takes_nothing_for_six_seconds_is_waited_for() -> None:
    """The library's own writer ends the connection after five."""
    count = 16
    async with Opener("libp2p").pair(Direction.TO_ACCEPTOR) as (near, far), trio.open_nursery() as nursery:
        sender = Sender(near)
        with trio.fail_after(30):
            nursery.start_soon(sender.send, count)
            await sender.until_it_waits()
            await trio.sleep(6.0)
            for index in range(count):
                assert await receive_block(far) == (index, MIB)


async def test_who_takes_nothing_for_long_is_left_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libp2p_stream, "CLOSED_S", 0.3)
    async with Opener("libp2p").pair(Direction.TO_ACCEPTOR) as (near, _far):
        with trio.fail_after(20), pytest.raises(TransportError, match="took nothing of a stream"):
            await Sender(near).send(100)


async def test_a_sender_that_waits_is_freed_by_the_end_of_its_connection() -> None:
    async with Opener("libp2p").pair(Direction.TO_ACCEPTOR) as (near, _far), trio.open_nursery() as nursery:
        sender = Sender(near)

        async def end() -> None:
            await sender.until_it_waits()
            await near.aclose("enough")

        nursery.start_soon(end)
        with trio.fail_after(20), pytest.raises(TransportError, match="enough"):
            await sender.send(100)
