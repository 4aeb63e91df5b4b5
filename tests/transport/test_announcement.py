"""What is said of a peer on the local network, and what is believed of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import DecodeError
from swarm.protocol.bounds import ADDRESSES_MAX
from swarm.transport.announcement import SERVICE_TYPE, Announcement, announcement, read_announcement
from tests.transport.peers import key

PEER = key(1).peer_id
INSTANCE = f"{PEER}.{SERVICE_TYPE}"
TEXT: dict[bytes, bytes | None] = {b"id": PEER.encode(), b"v": b"1"}


def test_an_announcement_is_read_as_it_was_said() -> None:
    said = announcement(PEER, ("/ip4/192.0.2.1/tcp/4001", "/ip6/2001:db8::1/tcp/4001"), has_loopback=False)
    assert said is not None
    text = {name.encode(): value for name, value in said.text.items()}
    heard = read_announcement(said.instance, text, said.ips, said.port)
    assert heard == said
    assert heard.addresses == ("/ip4/192.0.2.1/tcp/4001", "/ip6/2001:db8::1/tcp/4001")


def test_only_peer_id_and_version_are_in_the_text() -> None:
    assert set(Announcement(PEER, ("192.0.2.1",), 4001).text) == {"id", "v"}


def test_loopback_is_not_announced_to_a_network() -> None:
    mixed = ("/ip4/127.0.0.1/tcp/1", "/ip4/192.0.2.1/tcp/2")
    said = announcement(PEER, mixed, has_loopback=False)
    assert said is not None
    assert said.addresses == ("/ip4/192.0.2.1/tcp/2",)
    assert announcement(PEER, mixed[:1], has_loopback=False) is None
    assert announcement(PEER, mixed[:1], has_loopback=True) is not None


def test_who_listens_nowhere_announces_nothing() -> None:
    assert announcement(PEER, (), has_loopback=True) is None


def test_an_announcement_has_one_port_and_so_many_addresses() -> None:
    listed = [f"/ip4/192.0.2.{n}/tcp/4001" for n in range(1, 40)] + ["/ip4/192.0.2.99/tcp/4002"]
    said = announcement(PEER, listed, has_loopback=False)
    assert said is not None
    assert len(said.ips) == ADDRESSES_MAX
    assert said.port == 4001


@pytest.mark.parametrize(
    ("instance", "text", "ips", "port"),
    [
        (f"printer.{SERVICE_TYPE}", TEXT, ["192.0.2.1"], 4001),
        (INSTANCE, {**TEXT, b"id": key(2).peer_id.encode()}, ["192.0.2.1"], 4001),
        (INSTANCE, {**TEXT, b"v": b"2"}, ["192.0.2.1"], 4001),
        (INSTANCE, {}, ["192.0.2.1"], 4001),
        (INSTANCE, TEXT, ["192.0.2.1"], 0),
        (INSTANCE, TEXT, ["192.0.2.1"], 70_000),
        (INSTANCE, TEXT, ["192.0.2.1"], None),
        (INSTANCE, TEXT, [], 4001),
        (INSTANCE, TEXT, ["0.0.0.0", "224.0.0.251", "fe80::1%eth0", "no address"], 4001),
    ],
    ids=["no peer id", "another's id", "version", "no text", "port 0", "port", "no port", "no address", "nowhere"],
)
def test_what_makes_no_sense_is_not_believed(
    instance: str, text: dict[bytes, bytes | None], ips: list[str], port: int | None
) -> None:
    with pytest.raises(DecodeError):
        read_announcement(instance, text, ips, port)


@given(st.text(), st.dictionaries(st.binary(), st.none() | st.binary()), st.lists(st.text()), st.none() | st.integers())
def test_anything_is_an_announcement_or_our_error(
    instance: str, text: dict[bytes, bytes | None], ips: list[str], port: int | None
) -> None:
    with pytest.raises(DecodeError):
        read_announcement(instance, text, ips, port)


@given(st.lists(st.ip_addresses().map(str), max_size=40), st.integers(-1, 70_000))
def test_whatever_is_believed_can_be_dialled(ips: list[str], port: int) -> None:
    try:
        heard = read_announcement(INSTANCE, TEXT, ips, port)
    except DecodeError:
        return
    assert 0 < len(heard.addresses) <= ADDRESSES_MAX
    assert all("/0.0.0.0/" not in address for address in heard.addresses)
