"""Who gives up in the middle of a send harms neither the connection nor the others on it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import pytest
import trio

from swarm.errors import TransportError
from swarm.protocol.messages import Cancel, Direction
from swarm.transport import block_channel
from swarm.transport.transport import Connection
from tests.transport.narrow_link import narrow_link
from tests.transport.peers import Opener, block_frames, send_block

BULK = os.urandom(1 << 20)


async def _is_usable_or_closed(dialer: Connection, acceptor: Connection) -> bool:
    """True where messages pass, False where it is closed; a wedged one fails the test by its time limit."""
    with trio.fail_after(10):
        try:
            dialer.send_nowait(Cancel(1))
            while await acceptor.receive() != Cancel(1):
                pass
            acceptor.send_nowait(Cancel(2))
            while await dialer.receive() != Cancel(2):
                pass
        except TransportError:
            return False
    return True


async def _send_for_ever(connection: Connection) -> None:
    while True:
        await send_block(connection, 1, BULK)


async def _drain(connection: Connection) -> None:
    with suppress(TransportError):
        while True:
            await connection.receive_frame()


async def test_cancelled_sends_on_a_slow_link_leave_the_connection_usable() -> None:
    """Unshielded, the second cancelled write left half a Noise message on the wire and killed every stream."""
    async with (
        Opener("libp2p").transport(1) as dialing,
        Opener("libp2p").transport(2) as accepting,
        narrow_link(accepting.addresses[0], 2e7) as link,
        trio.open_nursery() as nursery,
    ):
        dialer = await dialing.dial((link.address,), Direction.TO_ACCEPTOR, peer_id=accepting.peer_id)
        acceptor = await accepting.accept()
        nursery.start_soon(_drain, acceptor)
        for attempt in range(20):
            with trio.move_on_after(0.01 + attempt * 0.002) as scope:
                await _send_for_ever(dialer)
            assert scope.cancelled_caught
            assert await _is_usable_or_closed(dialer, acceptor)
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_without_the_shield_a_cancelled_write_wedges_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault itself, so that the test above is known to be able to fail."""

    class NoShield:
        def __init__(self, *, shield: bool) -> None:
            pass

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            pass

    class Trio:
        CancelScope = NoShield

        def __getattr__(self, name: str) -> Any:
            return getattr(trio, name)

    monkeypatch.setattr(block_channel, "trio", Trio())
    async with (
        Opener("libp2p").transport(1) as dialing,
        Opener("libp2p").transport(2) as accepting,
        narrow_link(accepting.addresses[0], 2e6) as link,
    ):
        dialer = await dialing.dial((link.address,), Direction.TO_ACCEPTOR, peer_id=accepting.peer_id)
        acceptor = await accepting.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drain, acceptor)
            outcomes = []
            for attempt in range(20):
                with suppress(TransportError), trio.move_on_after(0.05 + attempt * 0.003):
                    await _send_for_ever(dialer)
                with trio.move_on_after(3) as scope:
                    outcomes.append(await _is_usable_or_closed(dialer, acceptor))
                if scope.cancelled_caught or not outcomes[-1]:
                    break
            assert scope.cancelled_caught or not outcomes[-1]
            nursery.cancel_scope.cancel()


async def test_a_sender_that_is_cancelled_while_another_sends_harms_it_not() -> None:
    async with Opener("libp2p").pair(Direction.TO_ACCEPTOR) as (dialer, acceptor), trio.open_nursery() as nursery:
        nursery.start_soon(send_block, dialer, 1, BULK * 8)
        for _ in range(20):
            with trio.move_on_after(0.002):
                (header, payload), *_ = block_frames(2, b"x")
                await dialer.send_frame(header, payload)
        whole = bytearray()
        while len(whole) < len(BULK) * 8:
            got, piece = await acceptor.receive_frame()
            whole += piece if got.index == 1 else b""
        assert whole == BULK * 8
