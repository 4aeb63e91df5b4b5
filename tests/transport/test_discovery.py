"""Discovery with the real zeroconf: in this process and another on loopback, and between two network namespaces."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import trio
from zeroconf import Zeroconf

from swarm.protocol.ids import PeerId
from swarm.protocol.keys import SigningKey
from swarm.transport import discovery
from swarm.transport.discovery import Discovery, PeerGone, PeerSeen, open_discovery

LOOPBACK = ["127.0.0.1"]


def fresh() -> PeerId:
    """Nobody else's: other runs of these tests may be on the same loopback."""
    return SigningKey(os.urandom(32)).peer_id


def at(port: int) -> tuple[str, ...]:
    return (f"/ip4/127.0.0.1/tcp/{port}",)


async def news_of(heard: Discovery, peer_id: PeerId) -> PeerSeen | PeerGone:
    """The next of this peer; other tests and programs may announce on the same loopback."""
    with trio.fail_after(20):
        while True:
            news = await heard.receive()
            if news.peer_id == peer_id:
                return news
    raise AssertionError


async def test_two_peers_find_each_other_and_hear_the_goodbye() -> None:
    one, two = fresh(), fresh()
    async with open_discovery(one, lambda: at(4001), interfaces=LOOPBACK) as first:
        async with open_discovery(two, lambda: at(4002), interfaces=LOOPBACK) as second:
            assert await news_of(first, two) == PeerSeen(two, at(4002))
            assert await news_of(second, one) == PeerSeen(one, at(4001))
        assert await news_of(first, two) == PeerGone(two)


async def test_the_farewell_comes_after_the_last_packet_of_an_announcement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who is there for less than half a second is believed to be there for two minutes."""
    begun, order = threading.Event(), []
    real_start, real_say = discovery._start, discovery._say

    def start(interfaces: Sequence[str] | None) -> Zeroconf:
        zeroconf = real_start(interfaces)
        close = zeroconf.close

        def closing() -> None:
            order.append("farewell")
            close()

        monkeypatch.setattr(zeroconf, "close", closing)
        return zeroconf

    def say(*arguments: Any) -> None:
        begun.set()
        real_say(*arguments)
        order.append("announced")

    monkeypatch.setattr(discovery, "_start", start)
    monkeypatch.setattr(discovery, "_say", say)
    async with open_discovery(fresh(), lambda: at(4012), interfaces=LOOPBACK):
        await trio.to_thread.run_sync(begun.wait)
    assert order == ["announced", "farewell"]


async def test_nobody_finds_themselves() -> None:
    one, two = fresh(), fresh()
    async with (
        open_discovery(one, lambda: at(4003), interfaces=LOOPBACK) as first,
        open_discovery(two, lambda: at(4004), interfaces=LOOPBACK),
    ):
        seen = set()
        with trio.move_on_after(10):
            while two not in seen:
                seen.add((await first.receive()).peer_id)
        assert one not in seen


async def test_who_listens_nowhere_still_hears() -> None:
    speaker = fresh()
    async with (
        open_discovery(fresh(), lambda: (), interfaces=LOOPBACK) as silent,
        open_discovery(speaker, lambda: at(4006), interfaces=LOOPBACK),
    ):
        assert await news_of(silent, speaker) == PeerSeen(speaker, at(4006))


async def test_changed_addresses_are_announced_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "LOOK_S", 0.1)
    addresses = at(4007)
    mover = fresh()
    async with (
        open_discovery(fresh(), lambda: (), interfaces=LOOPBACK) as listener,
        open_discovery(mover, lambda: addresses, interfaces=LOOPBACK),
    ):
        assert await news_of(listener, mover) == PeerSeen(mover, at(4007))
        addresses = (*at(5007), "/ip4/127.0.0.2/tcp/5007")
        with trio.fail_after(20):
            # Port and addresses are separate records and may arrive one after the other.
            while await news_of(listener, mover) != PeerSeen(mover, addresses):
                pass
        addresses = ()
        assert await news_of(listener, mover) == PeerGone(mover)


async def test_zeroconf_is_never_called_from_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """py-libp2p's mDNS is, and stops the loop for 1.7 s."""
    callers: dict[str, int] = {}
    for name in ("_start", "_browse", "_say", "_look_up"):
        real = getattr(discovery, name)

        def noted(*arguments: object, name: str = name, real: Callable[..., object] = real) -> object:
            callers[name] = threading.get_ident()
            return real(*arguments)

        monkeypatch.setattr(discovery, name, noted)
    one, two = fresh(), fresh()
    async with (
        open_discovery(one, lambda: at(4009), interfaces=LOOPBACK) as first,
        open_discovery(two, lambda: at(4010), interfaces=LOOPBACK),
    ):
        await news_of(first, two)
    assert set(callers) == {"_start", "_browse", "_say", "_look_up"}
    assert threading.get_ident() not in callers.values()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_where_multicast_is_impossible_nothing_is_found_and_nothing_fails() -> None:
    async with open_discovery(fresh(), lambda: at(4010), interfaces=["192.0.2.123"]) as nowhere:
        with trio.fail_after(10):
            while nowhere.problem is None:  # noqa: ASYNC110 - it has no event
                await trio.sleep(0.01)
        assert "multicast" in nowhere.problem
    # zeroconf leaves a socket behind when it cannot start: found here, and not in the test that comes next.
    gc.collect()


