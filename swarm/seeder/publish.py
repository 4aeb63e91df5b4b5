"""Publishes a material: scan, cut and hash, send what the store lacks, pages, root, then move the tags.

Nothing is visible before a tag's record is created, which is the last step; what was sent before is found again by the
next attempt. Without a store the data stays where it is, and only records, root and pages are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from swarm.dataset.entries import Scan, name_some, show
from swarm.errors import NotFoundError, UsageError, most_telling
from swarm.protocol.ids import BlockId, short
from swarm.protocol.keys import SigningKey
from swarm.protocol.manifest import Root
from swarm.protocol.names import LATEST, Reference
from swarm.protocol.records import decode_tag_record, moves_immutable
from swarm.protocol.version import Version
from swarm.seeder.advice import advise
from swarm.seeder.committing import commit_whole
from swarm.seeder.cutting import cutter_for
from swarm.seeder.draft import Draft
from swarm.seeder.known import known_blocks, load_draft
from swarm.seeder.material import Drafted, LocalMaterial, Material
from swarm.seeder.observer import PublishObserver, Unwatched
from swarm.seeder.publication import Publication, PublishOptions
from swarm.seeder.standing import Standing, goals_of, newest_root, read_standing
from swarm.seeder.tagging import (
    Goal,
    PublishedTag,
    Signer,
    claim_name,
    must_move,
    refuse_to_replace,
    settle_latest,
    settle_tag,
    version_for,
    would_follow,
)
from swarm.seeder.upload import Upload
from swarm.store import Store
from swarm.store.marker import Marker


async def publish(
    source: Path | Material,
    names: Sequence[Reference],
    *,
    store: Store | None,
    history: Store | None = None,
    key: SigningKey,
    options: PublishOptions | None = None,
    observer: PublishObserver | None = None,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> Publication:
    """Makes every one of `names` mean what is at `source` now: a directory, a file, or what `BucketMaterial` reads.

    `history` (`open_history`) stands in where there is no `store`. Raises NotFoundError, UsageError, PermissionError_
    (scan), SourceChangedError, TrustError (key), RefusedError (a release would move), ConflictError (somebody else
    moved a tag meanwhile; `.newest` is his record), and what the store raises.
    """
    records = store or history
    if records is None:
        raise UsageError("nowhere to publish to", hint="name a --store")
    material: Material = LocalMaterial(source) if isinstance(source, Path) else source
    if material.is_streamed and store is None:
        raise UsageError(f"{material.shown} is not copied to this machine", hint="name a --store for its blocks")
    told = observer or Unwatched()
    publishing = _Publishing(records, material, key, options or PublishOptions(), told, has_store=bool(store))
    try:
        return await publishing.run(goals_of(names), now_ms)
    except BaseExceptionGroup as group:
        raise most_telling(group) from None  # one says it: the others have the same cause, or less to say


@dataclass(frozen=True, slots=True)
class _Before:
    """What the records said. `readable` None: there are none yet."""

    readable: Store | None
    standing: Standing
    last: Root | None


class _Publishing:
    """One publish. `records` is the store, or the history where there is none."""

    def __init__(
        self,
        records: Store,
        material: Material,
        key: SigningKey,
        options: PublishOptions,
        observer: PublishObserver,
        *,
        has_store: bool,
    ) -> None:
        self._records = records
        self._material = material
        self._has_store = has_store
        self._key = key
        self._options = options
        self._observer = observer
        self._started_s = time.monotonic()

    async def run(self, goals: tuple[tuple[str, str], ...], now_ms: Callable[[], int]) -> Publication:
        # A place becomes a store only when it is known to lie apart from the data: data is never written to.
        found = None if self._records.is_initialised else await self._scan()
        readable = await self._open()
        standing = await read_standing(readable, goals, self._key)
        found = found or await self._scan()
        last = await newest_root(readable, standing)
        before = _Before(readable, standing, last)
        if not self._material.is_streamed or self._options.dry_run:
            return await self._publish(await self._draft(found, last), before, now_ms)
        async with self._records.publishing() as marker:  # before the first look at what the store has
            return await self._publish(await self._draft(found, last), before, now_ms, marker)

    async def _publish(
        self, drafted: Drafted, known: _Before, now_ms: Callable[[], int], marker: Marker | None = None
    ) -> Publication:
        draft, standing, last, readable = drafted.draft, known.standing, known.last, known.readable
        # Without a store a version costs what these do not have: who follows the name has one of them.
        before = [tag.root for tag in standing.tags if tag.root] + ([last] if last else [])
        for tag in standing.tags:
            must_move(tag, self._goal(draft.version))  # a release that would move: refused before all else
        draft = await self._agreed(draft, standing)
        await self._advise(draft, last)
        if self._options.dry_run:
            new = await self._would_be_new(draft, before, readable)
            would_move = await self._would_move(draft.version, standing, readable)
            return replace(self._publication(draft, new), would_move=would_move)
        async with self._records.publishing() if marker is None else nullcontext(marker) as kept:
            new = await self._send(draft, before) | (drafted.sent & set(draft.version.block_ids))
            signer = Signer(self._key, self._records.realm, now_ms())
            return await commit_whole(
                self._records,
                kept,
                partial(self._commit, draft, standing, new, signer),
                partial(self._send_again, draft),
            )

    def _goal(self, version: Version) -> Goal:
        return Goal(version.id, version.root, self._options.marks, is_forced=self._options.is_forced)

    async def _open(self) -> Store | None:
        """The records, if there are any yet: a dry run does not begin a store."""
        if not self._options.dry_run or self._records.is_initialised:
            await self._records.initialise(self._options.realm)
            return self._records
        return None

    async def _scan(self) -> Scan:
        self._observer.progress("scan", 0, None)
        found = await self._material.scan(self._options.scan, self._observer)
        await self._material.check_apart(found, self._records.url)
        if not found.entries and not self._options.scan.selection.is_everything:
            raise NotFoundError(
                f"nothing in {self._material.shown} is selected by --include and --exclude",
                hint="an empty dataset is hardly meant",
            )
        if found.skipped:
            self._observer.note(f"left out: {name_some([show(path) for path in found.skipped])}")
        return found

    async def _draft(self, found: Scan, last: Root | None) -> Drafted:
        cutter = cutter_for(self._options, last, found.total_bytes)
        if last and last.cutter != cutter:
            self._observer.note(
                f"cut anew: no block of the versions before is shared, {found.total_bytes:,} bytes move"
            )
        store = self._records if self._has_store and not self._options.dry_run else None
        return await self._material.draft(found, cutter, self._observer, store)

    async def _advise(self, draft: Draft, last: Root | None) -> None:
        """A hint about block sizes, where nobody has chosen one and something was seen."""
        if self._options.average is None and self._records.is_initialised:
            text = await advise(self._records, draft, last, has_store=self._has_store)
            if text:
                self._observer.note(text)

    async def _would_be_new(self, draft: Draft, before: list[Root], readable: Store | None) -> set[BlockId]:
        ids = set(draft.version.block_ids)
        if readable is None:
            return ids
        return await readable.missing_blocks(ids) if self._has_store else await self._not_in(ids, before)

    async def _would_move(self, version: Version, standing: Standing, readable: Store | None) -> tuple[str, ...]:
        moving = [tag for tag in standing.tags if must_move(tag, self._goal(version))]
        found = [f"{tag.name}:{tag.tag}" for tag in moving]
        for name in standing.names:
            asked = [tag.tag for tag in standing.tags if tag.name == name.name]
            releases = [tag.tag for tag in moving if tag.name == name.name]
            if self._options.no_latest or LATEST in asked:
                continue
            if any([await would_follow(readable, name, tag, version.id) for tag in releases]):
                found.append(f"{name.name}:{LATEST}")
        return tuple(found)

    async def _not_in(self, ids: set[BlockId], before: list[Root]) -> set[BlockId]:
        return ids - await known_blocks(self._records, before)

    async def _agreed(self, draft: Draft, standing: Standing) -> Draft:
        """The draft, or the version with the same content that a tag means already: times alone make no new one."""
        version = version_for(standing, draft.version)
        if version == draft.version.id:
            return draft
        known = await load_draft(self._records, draft, version)
        if known is None:
            if not self._options.is_forced:
                refuse_to_replace(standing, version)
            self._observer.note(f"{short(version)} has the same content, but is not whole any more: published anew")
            return draft
        self._observer.note(f"only times differ from {short(version)}, which stays")
        return known

    async def _send(self, draft: Draft, before: list[Root]) -> set[BlockId]:
        """All but the tags' records. Returns the blocks that were new."""
        missing = await self._send_missing(draft)
        self._observer.progress("commit", 0, None)
        await self._material.check_unchanged(draft.scan, self._observer)
        ids = set(draft.version.block_ids)
        return ids & missing if self._has_store else await self._not_in(ids, before)

    async def _send_missing(self, draft: Draft) -> set[BlockId]:
        upload = Upload(self._records, draft, self._observer, with_blocks=self._has_store)
        missing = await upload.missing()
        await upload.send(missing)
        await upload.send(await upload.condemned())
        # After the last look at what is condemned: an earlier root might be among it.
        await self._records.put_root(draft.version.id, draft.version.root_bytes)
        return missing

    async def _send_again(self, draft: Draft) -> None:
        missing = await self._send_missing(draft)
        if missing:
            what = f"what was collected as garbage meanwhile is sent again ({len(missing):,} of its blocks and pages)"
            self._observer.note(f"suspended for hours while the tags moved: {what}")

    async def _commit(self, draft: Draft, standing: Standing, new: set[BlockId], signer: Signer) -> Publication:
        version, goal = draft.version, self._goal(draft.version)
        names = {name.name: await claim_name(self._records, name, signer) for name in standing.names}
        settled = [await settle_tag(self._records, tag, goal, signer) for tag in standing.tags]
        for was, tag in zip(standing.tags, settled, strict=True):
            if tag.is_moved and was.record is not None and moves_immutable(was.record, decode_tag_record(tag.record)):
                self._observer.note(
                    f"{tag.name}:{tag.tag} is a release: machines that have seen it before will refuse it"
                )
        tags = [tag for tag in settled if tag.version == version.id]
        for tag in settled:
            if tag.version != version.id:
                self._observer.note(f"{tag.name}:{tag.tag} stays at {short(tag.version)}, which has the same content")
        for name in names.values():
            releases = [tag for tag in tags if tag.name == name.name]
            if not self._options.no_latest and all(tag.tag != LATEST for tag in releases):
                latest = await settle_latest(self._records, name, releases, goal, signer)
                tags += [latest] if latest else []
        return self._publication(draft, new, tuple(tags), {name: found.records for name, found in names.items()})

    def _publication(
        self,
        draft: Draft,
        new: set[BlockId],
        tags: tuple[PublishedTag, ...] = (),
        name_records: Mapping[str, tuple[bytes, ...]] | None = None,
    ) -> Publication:
        table = zip(draft.version.block_ids, draft.version.block_lengths, strict=True)
        return Publication(
            version=draft.version,
            pages=draft.pages,
            scan=draft.scan,
            source=draft.source,
            realm=self._records.realm if self._records.is_initialised else None,
            tags=tags,
            name_records=name_records or {},
            blocks_new=len(new),
            bytes_new=sum(length for block, length in table if block in new),
            seconds=time.monotonic() - self._started_s,
            is_dry_run=self._options.dry_run,
        )
