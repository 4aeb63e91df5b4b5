"""Several addresses of one peer: the first that answers as the right one is taken."""

from __future__ import annotations

import pytest
import trio

from swarm.errors import TransportError
from swarm.protocol.bounds import ADDRESSES_MAX
from swarm.protocol.ids import PeerId
from swarm.transport import dialing
from swarm.transport.dialing import connect_first
from swarm.transport.tcp_stream import TcpStream
from tests.transport.peers import key


async def upgrade(tcp: TcpStream, expected: PeerId | None) -> tuple[TcpStream, PeerId | None]:
    await trio.lowlevel.checkpoint()
    return tcp, expected


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nonsense", "is no address"),
        ("/ip4/127.0.0.1/tcp/1", "refused"),
        (f"/ip4/127.0.0.1/tcp/1/p2p/{key(2).peer_id}", f"the address is of {key(2).peer_id}"),
        (f"/dns4/{'a' * 300}/tcp/1", "no such host"),
        ("/dns4/a\0b/tcp/1", "not known|no such host"),
    ],
)
async def test_what_cannot_be_reached_says_why(address: str, reason: str) -> None:
    with pytest.raises(TransportError, match=reason):
        await connect_first((address,), key(1).peer_id, upgrade)


async def test_the_peer_id_in_the_address_is_expected_where_no_other_is() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = f"/ip4/127.0.0.1/tcp/{listener.socket.getsockname()[1]}/p2p/{key(2).peer_id}"
    tcp, expected = await connect_first((address,), None, upgrade)
    assert expected == key(2).peer_id
    tcp.abort()
    await listener.aclose()


async def test_an_address_that_swallows_packets_delays_the_next_by_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialing, "CONNECT_S", 1_000_000.0)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = f"/ip4/127.0.0.1/tcp/{listener.socket.getsockname()[1]}"
    silent = trio.Event()

    async def swallow_first(tcp: TcpStream, expected: PeerId | None) -> TcpStream:
        if not silent.is_set():
            silent.set()
            await trio.sleep_forever()
        return tcp

    with trio.fail_after(20):
        tcp = await connect_first((address, address), None, swallow_first)
    tcp.abort()
    await listener.aclose()


async def test_only_so_many_addresses_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "STAGGER_S", 0.0)
    with pytest.raises(TransportError) as caught:
        await connect_first(tuple(f"bad{n}" for n in range(100)), None, upgrade)
    assert caught.value.message.count("is no address") == ADDRESSES_MAX


async def test_who_comes_second_is_dropped() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = f"/ip4/127.0.0.1/tcp/{listener.socket.getsockname()[1]}"
    made: list[TcpStream] = []

    async def both_at_once(tcp: TcpStream, expected: PeerId | None) -> TcpStream:
        made.append(tcp)
        while len(made) < 2:  # noqa: ASYNC110 - the other attempt has no event
            await trio.sleep(0.01)
        return tcp

    winner = await connect_first((address, address), None, both_at_once)
    assert [tcp.is_closed for tcp in made].count(False) == 1
    assert not winner.is_closed
    winner.abort()
    await listener.aclose()
