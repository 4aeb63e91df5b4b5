"""`swarm seed` as a function: publish, then give what was published, with a tracker inside where none is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

import trio

from swarm.agent.announce import keep_announced
from swarm.agent.library import opened
from swarm.agent.notices import Level, Note, Observer, Published, Ready
from swarm.agent.unwrapping import unwrapped
from swarm.config.configs import SeedConfig
from swarm.config.key_file import load_or_make_identity
from swarm.errors import ConflictError, UnreachableError, UsageError
from swarm.protocol.ids import Index
from swarm.protocol.keys import SigningKey
from swarm.protocol.records import decode_tag_record
from swarm.service.assembly import Parts, fresh_key, open_parts
from swarm.service.load import Load, published_load, stored_load, streamed_load, with_history
from swarm.service.publishing import publish_path
from swarm.service.telling import ANNOUNCE_S, open_teller, renewed
from swarm.service.tracking import open_embedded_tracker
from swarm.service.watching import report_serving

IDENTITY_FILE = "seeder.key"


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
    if config.dry_run:
        return (await publish_path(config, observer))[1]
    if config.once and config.common.tracker:
        async with open_teller(config.common, _key(config), observer, done="published") as tell:
            load, published = await _publish(config, observer)
            await tell(load.announcements)
        return published
    if config.once:
        return (await _publish(config, observer))[1]
    async with trio.open_nursery() as nursery:
        publications, to_tell = trio.open_memory_channel[Load](1)
        if config.common.tracker and config.common.store is not None:
            nursery.start_soon(_tell_early, config, to_tell, observer)
        load, _ = await _publish(config, observer)
        publications.send_nowait(load)
        await _give(config, load, observer)
    return None


async def _tell_early(config: SeedConfig, publications: trio.MemoryReceiveChannel[Load], observer: Observer) -> None:
    """Connects while it is published, so that followers hear at once: the store has it before the seeder is up.
    Whether that went well is nothing: the seeder tells it too."""
    with suppress(UnreachableError, ConflictError):
        async with open_teller(config.common, fresh_key(), observer, done="published") as tell:
            await tell((await publications.receive()).announcements)


async def _publish(config: SeedConfig, observer: Observer) -> tuple[Load, Published]:
    publication, published = await publish_path(config, observer)
    if config.bucket is not None:
        load = streamed_load(publication, published, observer)
    else:
        load = published_load(publication, published)
    if config.common.store is None:
        load = await with_history(load, config)
    return load, published


async def _give(config: SeedConfig, load: Load, observer: Observer) -> None:
    """Serves for ever."""
    async with _open_seeder(config, load) as (parts, ready), trio.open_nursery() as nursery:
        await _open_version(parts, load)
        nursery.start_soon(report_serving, parts.agent, observer)
        told = _announce(nursery, parts, load, observer, config)
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


def _announce(nursery: trio.Nursery, parts: Parts, load: Load, observer: Observer, config: SeedConfig) -> trio.Event:
    """Begins to tell every tracker that is connected; the event is set when the first knows all."""
    told = trio.Event()
    renew = partial(renewed, config.common)
    nursery.start_soon(partial(keep_announced, parts.agent, load.announcements, observer, told=told.set, renew=renew))
    return told


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
