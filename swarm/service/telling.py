"""Tells the tracker of tag records, for who publishes or moves a tag and ends: nobody need dial this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import trio

from swarm.agent.agent import Agent
from swarm.agent.announce import Announcement, keep_announced
from swarm.agent.notices import Observer
from swarm.config.configs import CommonConfig
from swarm.errors import MissingError, SwarmError, UnreachableError
from swarm.protocol.keys import SigningKey
from swarm.protocol.records import decode_tag_record
from swarm.service.assembly import fresh_key, open_parts
from swarm.service.producing import open_records
from swarm.store import Store
from swarm.transport.nursery_of_one import nursery_of_one

TAGS_TOLD_MAX = 256
"""Tags of a name that a tracker is told of at once: it hears that many in some seconds."""

ANNOUNCE_S = 10.0
"""How long the first word to the tracker may take before it is said that it has not heard."""


Tell = Callable[[tuple[Announcement, ...]], Awaitable[None]]


async def renewed(config: CommonConfig, told: tuple[Announcement, ...]) -> tuple[Announcement, ...]:
    """What the records say now of tags that were told before; as it was told where they cannot be read."""
    try:
        async with open_records(config) as records:
            return tuple([await _renewed(records, each) for each in told])
    except SwarmError:
        return told


async def _renewed(records: Store, each: Announcement) -> Announcement:
    was = decode_tag_record(each.tag_record)
    data = await records.newest_tag(was.name, was.tag) if records.realm == was.realm else None
    if data is None:
        return each
    chain, record = await records.name_chain(was.name), decode_tag_record(data)
    if record.order <= was.order:
        return replace(each, name_records=chain)
    root = each.root if record.root == was.root else None
    if root is None and record.root is not None:
        with suppress(MissingError):
            root = await records.get_root(record.root)
    return Announcement(each.label, data, chain, root)


async def tell_rotation(config: CommonConfig, records: Store, name: str, observer: Observer) -> None:
    """After the keys of a name have changed: the new chain, and every tag's record as it is signed now."""
    chain = await records.name_chain(name)
    newest = [(tag, await records.newest_tag(name, tag)) for tag in (await records.tags(name))[:TAGS_TOLD_MAX]]
    told = tuple(Announcement(f"{name}:{tag}", data, chain, None) for tag, data in newest if data is not None)
    await tell_tracker(config, fresh_key(), told, observer, done="the keys have changed")


async def tell_tracker(
    common: CommonConfig, key: SigningKey, announcements: tuple[Announcement, ...], observer: Observer, *, done: str
) -> None:
    """Once. `done`: what was done already, for the error. Raises UnreachableError, ConflictError (it refuses)."""
    async with open_teller(common, key, observer, done=done) as tell:
        await tell(announcements)


@asynccontextmanager
async def open_teller(common: CommonConfig, key: SigningKey, observer: Observer, *, done: str) -> AsyncIterator[Tell]:
    """The same for who has something to do first: the tracker is connected meanwhile, and hears of it at once. Until
    `tell` is called a tracker that does not answer hinders nobody."""
    async with open_parts(replace(common, listen=(), lan=False, store=None), key=key) as parts:
        yield partial(_tell, parts.agent, observer, done)


async def _tell(agent: Agent, observer: Observer, done: str, announcements: tuple[Announcement, ...]) -> None:
    told = trio.Event()
    async with nursery_of_one() as nursery:
        nursery.start_soon(partial(keep_announced, agent, announcements, observer, told=told.set))
        with trio.move_on_after(ANNOUNCE_S):
            await told.wait()
        reasons = agent.tracker.why_not()
    if not told.is_set():
        raise UnreachableError(
            f"{done}, but the tracker was not told: {reasons}",
            hint="it finds what is new in the store by itself, if it has --store",
        )
