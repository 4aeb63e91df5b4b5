"""The publishing half of `swarm seed`: options in, notices out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from swarm.agent.notices import Level, Note, Observer, Phase, Progress, Published
from swarm.agent.recordbook import Recordbook
from swarm.config.configs import MtimeKind, SeedConfig
from swarm.config.key_file import load_or_make_publisher_key, load_publisher_key
from swarm.config.store_options import options_of
from swarm.dataset.entries import ScanOptions
from swarm.dataset.mtime import MtimeRule
from swarm.dataset.selection import Selection
from swarm.errors import NotFoundError, UsageError
from swarm.protocol.keys import SigningKey
from swarm.protocol.names import LATEST
from swarm.seeder.bucket_material import BucketMaterial
from swarm.seeder.history import DIRECTORY, open_history
from swarm.seeder.marks import parse_marks
from swarm.seeder.material import Material
from swarm.seeder.publication import Publication, PublishOptions
from swarm.seeder.publish import publish
from swarm.seeder.standing import goals_of
from swarm.service.assembly import fresh_key
from swarm.service.producing import check_goals
from swarm.service.tracker_realm import realm_of_trackers
from swarm.store import Store, open_store
from swarm.store.bucket import open_bucket


async def publish_path(config: SeedConfig, observer: Observer) -> tuple[Publication, Published]:
    """Publishes `config.path` or `config.bucket`, and tells the observer. Raises what `swarm.seeder.publish.publish`
    raises."""
    key, is_new = _key(config)
    if is_new and config.dry_run:
        observer.notify(Note("there is no publisher key yet: the first publish makes one", Level.INFO))
    elif is_new:
        observer.notify(Note(f"made a publisher key for this machine: {key.fingerprint}", Level.INFO))
    async with _open_material(config) as material, _open_records(config) as (store, history):
        await _check_past(config, store or history)
        publication = await publish(
            material,
            (config.dataset, *config.tag),
            store=store,
            history=history,
            key=key,
            options=_options(config),
            observer=_Watcher(observer),
        )
    await trio.to_thread.run_sync(_remember, config, publication)
    published = _published(config, publication, "" if is_new and config.dry_run else key.fingerprint)
    observer.notify(published)
    return publication, published


async def _check_past(config: SeedConfig, records: Store | None) -> None:
    """`--realm` begins anew, so nothing that was seen counts."""
    if records is None or not records.is_initialised or config.realm is not None:
        return
    goals = goals_of((config.dataset, *config.tag))
    latest = [(name, LATEST) for name, _ in goals] if config.latest else []
    await check_goals(records, config.common, dict.fromkeys([*goals, *latest]))


def _remember(config: SeedConfig, publication: Publication) -> None:
    """What was signed here has been seen here: the next publish, or move of a tag, is held to it."""
    book = Recordbook(config.common.home)
    for tag in publication.tags:
        book.keep(tag.name, tag.tag, tag.record, publication.name_records[tag.name])


@asynccontextmanager
async def _open_material(config: SeedConfig) -> AsyncIterator[Path | Material]:
    """What is published. A bucket is spoken to as the store is, but for encryption, which its own URL may name."""
    if config.bucket is not None:
        options = replace(options_of(config.common), sse=None, sse_kms_key_id=None, sse_c_key=None)
        async with open_bucket(config.bucket, options) as bucket:
            yield BucketMaterial(bucket)
    elif config.path is not None:
        yield config.path
    else:
        raise UsageError("there is no PATH to publish", hint="swarm seed PATH NAME[:TAG]")


def _key(config: SeedConfig) -> tuple[SigningKey, bool]:
    """The publisher key, and whether it is new. A dry run makes no file."""
    if not config.dry_run:
        return load_or_make_publisher_key(config.common)
    try:
        return load_publisher_key(config.common), False
    except NotFoundError:
        if config.common.key is not None:
            raise
        return fresh_key(), True


@asynccontextmanager
async def _open_records(config: SeedConfig) -> AsyncIterator[tuple[Store | None, Store | None]]:
    """The store, or where there is none the history in SWARM_HOME."""
    common = config.common
    if common.store is None:
        with _history_home(config) as home:
            realm = config.realm or await realm_of_trackers(common.tracker)
            async with open_history(home, realm) as history:
                yield None, history
        return
    async with open_store(common.store, options_of(common)) as store:
        yield store, None


@contextmanager
def _history_home(config: SeedConfig) -> Iterator[Path]:
    """SWARM_HOME; for a dry run where nothing was published from here yet, a place that goes again."""
    if config.dry_run and not (config.common.home / DIRECTORY).exists():
        with TemporaryDirectory(prefix="swarm-") as place:
            yield Path(place)
    else:
        yield config.common.home


def _options(config: SeedConfig) -> PublishOptions:
    scan = ScanOptions(
        selection=Selection(config.include, config.exclude),
        links=config.links.value,
        skip_special=config.skip_special,
        mtime=_mtime(config),
    )
    return PublishOptions(
        scan=scan,
        average=config.block_size,
        rechunk=config.rechunk,
        no_latest=not config.latest,
        realm=config.realm,
        dry_run=config.dry_run,
        marks=parse_marks(config.note, config.label),
        is_forced=config.force,
    )


def _mtime(config: SeedConfig) -> MtimeRule:
    match config.mtime.kind:
        case MtimeKind.KEEP:
            return "keep"
        case MtimeKind.NONE:
            return "none"
        case MtimeKind.FIXED:
            return config.mtime.fixed_ns or 0


def _published(config: SeedConfig, publication: Publication, publisher: str) -> Published:
    totals, asked = publication.version.root.totals, (config.dataset, *config.tag)
    return Published(
        dataset=str(config.dataset) if config.dataset.tag else f"{config.dataset.name}:latest",
        digest=publication.version.id.hex(),
        tags=publication.would_move or tuple(f"{tag.name}:{tag.tag}" for tag in publication.tags or asked),
        files=totals.files,
        bytes=totals.bytes,
        blocks=totals.blocks,
        bytes_new=publication.bytes_new,
        blocks_new=publication.blocks_new,
        seconds=round(publication.seconds, 3),
        publisher=publisher,
        realm=publication.realm.hex() if publication.realm is not None else "",
        is_unchanged=publication.is_unchanged,
        is_dry_run=publication.is_dry_run,
    )


_PHASES = {"scan": Phase.SCAN, "prepare": Phase.PREPARE, "upload": Phase.UPLOAD, "commit": Phase.COMMIT}


class _Watcher:
    """Turns what publishing tells into notices."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def progress(self, phase: str, done: int, total: int | None, /) -> None:
        kind = _PHASES[phase]
        files = done if kind is Phase.SCAN else None
        self._observer.notify(Progress(kind, 0 if files is not None else done, total, files_done=files))

    def note(self, text: str, /) -> None:
        self._observer.notify(Note(text))
