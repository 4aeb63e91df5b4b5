"""Multiaddrs and this machine's addresses."""

from __future__ import annotations

import ipaddress
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.transport import addresses
from swarm.transport.addresses import Endpoint, concrete, interface_addresses, multiaddr, parse
from tests.transport.peers import key


@given(st.ip_addresses().map(str), st.integers(1, 65_535))
def test_an_address_is_read_as_it_was_written(ip: str, port: int) -> None:
    assert parse(multiaddr(ip, port)) == Endpoint(ip, port)


def test_a_peer_id_at_the_end_is_kept() -> None:
    assert parse(f"/dns4/tracker.example/tcp/4001/p2p/{key(1).peer_id}") == Endpoint(
        "tracker.example", 4001, key(1).peer_id
    )
    assert multiaddr("tracker.example", 4001) == "/dns/tracker.example/tcp/4001"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2.1:4001",
        "/ip4/192.0.2.1",
        "/ip4/192.0.2.1/udp/4001/quic-v1",
        "/ip4/192.0.2.1/tcp/4001/ws",
        "/ip4/192.0.2.1/tcp/0",
        "/ip4/192.0.2.1/tcp/65536",
        "/ip4/192.0.2.1/tcp/-1",
        "/ip4/192.0.2.1/tcp/４００１",
        "/ip4/192.0.2.1/tcp/" + "9" * 5000,
        "/ip4/2001:db8::1/tcp/4001",
        "/ip6/192.0.2.1/tcp/4001",
        "/ip4//tcp/4001",
        "/ip4/192.0.2.1/tcp/4001/p2p/",
        "/unix/tmp/tcp/1",
    ],
)
def test_what_cannot_be_dialled_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "/ip4/192.0.2.1/tcp/4001" in caught.value.hint


@given(st.text(max_size=100))
def test_anything_is_an_endpoint_or_our_error(text: str) -> None:
    with suppress(UsageError):
        assert 0 < parse(text).port < 65_536


def test_a_wildcard_becomes_the_interfaces_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ["127.0.0.1", "192.0.2.7", "10.1.2.3", "::1", "2001:db8::7", "fe80::1"]
    monkeypatch.setattr(addresses, "_adapter_addresses", lambda: there)
    assert concrete("0.0.0.0") == ("10.1.2.3", "192.0.2.7")
    assert concrete("::") == ("2001:db8::7",)
    assert concrete("192.0.2.7") == ("192.0.2.7",)


def test_loopback_is_all_there_is_on_a_machine_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_adapter_addresses", lambda: ["127.0.0.1", "::1", "fe80::1"])
    assert interface_addresses() == ("127.0.0.1", "::1")


def test_this_machine_has_addresses_and_all_are_concrete() -> None:
    found = [ipaddress.ip_address(ip) for ip in interface_addresses()]
    assert found
    assert not any(ip.is_unspecified for ip in found)
