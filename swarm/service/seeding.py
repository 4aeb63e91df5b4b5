"""`swarm seed` as a function: publish, then give what was published, with a tracker inside where none is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import trio

from swarm.agent.announce import keep_announced
from swarm.agent.library import opened
from swarm.agent.notices import Level, Note, Observer, Published, Ready
from swarm.agent.unwrapping import unwrapped
from swarm.config.configs import SeedConfig
from swarm.config.key_file import load_or_make_identity
from swarm.errors import UnreachableError, UsageError
from swarm.protocol.ids import Index
from swarm.protocol.keys import SigningKey
from swarm.protocol.records import decode_tag_record
from swarm.service.assembly import Parts, open_parts
from swarm.service.load import Load, published_load, stored_load
from swarm.service.publishing import publish_path
from swarm.service.tracking import open_embedded_tracker
from swarm.service.watching import report_serving

IDENTITY_FILE = "seeder.key"

ANNOUNCE_S = 10.0
"""How long the first word to the tracker may take before it is said that it has not heard."""


@unwrapped
async def seed(config: SeedConfig, observer: Observer) -> Published | None:
    """Publishes and serves until cancelled. With `once` or `dry_run` returns what was published.

    Raises what publishing raises, UsageError, ConflictError (the tracker knows something newer), UnreachableError
    (`once` with a silent tracker).
    """
    if config.from_store:
        await _give(config, await stored_load(config, observer), observer)
        return None
    if config.once and config.common.store is None:
        raise UsageError(
            "--once publishes to a store and ends, and there is no store", hint="name one: --store s3://bucket/prefix"
        )
    publication, published = await publish_path(config, observer)
    if config.dry_run:
        return published
    load = published_load(publication, published)
    if not config.once:
        await _give(config, load, observer)
    elif config.common.tracker:
        await _tell_tracker(config, load, observer)
    return published


async def _give(config: SeedConfig, load: Load, observer: Observer) -> None:
    """Serves for ever."""
    async with _open_seeder(config, load) as (parts, ready), trio.open_nursery() as nursery:
        await _open_version(parts, load)
        nursery.start_soon(report_serving, parts.agent, observer)
        told = _announce(nursery, parts, load, observer)
        with trio.move_on_after(ANNOUNCE_S):
            await told.wait()
        if not told.is_set():
            text = f"no tracker has been told yet ({parts.agent.tracker.why_not()}); it is tried again"
            observer.notify(Note(text, Level.WARNING))
        observer.notify(ready)
        await trio.sleep_forever()


async def _open_version(parts: Parts, load: Load) -> None:
    holdings, version = parts.holdings, load.version
    await holdings.keep_root(version.root_bytes)
    for number, page in enumerate(load.pages):
        await holdings.keep_page(version.id, Index(number), page)
    shelf, runs = await load.shelve(parts)
    parts.agent.driver.shelves.open(opened(version, runs, is_origin=True, reads_store=False), shelf)
    await trio.to_thread.run_sync(_remember, parts, load)


def _remember(parts: Parts, load: Load) -> None:
    """So that neighbours on the LAN, who ask this machine itself, are answered."""
    for each in load.announcements:
        record = decode_tag_record(each.tag_record)
        parts.me.realm = record.realm
        parts.agent.recordbook.keep(record.name, record.tag, each.tag_record, each.name_records)


def _announce(nursery: trio.Nursery, parts: Parts, load: Load, observer: Observer) -> trio.Event:
    """Begins to tell every tracker that is connected; the event is set when the first knows all."""
    told = trio.Event()
    nursery.start_soon(partial(keep_announced, parts.agent, load.announcements, observer, told=told.set))
    return told


async def _tell_tracker(config: SeedConfig, load: Load, observer: Observer) -> None:
    """For who publishes and ends: nobody need dial this process."""
    common = replace(config.common, listen=(), lan=False)
    async with open_parts(common, key=_key(config)) as parts, trio.open_nursery() as nursery:
        told = _announce(nursery, parts, load, observer)
        with trio.move_on_after(ANNOUNCE_S):
            await told.wait()
        reasons = parts.agent.tracker.why_not()
        nursery.cancel_scope.cancel()
    if not told.is_set():
        raise UnreachableError(
            f"published, but the tracker was not told: {reasons}",
            hint="it finds the new version in the store by itself, if it has --store",
        )


@asynccontextmanager
async def _open_seeder(config: SeedConfig, load: Load) -> AsyncIterator[tuple[Parts, Ready]]:
    async with AsyncExitStack() as stack:
        trackers, http = config.common.tracker, None
        if not trackers:
            inside = await stack.enter_async_context(open_embedded_tracker(config))
            trackers, http = inside.addresses, inside.http
        parts = await stack.enter_async_context(
            open_parts(config.common, key=_key(config), is_origin=True, trackers=trackers)
        )
        transport = parts.agent.parts.transport
        label = load.announcements[0].label
        command = f"swarm fetch {label} --tracker {http or trackers[0]} --publisher {load.publisher}"
        yield parts, Ready("seed", transport.addresses, http, transport.peer_id, command)


def _key(config: SeedConfig) -> SigningKey:
    return load_or_make_identity(config.identity or config.common.home / IDENTITY_FILE, "seeder key")
