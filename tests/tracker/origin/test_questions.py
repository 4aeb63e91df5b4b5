"""What is asked of the store for a listing: page by page, each tag and name once."""

from __future__ import annotations

from typing import cast

import pytest

from swarm.protocol.records import decode_tag_record
from swarm.tracker.commands import NamesQuestion, TagsQuestion
from swarm.tracker.events import LookedUp
from swarm.tracker.origin import questions
from swarm.tracker.origin.link import StoreLink
from swarm.tracker.origin.questions import look_up
from tests.tracker.memory_store import MemoryStore
from tests.tracker.publisher import Publisher
from tests.tracker.versions import small_version

ONE = small_version(3, "one")


class Link:
    """A store that is open."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def get(self) -> MemoryStore:
        return self._store


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    monkeypatch.setattr(questions, "LISTING_RECORDS_MAX", 4)
    store = MemoryStore()
    store.delay_s = 0.0
    for name, count in (("a", 2), ("b", 3), ("c", 1), ("long", 9)):
        publisher = Publisher(name)
        for number in range(count):
            store.publish(publisher, f"t{number}", ONE)
    return store


async def ask(store: MemoryStore, question: TagsQuestion | NamesQuestion) -> tuple[list[str], str]:
    found = await look_up(cast("StoreLink", Link(store)), question)
    assert isinstance(found, LookedUp)
    assert not found.failure
    records = [decode_tag_record(data) for data in found.tag_records]
    assert {record.name for record in records} <= {name for name, _ in found.chains}
    return [f"{record.name}:{record.tag}" for record in records], found.cut_at


async def test_the_tags_of_a_name_come_in_order(store: MemoryStore) -> None:
    assert await ask(store, TagsQuestion("long", "")) == ([f"long:t{n}" for n in range(4)], "t3")
    assert await ask(store, TagsQuestion("long", "t3")) == ([f"long:t{n}" for n in range(4, 8)], "t7")
    assert await ask(store, TagsQuestion("long", "t7")) == (["long:t8"], "")
    assert await ask(store, TagsQuestion("long", "t8")) == ([], "")


async def test_names_come_with_all_their_tags_or_with_the_next_page(store: MemoryStore) -> None:
    assert await ask(store, NamesQuestion()) == (["a:t0", "a:t1"], "a")
    assert await ask(store, NamesQuestion("a")) == (["b:t0", "b:t1", "b:t2", "c:t0"], "c")
    # Those of one name that are too many are left to who asks for that name.
    records, cut_at = await ask(store, NamesQuestion("c"))
    assert (len(records), cut_at) == (4, "")
