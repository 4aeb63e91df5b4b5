"""The service over the memory transport: real connections, virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import pytest
import trio
import trio.testing

from swarm.errors import RefusedError, TransportError, UnavailableError
from swarm.protocol.ids import PeerId
from swarm.protocol.keys import SigningKey
from swarm.protocol.lease import verify_lease
from swarm.protocol.messages import (
    Alive,
    Direction,
    Failed,
    HandOut,
    Hello,
    Join,
    LeaseGrant,
    LeaseReport,
    Leases,
    LeaseState,
    LeaseWanted,
    Message,
    Publish,
    Published,
    Resolve,
    Resolved,
    RootReply,
    RootRequest,
    Share,
    Subscribe,
    TagMoved,
    Welcome,
)
from swarm.tracker.http.client import read_uses
from swarm.tracker.service import TrackerService, open_tracker
from swarm.tracker.settings import TrackerHello, TrackerSettings
from swarm.transport.memory import MemoryNetwork, MemoryTransport
from swarm.transport.transport import Connection
from tests.tracker.memory_store import MemoryStore
from tests.tracker.publisher import OTHER_REALM, REALM, Publisher, key
from tests.tracker.versions import SmallVersion, small_version

TRACKER = key("tracker")
ONE = small_version(5, "one")

T = TypeVar("T")


class House:
    """A network with one tracker."""

    def __init__(self, store: MemoryStore | None, **settings: object) -> None:
        self.network = MemoryNetwork(latency_s=0.001)
        self.store = store
        self.settings = replace(
            TrackerSettings(TRACKER, REALM if store is None else None, is_first_start=True), **settings
        )  # type: ignore[arg-type]
        self.tracker: TrackerService
        self.host: MemoryTransport
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> House:
        hello = TrackerHello(TRACKER)
        self.host = await self._stack.enter_async_context(self.network.transport(TRACKER.peer_id, hello))
        opener = self.store.open if self.store is not None else None
        self.tracker = await self._stack.enter_async_context(open_tracker(self.settings, self.host, opener, hello))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def agent(self, name: str, **hello: object) -> AsyncIterator[Agent]:
        signing_key = key(name)

        def make(direction: Direction, dial_nonce: bytes | None) -> Hello:
            plain = Hello(None, signing_key.agent_id, None, PeerId(""), "", direction, False, True, False, b"")
            return replace(plain, dial_nonce=dial_nonce, **hello)  # type: ignore[arg-type]

        async with self.network.transport(signing_key.peer_id, make) as transport:
            connection = await transport.dial(self.host.addresses, Direction.CONTROL, peer_id=TRACKER.peer_id)
            async with trio.open_nursery() as nursery:
                agent = Agent(connection, signing_key)
                nursery.start_soon(agent.run)
                yield agent
                nursery.cancel_scope.cancel()


class Agent:
    """One end of a connection to the tracker; says alive by itself."""

    def __init__(self, connection: Connection, signing_key: SigningKey) -> None:
        self.connection = connection
        self.key = signing_key
        self.is_alive = True
        self.ended: str | None = None
        self._told: list[Message] = []
        self._news = trio.Event()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._live)
            try:
                while True:
                    self._told.append(await self.connection.receive())
                    self._changed()
            except TransportError as error:
                self.ended = error.message
                self._changed()
                nursery.cancel_scope.cancel()

    async def _live(self) -> None:
        while self.is_alive:
            self.say(Alive())
            await trio.sleep(1.0)

    def say(self, message: Message) -> None:
        self.connection.send_nowait(message)

    async def hear(self, kind: type[T], within_s: float = 30.0) -> T:
        """The next message of a kind."""
        with trio.fail_after(within_s):
            while True:
                for message in self._told:
                    if isinstance(message, kind):
                        self._told.remove(message)
                        return message
                await self._news.wait()

    async def wait_ended(self) -> str:
        with trio.fail_after(30.0):
            while self.ended is None:
                await self._news.wait()
        return self.ended

    def join(self, version: SmallVersion, **changes: object) -> None:
        plain = Join(version.id, len(version.ids), 0, True, False, True, "", ("/memory/0",))
        self.say(replace(plain, **changes))  # type: ignore[arg-type]

    def seed(self, version: SmallVersion) -> None:
        self.join(version, have_count=len(version.ids), lacks=False, is_origin=True, reads_store=False)

    def _changed(self) -> None:
        self._news.set()
        self._news = trio.Event()


async def test_a_seeder_publishes_and_agents_are_introduced(autojump_clock: trio.testing.MockClock) -> None:
    publisher = Publisher()
    record = publisher.tag("latest", ONE.id)
    async with House(None) as house, house.agent("seeder") as seeder, house.agent("a") as a, house.agent("b") as b:
        welcome = await seeder.hear(Welcome)
        assert welcome.tracker_key == TRACKER.public_key
        seeder.say(Publish(1, record, publisher.chain, ONE.root))
        assert await seeder.hear(Published) == Published(1, True, "", None)
        seeder.seed(ONE)
        share = await seeder.hear(Share)
        assert (share.tracker_epoch, share.runs) == (welcome.tracker_epoch, ((0, len(ONE.ids)),))
        a.say(Resolve(1, "maps", "latest"))
        assert await a.hear(Resolved) == Resolved(1, (record,), publisher.chain, ONE.root)
        a.join(ONE)
        assert [peer.peer_id for peer in (await a.hear(HandOut)).peers] == [key("seeder").peer_id]
        b.join(ONE)
        assert {peer.agent_id for peer in (await b.hear(HandOut)).peers} == {key("seeder").agent_id, key("a").agent_id}
        house.tracker.check()
        assert house.tracker.statistics().members == 3


async def test_a_thousand_questions_are_one_request_to_the_store(autojump_clock: trio.testing.MockClock) -> None:
    store, publisher = MemoryStore(), Publisher()
    record = store.publish(publisher, "latest", ONE)
    async with House(store) as house, AsyncExitStack() as stack:
        agents = [await stack.enter_async_context(house.agent(f"a{number}")) for number in range(30)]
        for agent in agents:
            agent.say(Resolve(1, "maps", "latest"))
        for agent in agents:
            assert await agent.hear(Resolved) == Resolved(1, (record,), publisher.chain, ONE.root)
        assert store.calls["newest_tag"] == 1
        assert store.calls["get_root"] == 1
        await trio.sleep(1.0)
        agents[0].say(Resolve(2, "maps", "latest"))
        await agents[0].hear(Resolved)
        assert store.calls["newest_tag"] == 2


async def test_nothing_is_asked_of_the_store_when_nobody_asks(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with House(store) as house, house.agent("a"):
        await trio.sleep(600.0)
        assert sum(store.calls.values()) == 0
        assert house.tracker.realm == REALM


async def test_leases_are_signed_and_the_next_follows_the_arrival(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    store.publish(Publisher(), "latest", ONE)
    async with House(store) as house, house.agent("a") as a:
        a.join(ONE)
        a.say(LeaseWanted(ONE.id, 1))
        indexes = []
        for _ in ONE.ids:
            grant = await a.hear(LeaseGrant)
            assert grant.url is None
            lease = verify_lease(grant.lease, TRACKER.public_key)
            assert (lease.version, lease.agent) == (ONE.id, a.key.agent_id)
            indexes.append(lease.indexes[0][0])
            a.say(Leases((LeaseReport(lease.number, LeaseState.DONE, 64),)))
        assert sorted(indexes) == list(range(len(ONE.ids)))
        assert indexes[: ONE.page_count] == list(range(ONE.page_count))
        await trio.sleep(1.0)
        assert house.tracker.statistics().lease_bytes == 64 * len(ONE.ids)


async def test_agents_without_credentials_get_urls_of_the_right_blocks(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    store.publish(Publisher(), "latest", ONE)
    async with House(store, presigns=True) as house, house.agent("a", reads_store=False) as a:
        a.join(ONE, reads_store=False)
        a.say(LeaseWanted(ONE.id, 16))
        for _ in ONE.ids:
            grant = await a.hear(LeaseGrant)
            index = verify_lease(grant.lease, TRACKER.public_key).indexes[0][0]
            assert grant.url == f"https://store/{ONE.ids[index].hex()}?for=30"
        assert store.calls["get_block"] == 1, "the one blocks page"


async def test_a_store_that_makes_no_urls_means_no_leases_and_no_storm(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    store.presigns = False
    store.publish(Publisher(), "latest", ONE)
    async with House(store, presigns=True) as house, house.agent("a", reads_store=False) as a:
        a.join(ONE, reads_store=False)
        a.say(LeaseWanted(ONE.id, 1))
        await trio.sleep(60.0)
        assert 3 < house.tracker.statistics().leases_returned < 60


async def test_a_reader_of_another_realms_store_gets_no_lease(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    store.publish(Publisher(), "latest", ONE)
    async with House(store) as house:
        await trio.sleep(1.0)
        async with house.agent("a", realm=OTHER_REALM) as a:
            a.join(ONE, reads_store=False)
            a.say(LeaseWanted(ONE.id, 1))
            await trio.sleep(10.0)
            assert house.tracker.statistics().leases_granted == 0


async def test_without_a_store_the_root_is_asked_of_who_joins(autojump_clock: trio.testing.MockClock) -> None:
    async with House(None) as house, house.agent("a") as a:
        a.join(ONE)
        question = await a.hear(RootRequest)
        assert question.version == ONE.id
        a.say(LeaseWanted(ONE.id, 1))
        a.say(RootReply(question.request, ONE.root))
        await a.hear(LeaseGrant)
        a.say(RootRequest(5, ONE.id))
        assert await a.hear(RootReply) == RootReply(5, ONE.root)
        assert house.tracker.statistics().leases_live == 1


async def test_subscribers_are_told_when_a_tag_moves(autojump_clock: trio.testing.MockClock) -> None:
    publisher = Publisher()
    async with House(None) as house, house.agent("s") as seeder, house.agent("a") as a:
        a.say(Subscribe(1, "maps", "latest"))
        await a.hear(Resolved)
        record = publisher.tag("latest", ONE.id)
        seeder.say(Publish(1, record, publisher.chain, ONE.root))
        assert await a.hear(TagMoved) == TagMoved(record, ONE.root)


async def test_a_store_that_is_down_is_said_and_comes_back(autojump_clock: trio.testing.MockClock) -> None:
    store, publisher = MemoryStore(), Publisher()
    store.publish(publisher, "latest", ONE)
    store.opening_failure = UnavailableError("the store is away")
    async with House(store) as house, house.agent("a") as a:
        a.say(Resolve(1, "maps", "latest"))
        assert await a.hear(Failed) == Failed(1, "unavailable", "the store is away")
        store.opening_failure = None
        await trio.sleep(2.0)
        assert house.tracker.realm is None
        a.say(Resolve(2, "maps", "latest"))
        await a.hear(Resolved)
        assert house.tracker.realm == REALM
        store.failure = UnavailableError("SlowDown", is_slow_down=True)
        await trio.sleep(2.0)
        a.say(Resolve(3, "maps", "latest"))
        assert (await a.hear(Resolved)).request == 3, "memory answers while the store is away"
        a.say(Resolve(4, "other", "latest"))
        assert (await a.hear(Failed)).request == 4


async def test_a_place_without_a_store_holds_nothing_until_it_is_made(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    store.is_initialised = False
    async with House(store) as house, house.agent("a") as a:
        a.say(Resolve(1, "maps", "latest"))
        assert await a.hear(Resolved) == Resolved(1, (), (), None)
        store.is_initialised = True
        publisher = Publisher()
        store.publish(publisher, "latest", ONE)
        await trio.sleep(2.0)
        a.say(Resolve(2, "maps", "latest"))
        assert (await a.hear(Resolved)).tag_records
        assert house.tracker.realm == REALM


async def test_an_agent_that_freezes_is_gone_after_five_seconds(autojump_clock: trio.testing.MockClock) -> None:
    async with House(None) as house, house.agent("a") as a, house.agent("b") as b:
        a.join(ONE)
        b.join(ONE)
        await b.hear(HandOut)
        house.network.freeze(a.key.peer_id)
        await trio.sleep(4.0)
        assert house.tracker.statistics().members == 2
        await trio.sleep(2.0)
        assert house.tracker.statistics().members == 1
        house.tracker.check()


async def test_agents_hear_signs_of_life(autojump_clock: trio.testing.MockClock) -> None:
    async with House(None) as house, house.agent("a") as a:
        for _ in range(5):
            await a.hear(Alive, within_s=1.5)
        assert house.tracker.statistics().agents == 1


async def test_what_is_no_agent_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    async with House(None) as house, house.agent("t", is_tracker=True) as other:
        assert "tracker" in await other.wait_ended()
        assert house.tracker.statistics().agents == 0


async def test_the_end_is_orderly(autojump_clock: trio.testing.MockClock) -> None:
    async with House(None) as house, house.agent("a") as a:
        await a.hear(Welcome)
        await house.tracker.say_goodbye()
        assert "ending" in await a.wait_ended()


async def test_a_cut_connection_is_made_again_and_found_in_place(autojump_clock: trio.testing.MockClock) -> None:
    async with House(None) as house, house.agent("a") as a:
        a.join(ONE)
        await a.hear(HandOut)
        house.network.cut(a.key.peer_id)
        await a.wait_ended()
        async with house.agent("a") as again:
            again.join(ONE)
            await again.hear(HandOut)
            await trio.sleep(20.0)
            assert house.tracker.statistics().members == 1
            house.tracker.check()


# --- over HTTP (in real time: real sockets) ---------------------------------------------------------


async def get(url: str) -> tuple[int, bytes]:
    host, _, port = url.removeprefix("http://").partition("/")[0].rpartition(":")
    path = "/" + url.removeprefix("http://").partition("/")[2]
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join([chunk async for chunk in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


async def wait_healthy(url: str) -> None:
    for _ in range(100):
        if (await get(f"{url}/healthz"))[0] == 200:
            return
        await trio.sleep(0.05)
    raise AssertionError("not healthy within 5 s")


async def test_the_well_known_document_leads_to_the_tracker() -> None:
    async with House(None, http=(("127.0.0.1", 0),), trackers=("http://other:4180",)) as house:
        (url,) = house.tracker.urls
        status, body = await get(f"{url}/.well-known/swarm")
        assert status == 200
        document = json.loads(body)
        assert document["addresses"] == list(house.tracker.addresses)
        assert document["addresses"][0].endswith(f"/p2p/{TRACKER.peer_id}")
        assert (document["v"], document["required"]) == (1, [])
        assert (document["realm"], document["trackers"]) == (REALM.hex(), ["http://other:4180"])


async def test_healthz_and_status() -> None:
    async with House(None, http=(("127.0.0.1", 0),)) as house, house.agent("a") as a:
        await a.hear(Welcome)
        (url,) = house.tracker.urls
        assert await get(f"{url}/healthz") == (200, b"ok\n")
        status, body = await get(f"{url}/status")
        assert status == 200
        assert json.loads(body)["agents"] == 1


async def test_who_takes_part_in_which_version_is_shown_unless_a_secret_keeps_strangers_out() -> None:
    public = {"http": (("127.0.0.1", 0),), "shows_versions": True}
    async with House(None, **public) as house, house.agent("a") as a, house.agent("b") as b:
        for agent in (a, b):
            await agent.hear(Welcome)
        a.seed(ONE)
        b.join(ONE)
        await b.hear(HandOut)
        (use,) = await read_uses(house.tracker.urls[0])
    assert (use.version, use.seeders, use.complete, use.fetching, use.sites) == (ONE.id.hex(), 1, 0, 1, 1)
    async with House(None, http=(("127.0.0.1", 0),)) as house:
        with pytest.raises(RefusedError, match="has a secret"):
            await read_uses(house.tracker.urls[0])


async def test_healthz_waits_for_the_store_and_opens_it_again() -> None:
    store = MemoryStore()
    store.opening_failure = UnavailableError("the store is away")
    async with House(store, http=(("127.0.0.1", 0),)) as house:
        (url,) = house.tracker.urls
        await trio.sleep(0.2)
        status, body = await get(f"{url}/healthz")
        assert (status, b"the store is away" in body) == (503, True)
        store.opening_failure = None
        await wait_healthy(url)
        assert store.opened == 2


async def test_an_empty_place_for_a_store_does_not_hinder_the_service() -> None:
    store = MemoryStore()
    store.is_initialised = False
    async with House(store, http=(("127.0.0.1", 0),)) as house:
        (url,) = house.tracker.urls
        await wait_healthy(url)
