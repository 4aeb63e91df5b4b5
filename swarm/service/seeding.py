"""`swarm seed` as a function: publish, then give what was published, with a tracker inside where none is named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import trio

from swarm.agent.announce import Announcement, announce, keep_announced
from swarm.agent.library import HeldVersion, StoredVersion, opened
from swarm.agent.notices import Level, Note, Observer, Published, Ready
from swarm.agent.shelf import Shelf
from swarm.agent.unwrapping import unwrapped
from swarm.config.configs import SeedConfig
from swarm.config.key_file import load_or_make_identity
from swarm.config.store_options import options_of
from swarm.errors import SwarmError, UnreachableError, UsageError
from swarm.protocol.ids import Index, Runs
from swarm.protocol.keys import fingerprint
from swarm.protocol.records import decode_tag_record
from swarm.protocol.version import Version
from swarm.seeder.publication import Publication
from swarm.service.assembly import Parts, open_parts
from swarm.service.from_store import load_from_store
from swarm.service.publishing import publish_path
from swarm.service.tracking import open_embedded_tracker
from swarm.service.watching import report_serving
from swarm.store import open_store

IDENTITY_FILE = "seeder.key"

ANNOUNCE_S = 10.0
"""How long the first word to the tracker may take before it is said that it has not heard."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a seeder gives. `prepare` puts it into the holdings; the shelf and the runs of it come from `shelve`."""

    version: Version
    pages: tuple[bytes, ...]
    announcements: tuple[Announcement, ...]
    publisher: str
    prepare: Callable[[Parts], Awaitable[None]]
    shelve: Callable[[Parts], Awaitable[tuple[Shelf, Runs]]]


@unwrapped
async def seed(config: SeedConfig, observer: Observer) -> Published | None:
    """Publishes and serves until cancelled. With `once` or `dry_run` returns what was published.

    Raises what publishing raises, UsageError, UnreachableError (`once` with a silent tracker).
    """
    if config.from_store:
        await _give(config, await _stored_load(config, observer), observer)
        return None
    if config.once and config.common.store is None:
        raise UsageError(
            "--once publishes to a store and ends, and there is no store", hint="name one: --store s3://bucket/prefix"
        )
    publication, published = await publish_path(config, observer)
    if config.dry_run:
        return published
    load = _published_load(publication, published)
    if not config.once:
        await _give(config, load, observer)
    elif config.common.tracker:
        await _tell_tracker(config, load, observer)
    return published


# --- what is given ------------------------------------------------------------------------------


def _published_load(publication: Publication, published: Published) -> Load:
    version = publication.version

    async def prepare(parts: Parts) -> None:
        await parts.holdings.add_source(version, publication.scan, published.dataset)

    async def shelve(parts: Parts) -> tuple[Shelf, Runs]:
        have = await parts.holdings.have(version.id)
        return HeldVersion(version, parts.holdings), have.runs() if have is not None else ()

    announcements = tuple(
        Announcement(f"{tag.name}:{tag.tag}", tag.record, publication.name_records[tag.name], version.root_bytes)
        for tag in publication.tags
    )
    return Load(version, publication.pages, announcements, published.publisher, prepare, shelve)


async def _stored_load(config: SeedConfig, observer: Observer) -> Load:
    if config.common.store is None:
        raise UsageError("--from-store needs a store to serve from", hint="name it: --store URL")
    async with open_store(config.common.store, options_of(config.common)) as store:
        found = await load_from_store(store, config.dataset, config.common)
    version, record = found.version, decode_tag_record(found.tag_record)

    async def prepare(_parts: Parts) -> None:
        """Nothing is kept here but root and pages."""

    def told(error: SwarmError) -> None:
        observer.notify(Note(f"the store: {error}", Level.WARNING))

    async def shelve(parts: Parts) -> tuple[Shelf, Runs]:
        assert parts.store is not None
        shelf = StoredVersion(version, parts.holdings, await parts.store.get(), told)
        return shelf, ((0, version.space.size),)

    label = f"{record.name}:{record.tag}"
    announcement = Announcement(label, found.tag_record, found.name_records, version.root_bytes)
    return Load(version, found.pages, (announcement,), fingerprint(record.key), prepare, shelve)


# --- giving it ----------------------------------------------------------------------------------


async def _give(config: SeedConfig, load: Load, observer: Observer) -> None:
    """Serves for ever."""
    async with _open_seeder(config, load) as (parts, ready):
        holdings, version, agent = parts.holdings, load.version, parts.agent
        await holdings.keep_root(version.root_bytes)
        for number, page in enumerate(load.pages):
            await holdings.keep_page(version.id, Index(number), page)
        await load.prepare(parts)
        shelf, runs = await load.shelve(parts)
        agent.driver.put_shelf(version.id, shelf)
        agent.driver.submit(opened(version, runs, is_origin=True, reads_store=False))
        _remember(parts, load)
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(ANNOUNCE_S) as scope:
                await announce(agent, load.announcements, observer)
            if scope.cancelled_caught:
                text = f"no tracker answers yet ({'; '.join(agent.tracker.failures.values())}); it is tried again"
                observer.notify(Note(text, Level.WARNING))
            nursery.start_soon(keep_announced, agent, load.announcements, observer)
            nursery.start_soon(report_serving, agent, observer)
            nursery.start_soon(agent.driver.wait_failed)
            observer.notify(ready)
            await trio.sleep_forever()


@asynccontextmanager
async def _open_seeder(config: SeedConfig, load: Load) -> AsyncIterator[tuple[Parts, Ready]]:
    key = load_or_make_identity(config.identity or config.common.home / IDENTITY_FILE, "seeder key")
    async with AsyncExitStack() as stack:
        trackers, http = config.common.tracker, None
        if not trackers:
            inside = await stack.enter_async_context(open_embedded_tracker(config))
            trackers, http = inside.addresses, inside.http
        parts = await stack.enter_async_context(open_parts(config.common, key=key, is_origin=True, trackers=trackers))
        transport = parts.agent.parts.transport
        label = load.announcements[0].label
        command = f"swarm fetch {label} --tracker {http or trackers[0]} --publisher {load.publisher}"
        yield parts, Ready("seed", transport.addresses, http, transport.peer_id, command)


def _remember(parts: Parts, load: Load) -> None:
    """So that neighbours on the LAN, who ask this machine itself, are answered."""
    for each in load.announcements:
        record = decode_tag_record(each.tag_record)
        parts.me.realm = record.realm
        parts.agent.recordbook.keep(record.name, record.tag, each.tag_record, each.name_records)


async def _tell_tracker(config: SeedConfig, load: Load, observer: Observer) -> None:
    key = load_or_make_identity(config.identity or config.common.home / IDENTITY_FILE, "seeder key")
    async with open_parts(config.common, key=key) as parts:
        with trio.move_on_after(ANNOUNCE_S) as scope:
            await announce(parts.agent, load.announcements, observer)
        if scope.cancelled_caught:
            reasons = "; ".join(f"{url}: {reason}" for url, reason in parts.agent.tracker.failures.items())
            raise UnreachableError(
                f"published, but the tracker was not told: {reasons}",
                hint="it finds the new version in the store by itself, if it has --store",
            )
