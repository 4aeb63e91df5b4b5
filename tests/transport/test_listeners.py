"""Ports and addresses: what cannot be listened on is an error, and what is announced can be dialled."""

from __future__ import annotations

import socket

import pytest

from swarm.errors import UsageError
from swarm.protocol.messages import Alive, Direction
from swarm.transport.addresses import parse
from swarm.transport.libp2p_host import TransportConfig, open_transport
from tests.transport.peers import Opener, connect, hello_maker, key


async def test_a_port_in_use_is_an_error_that_names_it() -> None:
    """The library shares the port: the kernel then gives each program half of the connections."""
    async with Opener("libp2p").transport(1) as first:
        port = parse(first.addresses[0]).port
        config = TransportConfig(key(2), hello_maker(key(2)), (("127.0.0.1", port),))
        with pytest.raises(UsageError, match=str(port)):
            async with open_transport(config):
                pass


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_port_that_another_program_holds_is_an_error(is_shared: bool) -> None:
    with socket.socket() as occupied:
        if is_shared:
            occupied.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        config = TransportConfig(key(2), hello_maker(key(2)), (("127.0.0.1", port),))
        with pytest.raises(UsageError, match="in use"):
            async with open_transport(config):
                pass


async def test_an_address_of_another_machine_is_an_error() -> None:
    config = TransportConfig(key(2), hello_maker(key(2)), (("192.0.2.77", 0),))
    with pytest.raises(UsageError, match=r"192\.0\.2\.77"):
        async with open_transport(config):
            pass


async def test_several_interfaces_share_a_port_and_each_can_be_dialled() -> None:
    config = TransportConfig(key(2), hello_maker(key(2)), (("127.0.0.1", 0), ("127.0.0.2", 0)))
    async with open_transport(config) as accepting, Opener("libp2p").transport(1) as dialing:
        assert [parse(a).host for a in accepting.addresses] == ["127.0.0.1", "127.0.0.2"]
        assert len({parse(a).port for a in accepting.addresses}) == 1
        for address in accepting.addresses:
            await dialing.dial((address,), Direction.CONTROL, peer_id=accepting.peer_id)


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
async def test_a_wildcard_is_announced_as_the_addresses_of_the_interfaces(wildcard: str) -> None:
    """The library announces `/ip4/0.0.0.0/…` and its peers then forget the address that worked."""
    if wildcard == "::" and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    config = TransportConfig(key(2), hello_maker(key(2)), ((wildcard, 0),))
    async with open_transport(config) as accepting, Opener("libp2p").transport(1) as dialing:
        hosts = [parse(address).host for address in accepting.addresses]
        assert wildcard not in hosts
        if hosts:
            await dialing.dial(accepting.addresses, Direction.CONTROL, peer_id=accepting.peer_id)


async def test_ipv6_connects() -> None:
    if not has_ipv6():
        pytest.skip("there is no IPv6 here")
    config = TransportConfig(key(2), hello_maker(key(2)), (("::1", 0),))
    async with open_transport(config) as accepting, Opener("libp2p").transport(1) as dialing:
        assert accepting.addresses[0].startswith("/ip6/::1/tcp/")
        dialer, acceptor = await connect(dialing, accepting)
        dialer.send_nowait(Alive())
        assert await acceptor.receive() == Alive()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
