"""What a store says of a name, and what this machine has seen of it. Of a range only what it may mean is read."""

from __future__ import annotations

from typing import Protocol

import trio

from swarm.agent.claims import Answer
from swarm.agent.listing import ALIVE_MAX
from swarm.agent.recordbook import Recordbook
from swarm.agent.roots import RootStore
from swarm.protocol.names import is_query, nearest
from swarm.protocol.ranges import ranked
from swarm.protocol.records import decode_tag_record
from swarm.protocol.tags import newest_release

TAGS_AT_ONCE = 8
"""Records of a name's tags read from the store at once: each costs a round trip or two."""


class RecordStore(RootStore, Protocol):
    """What resolving needs of a store."""

    async def newest_tag(self, name: str, tag: str) -> bytes | None: ...
    async def name_chain(self, name: str) -> tuple[bytes, ...]: ...
    async def names(self) -> list[str]: ...
    async def tags(self, name: str) -> list[str]: ...


def answer_of_book(book: Recordbook, name: str, tag: str | None) -> Answer | None:
    """What this machine has seen of a tag, a range, or all tags of a name."""
    tags = [tag] if tag is not None else book.tags(name)
    if tag is not None and is_query(tag):
        tags = ranked(tag, book.tags(name))
    records = tuple(record for each in tags if (record := book.newest(name, each)) is not None)
    return Answer("local", records, book.chain(name)) if records else None


async def answer_of_store(store: RecordStore, name: str, tag: str | None) -> Answer:
    """What a store says of a tag, a range, or all tags of a name; the nearest words where it knows nothing."""
    if tag is not None and is_query(tag):
        return await _range_of_store(store, name, tag)
    records = await _records(store, name, [tag] if tag is not None else await store.tags(name))
    if records:
        return Answer("store", records, await store.name_chain(name))
    known = await store.tags(name)
    if known and tag is not None:
        return Answer("store", (), (), near=tuple(f"{name}:{each}" for each in nearest(tag, known)))
    return Answer("store", (), (), near=nearest(name, await store.names()))


async def _range_of_store(store: RecordStore, name: str, query: str) -> Answer:
    """The list of tags is one request for a thousand; of their records only the greatest are read."""
    tags = await store.tags(name)
    if not tags:
        return Answer("store", (), (), near=nearest(name, await store.names()))
    wanted, alive = ranked(query, tags), 0
    found: list[bytes] = []
    while wanted and alive == 0:
        records = await _records(store, name, wanted[:ALIVE_MAX])
        wanted = wanted[ALIVE_MAX:]
        found += records
        alive += sum(decode_tag_record(data).root is not None for data in records)
    # None: the newest release says what there is instead.
    found = found or list(await _records(store, name, [newest_release(tags) or tags[0]]))
    return Answer("store", tuple(found), await store.name_chain(name))


async def _records(store: RecordStore, name: str, tags: list[str]) -> tuple[bytes, ...]:
    found: dict[str, bytes] = {}
    limiter = trio.CapacityLimiter(TAGS_AT_ONCE)

    async def read(tag: str) -> None:
        async with limiter:
            record = await store.newest_tag(name, tag)
        if record is not None:
            found[tag] = record

    if len(tags) == 1:
        await read(tags[0])
    else:
        async with trio.open_nursery() as nursery:
            for tag in tags:
                nursery.start_soon(read, tag)
    return tuple(found[tag] for tag in tags if tag in found)
