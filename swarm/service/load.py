"""What a seeder gives: a version that was just published from a directory, or one that the store has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import trio

from swarm.agent.announce import Announcement
from swarm.agent.library import HeldVersion, StoredVersion
from swarm.agent.notices import Level, Note, Observer, Published
from swarm.agent.shelf import Shelf
from swarm.config.configs import SeedConfig
from swarm.config.store_options import options_of
from swarm.errors import SwarmError, UsageError
from swarm.protocol.ids import Runs
from swarm.protocol.keys import fingerprint
from swarm.protocol.records import decode_tag_record
from swarm.protocol.version import Version
from swarm.seeder.publication import Publication
from swarm.service.assembly import Parts
from swarm.service.from_store import load_from_store
from swarm.service.producing import open_records
from swarm.service.telling import TAGS_TOLD_MAX
from swarm.store import open_store

TOLD_EVERY_S = 30.0
"""A store that fails fails often: it is told once in a while."""


@dataclass(frozen=True, slots=True)
class Load:
    """`pages` are in the order of the index space. `shelve` puts the data where the agent reads it, and says which
    indexes can be given."""

    version: Version
    pages: tuple[bytes, ...]
    announcements: tuple[Announcement, ...]
    publisher: str
    shelve: Callable[[Parts], Awaitable[tuple[Shelf, Runs]]]


def published_load(publication: Publication, published: Published) -> Load:
    """A directory's data is given from where it lies: nothing is copied."""
    version = publication.version

    async def shelve(parts: Parts) -> tuple[Shelf, Runs]:
        await parts.holdings.add_source(version, publication.scan, published.dataset)
        have = await parts.holdings.have(version.id)
        return HeldVersion(version, parts.holdings), have.runs() if have is not None else ()

    return Load(version, publication.pages, _announcements(publication), published.publisher, shelve)


def streamed_load(publication: Publication, published: Published, observer: Observer) -> Load:
    """Of what a bucket has this machine keeps nothing: blocks are read from the store when they are given."""
    version = publication.version
    shelve = _from_store(version, observer)
    return Load(version, publication.pages, _announcements(publication), published.publisher, shelve)


async def with_history(load: Load, config: SeedConfig) -> Load:
    """Without a store nobody but its seeder tells a tracker of the other tags: those that mean the same version, as the
    history in `$SWARM_HOME` says, and those that were removed."""
    records = [decode_tag_record(each.tag_record) for each in load.announcements]
    told = {(record.name, record.tag) for record in records}
    names = {record.name: each.name_records for record, each in zip(records, load.announcements, strict=True)}
    more: list[Announcement] = []
    async with open_records(config.common) as history:
        if any(record.realm != history.realm for record in records):
            return load
        for name, chain in names.items():
            for tag in (await history.tags(name))[:TAGS_TOLD_MAX]:
                data = await history.newest_tag(name, tag) if (name, tag) not in told else None
                root = decode_tag_record(data).root if data is not None else None
                if data is not None and root in (None, load.version.id):
                    more.append(Announcement(f"{name}:{tag}", data, chain, load.version.root_bytes if root else None))
    return replace(load, announcements=(*load.announcements, *more))


async def stored_load(config: SeedConfig, observer: Observer) -> Load:
    """Blocks are read from the store when they are given; only root and pages are kept here."""
    if config.common.store is None:
        raise UsageError("--from-store needs a store to serve from", hint="name it: --store URL")
    async with open_store(config.common.store, options_of(config.common)) as store:
        found = await load_from_store(store, config.dataset, config.common)
    version, record = found.version, decode_tag_record(found.tag_record)
    shelve = _from_store(version, observer)
    label = f"{record.name}:{record.tag}"
    announcement = Announcement(label, found.tag_record, found.name_records, version.root_bytes)
    return Load(version, found.pages, (announcement,), fingerprint(record.key), shelve)


def _announcements(publication: Publication) -> tuple[Announcement, ...]:
    root_bytes = publication.version.root_bytes
    return tuple(
        Announcement(f"{tag.name}:{tag.tag}", tag.record, publication.name_records[tag.name], root_bytes)
        for tag in publication.tags
    )


def _from_store(version: Version, observer: Observer) -> Callable[[Parts], Awaitable[tuple[Shelf, Runs]]]:
    async def shelve(parts: Parts) -> tuple[Shelf, Runs]:
        assert parts.store is not None
        shelf = StoredVersion(version, parts.holdings, await parts.store.get(), _teller(observer))
        return shelf, ((0, version.space.size),)

    return shelve


def _teller(observer: Observer) -> Callable[[SwarmError], None]:
    told_at = float("-inf")

    def tell(error: SwarmError) -> None:
        nonlocal told_at
        if trio.current_time() - told_at >= TOLD_EVERY_S:
            told_at = trio.current_time()
            observer.notify(Note(f"the store: {error}", Level.WARNING))

    return tell
