"""A peer that stands still, or dies: a program of its own that is stopped and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import trio

from swarm.errors import TransportError
from swarm.protocol.messages import Alive, Direction
from swarm.transport import libp2p_connection
from swarm.transport.transport import Connection
from tests.transport.peers import Opener, key, send_block

BULK = os.urandom(1 << 20)


OTHER_PROGRAM = """
    import trio
    from tests.transport.peers import Opener

    async def main():
        async with Opener("libp2p").transport(2) as transport:
            print(transport.addresses[0], flush=True)
            connection = await transport.accept()
            while True:
                await connection.receive_frame()

    trio.run(main)
"""


@contextmanager
def other_program() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A peer in another process, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OTHER_PROGRAM)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("patience_s", [0.5, pytest.param(5.0, marks=pytest.mark.slow)])
async def test_a_writer_to_a_frozen_peer_is_freed_by_the_watchdog(
    patience_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's writer waits for ever: a frozen program's kernel goes on saying that it is there."""
    monkeypatch.setattr(libp2p_connection, "STUCK_S", patience_s)
    with other_program() as (process, address):
        async with Opener("libp2p").transport(1) as dialing:
            connection = await dialing.dial((address,), Direction.TO_ACCEPTOR, peer_id=key(2).peer_id)
            await send_block(connection, 1, BULK)
            process.send_signal(signal.SIGSTOP)
            with trio.fail_after(patience_s + 10), pytest.raises(TransportError, match="took no byte"):
                await _send_for_ever(connection)


async def test_a_frozen_peer_is_seen_by_when_it_was_last_heard() -> None:
    with other_program() as (process, address):
        async with Opener("libp2p").transport(1) as dialing:
            connection = await dialing.dial((address,), Direction.TO_ACCEPTOR, peer_id=key(2).peer_id)
            process.send_signal(signal.SIGSTOP)
            await trio.sleep(0.5)
            heard_at = connection.statistics().last_received_at
            for _ in range(5):
                connection.send_nowait(Alive())
                await trio.sleep(0.1)
            assert connection.statistics().last_received_at == heard_at
            process.send_signal(signal.SIGCONT)


async def test_a_killed_peer_ends_its_connections_at_once() -> None:
    with other_program() as (process, address):
        async with Opener("libp2p").transport(1) as dialing:
            connection = await dialing.dial((address,), Direction.TO_ACCEPTOR, peer_id=key(2).peer_id)
            process.send_signal(signal.SIGKILL)
            with trio.fail_after(5), pytest.raises(TransportError):
                await connection.receive()


@pytest.mark.slow
async def test_the_end_of_a_host_does_not_wait_for_a_frozen_peer() -> None:
    with other_program() as (process, address), trio.fail_after(5):
        async with Opener("libp2p").transport(1) as dialing, trio.open_nursery() as nursery:
            connection = await dialing.dial((address,), Direction.TO_ACCEPTOR, peer_id=key(2).peer_id)
            process.send_signal(signal.SIGSTOP)
            nursery.start_soon(_send_until_it_ends, connection)
            await trio.sleep(0.5)
            await connection.aclose("leaving", is_graceful=True)


async def _send_for_ever(connection: Connection) -> None:
    while True:
        await send_block(connection, 1, BULK)


async def _send_until_it_ends(connection: Connection) -> None:
    with suppress(TransportError):
        await _send_for_ever(connection)
