"""Which back ends are believed to create atomically, and what a store without that promises."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from swarm.errors import ConflictError, RefusedError
from swarm.store import probe
from swarm.store.identity import CreateClass, load_identity
from swarm.store.layout import history_key, tag_key
from swarm.store.memory import MemoryObjects, forget
from swarm.store.options import StoreOptions
from swarm.store.probe import creates_atomically
from swarm.store.retry import Backoff, Retrying
from swarm.store.store import Store
from tests.store.faults import CannotCreate, Faulty, LooksThenWrites, Overwrites, times
from tests.store.place import NAME, TAG, Place, tag_record

NOT_ATOMIC = [LooksThenWrites, Overwrites, CannotCreate]


@pytest.fixture(autouse=True)
def _whole_probe(monkeypatch: pytest.MonkeyPatch, _short_probe: None) -> None:
    monkeypatch.setattr(probe, "ROUNDS", 8)


@asynccontextmanager
async def store_on(kind: type[Faulty], *, single_writer: bool) -> AsyncIterator[tuple[Store, Faulty]]:
    forget("memory://probe")
    faulty = kind(MemoryObjects("memory://probe"))
    options = StoreOptions(single_writer=single_writer)
    yield Store(Retrying(faulty, Backoff(), random.Random(1)), options, await load_identity(faulty)), faulty


async def test_every_real_place_creates_atomically(place: Place) -> None:
    async with place.objects() as objects:
        assert await creates_atomically(objects)
        assert not (await objects.list_page("")).objects


@pytest.mark.parametrize("kind", NOT_ATOMIC)
async def test_what_only_seems_to_create_is_found_out(kind: type[Faulty], autojump_clock: MockClock) -> None:
    forget("memory://probe")
    objects = kind(MemoryObjects("memory://probe"))
    assert not await creates_atomically(objects)
    assert not (await objects.list_page("")).objects


async def test_a_lost_answer_during_the_probe_does_not_condemn_a_good_place(autojump_clock: MockClock) -> None:
    forget("memory://probe")
    faulty = Faulty(MemoryObjects("memory://probe"), times(3, "create", is_done=True))
    assert await creates_atomically(Retrying(faulty, Backoff(), random.Random(1)))


@pytest.mark.parametrize("kind", NOT_ATOMIC)
async def test_such_a_place_is_refused_unless_there_is_one_writer(
    kind: type[Faulty], autojump_clock: MockClock
) -> None:
    async with store_on(kind, single_writer=False) as (store, _):
        with pytest.raises(RefusedError, match="atomically") as caught:
            await store.initialise()
        assert "--single-writer" in caught.value.hint
        assert not store.is_initialised
    async with store_on(kind, single_writer=True) as (store, _):
        await store.initialise()
        assert store.create_class is CreateClass.CHECKED
        record = tag_record(store.realm, 0, None)
        await store.commit_tag(record)
        assert await store.newest_tag(NAME, TAG) == record


async def test_who_did_not_promise_to_be_the_only_writer_cannot_publish_there(autojump_clock: MockClock) -> None:
    async with store_on(Overwrites, single_writer=True) as (store, faulty):
        realm = await store.initialise()
        careless = Store(Retrying(faulty, Backoff(), random.Random(1)), StoreOptions(), await load_identity(faulty))
        with pytest.raises(RefusedError, match="atomically"):
            async with careless.publishing():
                pass
        with pytest.raises(RefusedError, match="atomically"):
            await careless.commit_tag(tag_record(realm, 0, None))


async def test_two_writers_who_promised_to_be_one_are_detected(autojump_clock: MockClock) -> None:
    """One is overwritten, because nothing there can prevent it; but that one is told."""
    async with store_on(LooksThenWrites, single_writer=True) as (store, _):
        await store.initialise()
        outcomes: list[bytes | None] = []

        async def publish(number: int) -> None:
            record = tag_record(store.realm, 0, None, root=f"root {number}")
            try:
                await store.commit_tag(record)
                outcomes.append(record)
            except ConflictError:
                outcomes.append(None)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(publish, number)
        winners = [record for record in outcomes if record is not None]
        assert len(outcomes) == 4
        assert winners == [await store.newest_tag(NAME, TAG)]


async def test_a_record_that_is_there_is_not_overwritten(autojump_clock: MockClock) -> None:
    async with store_on(Overwrites, single_writer=True) as (store, faulty):
        await store.initialise()
        first = tag_record(store.realm, 0, None, root="first")
        await store.commit_tag(first)
        await faulty.delete(tag_key(NAME, TAG))
        with pytest.raises(ConflictError):
            await store.commit_tag(tag_record(store.realm, 0, None, root="second"))
        assert await faulty.get(history_key(NAME, TAG, 0), max_bytes=1000) == first