# --- a program of its own ---------------------------------------------------------------------------

PROGRAM = """
    import json, sys, trio
    from swarm.transport.discovery import PeerSeen, open_discovery

    async def main(peer_id, ip, seconds):
        addresses = (f"/ip4/{ip}/tcp/4001",)
        interfaces = [ip] if ip == "127.0.0.1" else None
        async with open_discovery(peer_id, lambda: addresses, interfaces=interfaces) as heard:
            with trio.move_on_after(seconds):
                async for news in heard:
                    kind = type(news).__name__
                    print(json.dumps([kind, news.peer_id, getattr(news, "addresses", ())]), flush=True)

    trio.run(main, sys.argv[1], sys.argv[2], float(sys.argv[3]))
"""


@contextmanager
def program(peer_id: PeerId, ip: str, *prefix: str, seconds: float = 20) -> Iterator[subprocess.Popen[str]]:
    command = [*prefix, sys.executable, "-c", textwrap.dedent(PROGRAM), peer_id, ip, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def lines_until(process: subprocess.Popen[str], kind: str, peer_id: PeerId) -> list[object]:
    assert process.stdout is not None
    for line in process.stdout:
        news: list[object] = json.loads(line)
        if news[:2] == [kind, peer_id]:
            return news
    raise AssertionError("the program ended without the news")


@pytest.mark.slow
async def test_another_program_is_found_and_its_end_is_heard() -> None:
    one, other = fresh(), fresh()
    async with open_discovery(one, lambda: at(4011), interfaces=LOOPBACK) as heard:
        with program(other, "127.0.0.1", seconds=3) as process:
            assert await news_of(heard, other) == PeerSeen(other, at(4001))
            found = await trio.to_thread.run_sync(lines_until, process, "PeerSeen", one)
            assert found[2] == list(at(4011))
            assert await news_of(heard, other) == PeerGone(other)


@contextmanager
def two_namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces on a bridge: 10.99.0.1 and 10.99.0.2."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    mark = f"{os.getpid() % 10_000}"
    names = (f"swd{mark}a", f"swd{mark}b")
    bridge = f"swbr{mark}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)

    try:
        try:
            ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no bridge can be made here: {error.stderr.decode().strip()}")
        ip("link", "set", bridge, "up")
        for number, name in enumerate(names, 1):
            ip("netns", "add", name)
            ip("link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"v{name}", "master", bridge, "up")
            ip("-n", name, "addr", "add", f"10.99.0.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "route", "add", "default", "dev", "eth0")
        yield names
    finally:
        for name in names:
            with suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)
        with suppress(subprocess.CalledProcessError):
            ip("link", "del", bridge)


@pytest.mark.lab
def test_two_machines_on_one_network_find_each_other() -> None:
    here, there = fresh(), fresh()
    with (
        two_namespaces() as (first, second),
        program(here, "10.99.0.1", "ip", "netns", "exec", first) as one,
        program(there, "10.99.0.2", "ip", "netns", "exec", second, seconds=4) as two,
    ):
        seen = lines_until(two, "PeerSeen", here)
        assert seen[2] == ["/ip4/10.99.0.1/tcp/4001"]
        assert lines_until(one, "PeerSeen", there)[2] == ["/ip4/10.99.0.2/tcp/4001"]
        assert lines_until(one, "PeerGone", there)
        one.send_signal(signal.SIGINT)
