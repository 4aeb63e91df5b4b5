"""Listen addresses, trackers, and what counts as public."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.config.addresses import (
    Listen,
    default_listen,
    is_private,
    parse_listen,
    parse_tracker,
    public_addresses,
    refuse_exposure,
)
from swarm.errors import UsageError

PEER = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
HOME = ("127.0.0.1", "192.168.1.5", "::1", "fe80::1")
CLOUD = ("127.0.0.1", "10.0.0.5", "203.0.113.9", "::1")


@pytest.mark.parametrize(
    ("text", "ip", "port"),
    [
        ("10.0.0.5:4001", "10.0.0.5", 4001),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::1]:0", "::1", 0),
        ("[FD00::0:7]:4180", "fd00::7", 4180),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
    ],
)
def test_listen_addresses(text: str, ip: str, port: int) -> None:
    found = parse_listen(text)
    assert found == Listen(ip, port)
    assert parse_listen(str(found)) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10.0.0.5", "add a port"),
        ("10.0.0.5:", "add a port"),
        ("10.0.0.5:http", "add a port"),
        ("10.0.0.5:70000", "65535"),
        (":4001", "0.0.0.0"),
        ("*:4001", "0.0.0.0"),
        ("localhost:4001", "127.0.0.1"),
        ("example.org:4001", "interface"),
        ("::1:4001", "[::1]:4001"),
        ("[::1]4001", "port"),
        ("10.0.0.5:٣", "port"),
    ],
)
def test_what_is_no_listen_address_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_listen(text)
    assert says in caught.value.hint


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://10.0.0.7:4180", "http://10.0.0.7:4180"),
        ("https://tracker.example.org/", "https://tracker.example.org"),
        ("10.0.0.7", "http://10.0.0.7:4180"),
        ("tracker.lan:80", "http://tracker.lan:80"),
        ("[fd00::7]", "http://[fd00::7]:4180"),
        ("[fd00::7]:1", "http://[fd00::7]:1"),
        (f"/ip4/10.0.0.7/tcp/4001/p2p/{PEER}", f"/ip4/10.0.0.7/tcp/4001/p2p/{PEER}"),
        (f"/dns/tracker.lan/tcp/4001/p2p/{PEER}", f"/dns/tracker.lan/tcp/4001/p2p/{PEER}"),
    ],
)
def test_trackers(text: str, url: str) -> None:
    assert parse_tracker(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://x",
        "http://",
        "http://h:99999",
        "http://h:0",
        "http://h?x=1",
        "/ip4/10.0.0.7/tcp/4001",
        "/unix/a",
        "a b",
    ],
)
def test_what_is_no_tracker_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a tracker"):
        parse_tracker(text)


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.1.1", "::1",
     "fe80::1%eth0", "fd12::1", "::ffff:10.0.0.1"],
)  # fmt: skip
def test_private_addresses(ip: str) -> None:
    assert is_private(ip)


@pytest.mark.parametrize(
    "ip",
    ["8.8.8.8", "172.15.255.255", "172.32.0.0", "192.169.0.1", "100.64.0.1", "0.0.0.0", "::", "2001:db8::1", "fec0::1",
     "::ffff:8.8.8.8", "11.0.0.0"],
)  # fmt: skip
def test_public_addresses(ip: str) -> None:
    assert not is_private(ip)


def test_a_wildcard_is_as_public_as_the_machine() -> None:
    wildcard = Listen("0.0.0.0", 4001)
    assert public_addresses(wildcard, HOME) == ()
    assert public_addresses(wildcard, CLOUD) == ("203.0.113.9",)
    assert public_addresses(Listen("::", 0), CLOUD) == ("203.0.113.9",)
    assert public_addresses(wildcard, (*HOME, "2001:db8::1")) == ()


def test_exposure_names_both_ways_out() -> None:
    refuse_exposure([Listen("10.0.0.5", 0), Listen("0.0.0.0", 0)], HOME, "--listen")
    with pytest.raises(UsageError, match=r"--listen 203\.0\.113\.9:4001 is a public address") as caught:
        refuse_exposure([Listen("203.0.113.9", 4001)], CLOUD, "--listen")
    assert "--secret" in caught.value.hint
    assert "--open" in caught.value.hint
    with pytest.raises(UsageError, match=r"includes 203\.0\.113\.9"):
        refuse_exposure([Listen("0.0.0.0", 4180)], CLOUD, "--http")


def test_by_default_a_private_machine_listens_everywhere_and_a_public_one_on_its_private_side() -> None:
    assert default_listen(0, HOME, may_be_public=False) == (Listen("0.0.0.0", 0),)
    assert default_listen(4001, CLOUD, may_be_public=True) == (Listen("0.0.0.0", 4001),)
    assert default_listen(4001, CLOUD, may_be_public=False) == (Listen("10.0.0.5", 4001), Listen("127.0.0.1", 4001))


def test_without_ipv4_it_is_ipv6() -> None:
    only6 = ("127.0.0.1", "::1", "fe80::1", "fd00::5")
    assert default_listen(0, only6, may_be_public=False) == (Listen("::", 0),)
    with_public = (*only6, "2001:db8::5")
    assert Listen("fd00::5", 0) in default_listen(0, with_public, may_be_public=False)
    assert all(is_private(one.ip) for one in default_listen(0, with_public, may_be_public=False))


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    for parse in (parse_listen, parse_tracker):
        with contextlib.suppress(UsageError):
            parse(text)
