"""The knobs of the memory transport, in virtual time."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock

from swarm.errors import TransportError
from swarm.protocol.messages import Alive, Cancel, Direction, Message
from swarm.transport.memory import STUCK_S, MemoryNetwork
from swarm.transport.transport import Connection
from tests.transport.peers import connect, hello_maker, key, receive_block, send_block

ONE, TWO = key(1), key(2)


def network_of_two(network: MemoryNetwork, upload_bytes_per_s: float = float("inf")):  # type: ignore[no-untyped-def]
    return (
        network.transport(ONE.peer_id, hello_maker(ONE)),
        network.transport(TWO.peer_id, hello_maker(TWO), upload_bytes_per_s=upload_bytes_per_s),
    )


async def reason_of(connection: Connection) -> str:
    while True:
        try:
            await connection.receive()
        except TransportError as error:
            return error.message


async def everything(connection: Connection) -> list[Message]:
    got: list[Message] = []
    with suppress(TransportError):
        while True:
            got.append(await connection.receive())
    return got


async def test_what_is_sent_arrives_after_the_latency(autojump_clock: MockClock) -> None:
    first, second = network_of_two(MemoryNetwork(latency_s=0.05))
    async with first as one, second as two:
        started_at = trio.current_time()
        dialer, acceptor = await connect(one, two)
        assert trio.current_time() - started_at == pytest.approx(0.1)
        assert dialer.statistics().rtt_s == pytest.approx(0.1)
        sent_at = trio.current_time()
        dialer.send_nowait(Alive())
        await acceptor.receive()
        assert trio.current_time() - sent_at == pytest.approx(0.05)


async def test_an_uplink_has_a_rate_that_all_its_connections_share(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    first, second = network_of_two(network, upload_bytes_per_s=1_000_000)
    third = network.transport(key(3).peer_id, hello_maker(key(3)))
    async with first as one, second as two, third as three, trio.open_nursery() as nursery:
        ends = [await connect(one, two), await connect(three, two)]
        started_at = trio.current_time()
        for _, acceptor in ends:
            nursery.start_soon(send_block, acceptor, 1, bytes(1_000_000))
        for dialer, _ in ends:
            await receive_block(dialer)
        assert trio.current_time() - started_at == pytest.approx(2.0, rel=0.01)


async def test_a_frozen_peer_hears_and_says_nothing_until_it_is_thawed(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    first, second = network_of_two(network)
    async with first as one, second as two:
        dialer, acceptor = await connect(one, two)
        network.freeze(TWO.peer_id)
        heard_at = dialer.statistics().last_received_at
        dialer.send_nowait(Cancel(1))
        acceptor.send_nowait(Cancel(2))
        with trio.move_on_after(100) as scope:
            await dialer.receive()
        assert scope.cancelled_caught
        assert dialer.statistics().last_received_at == heard_at
        network.thaw(TWO.peer_id)
        assert await dialer.receive() == Cancel(2)
        assert await acceptor.receive() == Cancel(1)
        assert dialer.statistics().last_received_at == pytest.approx(trio.current_time())


async def test_a_writer_to_a_frozen_peer_is_freed(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    first, second = network_of_two(network)
    async with first as one, second as two:
        dialer, _ = await connect(one, two, Direction.TO_ACCEPTOR)
        network.freeze(TWO.peer_id)
        started_at = trio.current_time()
        with pytest.raises(TransportError, match="took nothing"):
            await send_block(dialer, 1, bytes(16 << 20))
        assert trio.current_time() - started_at == pytest.approx(STUCK_S)


async def test_a_dial_to_a_frozen_peer_ends_with_the_hellos_time(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    first, second = network_of_two(network)
    async with first as one, second as two:
        network.freeze(TWO.peer_id)
        with pytest.raises(TransportError, match="no valid hello"):
            await one.dial(two.addresses, Direction.CONTROL, peer_id=None)


async def test_a_cut_ends_a_pairs_connections_and_new_ones_can_be_made(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    first, second = network_of_two(network)
    third = network.transport(key(3).peer_id, hello_maker(key(3)))
    async with first as one, second as two, third as three:
        cut = await connect(one, two)
        spared = await connect(three, two)
        network.cut(ONE.peer_id, TWO.peer_id)
        for end in cut:
            assert "reset" in await reason_of(end)
        spared[0].send_nowait(Alive())
        assert await spared[1].receive() == Alive()
        await connect(one, two)


async def test_a_peer_that_refuses_keeps_the_connections_it_has(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    first, second = network_of_two(network)
    async with first as one, second as two:
        dialer, acceptor = await connect(one, two)
        network.refuse(TWO.peer_id)
        with pytest.raises(TransportError, match="nobody listens"):
            await one.dial(two.addresses, Direction.CONTROL, peer_id=TWO.peer_id)
        dialer.send_nowait(Alive())
        assert await acceptor.receive() == Alive()
        network.refuse(TWO.peer_id, is_refusing=False)
        await connect(one, two)


async def test_what_was_flying_when_a_connection_ended_is_lost_unless_it_ended_in_order(
    autojump_clock: MockClock,
) -> None:
    for is_graceful, expected in ((False, []), (True, [Cancel(1)])):
        first, second = network_of_two(MemoryNetwork(latency_s=0.5))
        async with first as one, second as two:
            dialer, acceptor = await connect(one, two)
            dialer.send_nowait(Cancel(1))
            await dialer.aclose("leaving", is_graceful=is_graceful)
            assert await everything(acceptor) == expected
