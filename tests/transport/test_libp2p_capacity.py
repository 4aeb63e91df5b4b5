"""How many connections a host carries, at once and in its life."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from swarm.errors import TransportError
from swarm.protocol.messages import Cancel, Direction
from swarm.transport.libp2p_host import Libp2pHost, TransportConfig, open_transport
from swarm.transport.transport import Connection
from tests.transport.peers import LOOPBACK, Opener, connect, hello_maker, key, until


@contextmanager
def many_files(wanted: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{wanted} open files are needed, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _all_alive(pairs: list[tuple[Connection, Connection]]) -> None:
    for number, (dialer, acceptor) in enumerate(pairs):
        dialer.send_nowait(Cancel(number))
        acceptor.send_nowait(Cancel(number))
    for number, (dialer, acceptor) in enumerate(pairs):
        assert await acceptor.receive() == await dialer.receive() == Cancel(number)


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(400)])])
async def test_many_inbound_connections_live_at_once(count: int) -> None:
    """The library's listener allows 250 and its connection manager prunes above 300."""
    with many_files(2 * count + 200):
        async with Opener("libp2p").transport(1) as dialing, Opener("libp2p").transport(2) as accepting:
            pairs = [await connect(dialing, accepting, Direction.CONTROL) for _ in range(count)]
            await _all_alive(pairs)


@pytest.mark.parametrize("count", [30, pytest.param(350, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
async def test_a_listener_does_not_die_of_old_age(count: int) -> None:
    """The library's gives a slot back only when the whole host stops: the 251st connection ever was refused."""
    async with Opener("libp2p").transport(1) as dialing, Opener("libp2p").transport(2) as accepting:
        for _ in range(count):
            dialer, acceptor = await connect(dialing, accepting, Direction.CONTROL)
            await dialer.aclose("next")
            await acceptor.aclose("next")
        assert isinstance(accepting, Libp2pHost)
        await until(lambda: accepting.connection_count == 0)
        await _all_alive([await connect(dialing, accepting)])


async def test_past_its_bound_a_host_refuses_and_goes_on() -> None:
    config = TransportConfig(key(2), hello_maker(key(2)), LOOPBACK, connections_max=3)
    async with Opener("libp2p").transport(1) as dialing, open_transport(config) as accepting:
        pairs = [await connect(dialing, accepting) for _ in range(3)]
        with pytest.raises(TransportError):
            await dialing.dial(accepting.addresses, Direction.CONTROL, peer_id=None)
        await pairs.pop()[0].aclose("room")
        await until(lambda: accepting.connection_count == 2)  # type: ignore[attr-defined]
        await _all_alive([*pairs, await connect(dialing, accepting)])
