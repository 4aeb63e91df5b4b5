"""A tag that moves in the store without anybody telling the tracker reaches its subscribers; no other is looked at."""

from __future__ import annotations

import trio
import trio.testing

from swarm.errors import PermissionError_, UnavailableError
from swarm.protocol.messages import Resolved, Subscribe, TagMoved
from swarm.tracker.catalog.subscriptions import Subscriptions, Watched
from swarm.tracker.origin.watching import READ_EVERY, WATCH_S
from tests.tracker.memory_store import MemoryStore
from tests.tracker.publisher import Publisher
from tests.tracker.test_service import Agent, House
from tests.tracker.versions import small_version

ONE, TWO, THREE = (small_version(5, text) for text in ("one", "two", "three"))


async def hear_of(agent: Agent, record: bytes) -> None:
    """Soon; who has just subscribed may hear of what was there before, too."""
    while (await agent.hear(TagMoved, 3 * WATCH_S)).tag_record != record:
        pass


async def test_a_move_that_nobody_told_of_is_pushed_to_whom_it_concerns(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, publisher = MemoryStore(), Publisher("maps")
    store.publish(publisher, "stable", ONE)
    store.publish(publisher, "beta", ONE)
    async with House(store) as house, house.agent("a") as a, house.agent("b") as b:
        a.say(Subscribe(1, "maps", "stable"))
        b.say(Subscribe(1, "maps", None))
        await a.hear(Resolved)
        await b.hear(Resolved)
        record = store.publish(publisher, "stable", TWO)
        for agent in (a, b):
            await hear_of(agent, record)
        await hear_of(b, store.publish(publisher, "beta", THREE))
        await hear_of(b, store.publish(publisher, "new", THREE))
        await trio.sleep(5 * WATCH_S)
        assert not [message for message in a._told if isinstance(message, TagMoved)], "b's tags are not a's"
        house.tracker.check()


async def test_one_small_request_a_look_and_only_for_what_somebody_wants(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, publisher = MemoryStore(), Publisher("maps")
    store.publish(publisher, "stable", ONE)
    async with House(store) as house:
        await trio.sleep(20 * WATCH_S)
        assert not store.calls
        async with house.agent("a") as a:
            a.say(Subscribe(1, "maps", "stable"))
            await a.hear(Resolved)
            before = store.calls.copy()
            await trio.sleep(20 * WATCH_S)
            looked = store.calls - before
            assert set(looked) == {"has_tag_record"}
            assert 15 <= looked["has_tag_record"] <= 27
            await trio.sleep(READ_EVERY * WATCH_S)
            assert (store.calls - before)["newest_tag"] >= 1, "now and then it is read whatever the look says"
        await trio.sleep(2 * WATCH_S)
        before = store.calls.copy()
        await trio.sleep(20 * WATCH_S)
        assert store.calls == before, "who is gone wants nothing"


async def test_a_tag_that_is_made_later_is_heard_of(autojump_clock: trio.testing.MockClock) -> None:
    store, publisher = MemoryStore(), Publisher("maps")
    async with House(store) as house, house.agent("a") as a:
        a.say(Subscribe(1, "maps", "stable"))
        assert not (await a.hear(Resolved)).tag_records
        record = store.publish(publisher, "stable", ONE)
        await hear_of(a, record)


async def test_a_store_that_fails_or_forbids_the_look_stops_nothing(autojump_clock: trio.testing.MockClock) -> None:
    store, publisher = MemoryStore(), Publisher("maps")
    store.publish(publisher, "stable", ONE)
    async with House(store) as house, house.agent("a") as a:
        a.say(Subscribe(1, "maps", "stable"))
        await a.hear(Resolved)
        store.failure = UnavailableError("away")
        await trio.sleep(3 * WATCH_S)
        store.failure = None
        record = store.publish(publisher, "stable", TWO)
        await hear_of(a, record)

        async def forbidden(_name: str, _tag: str, _seq: int) -> bool:
            raise PermissionError_("no s3:ListBucket")

        store.has_tag_record = forbidden  # type: ignore[method-assign]
        record = store.publish(publisher, "stable", THREE)
        await hear_of(a, record)


def test_each_thing_is_watched_once_and_all_tags_of_a_name_stand_for_each() -> None:
    subscriptions = Subscriptions()
    for connection, name, tag in (
        (1, "maps", "a"),
        (2, "maps", "a"),
        (2, "maps", "b"),
        (3, "roads", None),
        (4, "roads", "x"),
    ):
        subscriptions.add(connection, name, tag)  # type: ignore[arg-type]
    assert subscriptions.watched() == [("maps", "a"), ("maps", "b"), ("roads", None)]
    for connection in (1, 2, 3):
        subscriptions.remove(connection)  # type: ignore[arg-type]
    assert subscriptions.watched() == [("roads", "x")]
    assert Watched("roads", "x", None).seq is None
