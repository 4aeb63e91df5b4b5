"""A collection of garbage: removes from a store what no kept version needs, beside those who publish at the same time.

Two phases, in one pass over the listing. What was condemned a day ago, is still needed by nobody and was not written
since, is deleted: roots first, so that a version is gone before its blocks are. What is needed by nobody is condemned
(`sweep` has the steps, docs/store.md section 4 the reasons). Killed at any point, the next run goes on. Objects that
are not of the layout are never touched, and tag histories stay.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass

from swarm.errors import ConflictError, CorruptError, MissingError
from swarm.protocol.ids import BlockId, VersionId
from swarm.store._listing import Listing
from swarm.store._objects import BatchUnsupportedError, Listed
from swarm.store._workers import for_each
from swarm.store.ages import CLOCK_MARGIN_S, LIVE_AGE_MAX_S, RENEW_INTERVAL_S
from swarm.store.blocks import Blocks
from swarm.store.collected import Amount, Collected, Progress, Request
from swarm.store.condemned import CONDEMNED_BYTES_MAX, Condemnation, Run, load_runs
from swarm.store.dropped import Dropping
from swarm.store.identity import Identity
from swarm.store.layout import (
    BLOCK_PREFIX_COUNT,
    BLOCKS,
    PUBLISHING,
    VERSIONS,
    block_of,
    gc_key,
    marker_key,
    version_of_key,
)
from swarm.store.marker import live_markers
from swarm.store.needed import Needed
from swarm.store.retention import Kept, Retention
from swarm.store.retry import Retrying
from swarm.store.sweep import Rules, Sweep, root_times_of, times_of

DELETIONS_AT_ONCE = 32
DELETIONS_GATHERED = 8192
"""Keys that wait for each other: eight full requests to S3."""


class Collection:
    """One run of `swarm gc`."""

    def __init__(
        self, objects: Retrying, identity: Identity, request: Request, rules: Rules, progress: Progress
    ) -> None:
        self._objects = objects
        self._request = request
        self._rules = rules
        self._progress = progress
        self._retention = Retention(objects, identity, request.keep)
        self._sweep = Sweep(objects, rules)
        self._dropping = Dropping(Blocks(objects)) if request.is_dry_run else None
        self._batch = _Batch()
        self._kept = self._freed = self._condemned = self._pending = self._young = Amount()
        self._time_ms = 0
        self._young_ms = 0
        self._young_s = CLOCK_MARGIN_S

    async def run(self) -> Collected:
        """Raises CorruptError where a kept version cannot be read: then nothing was deleted. ConflictError, and what
        the store raises."""
        now_s = await self._objects.server_time()
        await self._set_times(now_s)
        with (
            Needed(Blocks(self._objects), self._request.directory) as needed,
            Needed(Blocks(self._objects), self._request.directory) as spared,
        ):
            await self._mark(needed, now_s)
            ripe = [] if self._request.is_alone else await self._load(now_s)
            if self._request.is_dry_run:
                self._sweep.claimed = ripe
            elif ripe:
                await self._sweep.claim(ripe)
                await self._mark(needed, now_s)
            await self._roots(needed, spared)
            await self._blocks(needed, spared)
        if self._dropping is not None:
            await self._retention.meanings({one.version: one.meanings for one in self._dropping.versions})
        await self._end()
        return self._collected()

    # --- what is needed

    async def _mark(self, needed: Needed, now_s: float) -> None:
        async def take(kept: Kept) -> None:
            await needed.add(kept)
            self._progress("mark", len(needed.roots), None)

        await self._retention.read(now_s, take)

    async def _set_times(self, now_s: float) -> None:
        live = await live_markers(self._objects)
        if self._request.is_alone:
            recent = sorted(run for run, written_s in live.items() if now_s - written_s < 2 * RENEW_INTERVAL_S)
            if recent:
                hint = "leave out --no-publishers, or wait: a killed publisher counts for two hours here"
                raise ConflictError(f"somebody publishes to {self._objects.url} ({recent[0]})", hint=hint)
            return
        self._time_ms = int((await self._written_s(now_s) - CLOCK_MARGIN_S) * 1000)
        # What is being published now is needed by nobody yet: to condemn it would have it sent twice.
        self._young_ms = self._time_ms - int(LIVE_AGE_MAX_S * 1000) if live else self._time_ms
        self._young_s = LIVE_AGE_MAX_S if live else CLOCK_MARGIN_S

    async def _written_s(self, now_s: float) -> float:
        """When an object that is written now was written, as its listing will say: a store's `Date` may be ahead of it.
        The object is a marker, so that what it is called means nothing to anybody."""
        if self._request.is_dry_run:
            return now_s
        key = marker_key(f"gc-{uuid.uuid4().hex}")
        await self._objects.put(key, b"")
        stat = await self._objects.stat(key)
        await self._objects.delete(key)
        return min(now_s, stat.modified_s) if stat is not None else now_s

    async def _load(self, now_s: float) -> list[Run]:
        if not self._request.is_dry_run:
            await self._forget_dead_markers(now_s)
        return await self._sweep.load(now_s, is_dry_run=self._request.is_dry_run)

    async def _forget_dead_markers(self, now_s: float) -> None:
        page = await self._objects.list_page(PUBLISHING)
        for listed in page.objects:
            run = listed.key.removeprefix(PUBLISHING)
            if now_s - listed.modified_s >= 2 * LIVE_AGE_MAX_S and len(run.removeprefix("gc-")) == 2 * 16:
                await self._objects.delete(marker_key(run))

    # --- one pass

    async def _roots(self, needed: Needed, spared: Needed) -> None:
        times = root_times_of(self._sweep.claimed)
        known = root_times_of(self._sweep.open)
        doomed: list[Listed] = []
        async for listed in Listing(self._objects, VERSIONS):
            version = version_of_key(listed.key)
            if version is None:
                continue
            if version in needed.roots:
                self._kept = self._kept.plus(versions=1, size=listed.size)
            elif self._may_go(listed, times.get(version)):
                doomed.append(listed)
                await self._tell_root(version, listed, is_due=True)
            else:
                await self._spare(version, spared)
                is_new = self._is_new(listed, known.get(version))
                if is_new:
                    await self._condemn(version, listed, is_root=True)
                if is_new or self._is_pending(listed, known.get(version)):
                    await self._tell_root(version, listed, is_due=False)
        await self._delete(doomed, is_root=True)

    async def _spare(self, version: VersionId, spared: Needed) -> None:
        """The blocks of a root that stays for now are not deleted before it, so that no root ever lacks blocks."""
        if not self._sweep.claimed:
            return
        try:
            await spared.add(Kept(version, "garbage", is_current=False))
        except (CorruptError, MissingError):
            return  # it lacks them already

    async def _blocks(self, needed: Needed, spared: Needed) -> None:
        """One listing, whose order is that of the parts: a small store takes one request, not one for each part."""
        part: _Part | None = None
        doomed: list[Listed] = []
        async for listed in Listing(self._objects, BLOCKS):
            block = block_of(listed.key)
            if block is None:
                continue
            if len(doomed) >= DELETIONS_GATHERED:
                await self._delete(doomed, is_root=False)
                doomed = []
            if part is None or part.first_byte != block[0]:
                self._progress("sweep", block[0], BLOCK_PREFIX_COUNT)
                part = self._part(block[0], needed, spared)
            if block in part.kept:
                self._kept = self._kept.plus(blocks=1, size=listed.size)
            elif block not in part.staying and self._may_go(listed, part.times.get(block)):
                doomed.append(listed)
                self._tell(block, listed)
            else:
                is_new = self._is_new(listed, part.known.get(block))
                if is_new:
                    await self._condemn(block, listed, is_root=False)
                if is_new or self._is_pending(listed, part.known.get(block)):
                    self._tell(block, listed)
        await self._delete(doomed, is_root=False)

    async def _tell_root(self, version: VersionId, listed: Listed, *, is_due: bool) -> None:
        if self._dropping is not None:
            await self._dropping.add(version, listed.size, is_due=is_due)

    def _tell(self, block: BlockId, listed: Listed) -> None:
        if self._dropping is not None:
            self._dropping.count(block, listed.size)

    def _part(self, first_byte: int, needed: Needed, spared: Needed) -> _Part:
        return _Part(
            first_byte,
            kept=needed.part(first_byte),
            staying=spared.part(first_byte),
            times=times_of(self._sweep.claimed, first_byte),
            known=times_of(self._sweep.open, first_byte),
        )

    def _may_go(self, listed: Listed, condemned_ms: int | None) -> bool:
        if self._request.is_alone:
            return True
        return self._is_pending(listed, condemned_ms)

    def _is_new(self, listed: Listed, condemned_ms: int | None) -> bool:
        """Whether it is to be condemned; what is condemned and was not written since is only counted, and so is what is
        too young."""
        if self._is_pending(listed, condemned_ms):
            is_root = listed.key.startswith(VERSIONS)
            self._pending = self._pending.plus(versions=is_root, blocks=not is_root, size=listed.size)
            return False
        is_young = listed.modified_s * 1000 > self._young_ms
        if is_young and not self._request.is_alone:
            is_root = listed.key.startswith(VERSIONS)
            self._young = self._young.plus(versions=is_root, blocks=not is_root, size=listed.size)
        return not is_young and not self._request.is_alone

    def _is_pending(self, listed: Listed, condemned_ms: int | None) -> bool:
        return condemned_ms is not None and listed.modified_s * 1000 <= condemned_ms

    async def _delete(self, doomed: list[Listed], *, is_root: bool) -> None:
        if not self._request.is_dry_run:
            keys = [listed.key for listed in doomed]
            size = self._objects.deletions_max
            batches = [keys[start : start + size] for start in range(0, len(keys), size)]
            await for_each(batches, self._delete_batch, concurrency=DELETIONS_AT_ONCE)
        for listed in doomed:
            self._freed = self._freed.plus(versions=is_root, blocks=not is_root, size=listed.size)

    async def _delete_batch(self, keys: list[str]) -> None:
        """By one request where the store takes that, else by one for each."""
        with suppress(BatchUnsupportedError):
            await self._objects.delete_checked(keys, self._check)
            return
        for key in keys:
            await self._objects.delete_checked([key], self._check)

    async def _check(self) -> None:
        if not self._request.is_alone:
            await self._sweep.check()

    async def _condemn(self, one: bytes, listed: Listed, *, is_root: bool) -> None:
        if len(self._batch.roots) >= CONDEMNED_BYTES_MAX or len(self._batch.blocks) >= CONDEMNED_BYTES_MAX:
            await self._write_batch()
        if self._sweep.is_full:
            return
        (self._batch.roots if is_root else self._batch.blocks).extend(one)
        self._condemned = self._condemned.plus(versions=is_root, blocks=not is_root, size=listed.size)

    async def _write_batch(self) -> None:
        batch, self._batch = self._batch, _Batch()
        if self._request.is_dry_run or not (batch.roots or batch.blocks):
            return
        await self._sweep.add(Condemnation(self._time_ms, bytes(batch.blocks), (), roots=bytes(batch.roots)))

    async def _end(self) -> None:
        await self._write_batch()
        if self._request.is_dry_run:
            return
        await self._sweep.finish()
        if self._request.is_alone:
            for run in await load_runs(self._objects):
                await self._objects.delete(gc_key(run.name))

    def _collected(self) -> Collected:
        time_ms = self._time_ms if self._condemned.blocks or self._condemned.versions else 0
        latest_ms = max([time_ms, *(run.condemnation.time_ms for run in self._sweep.open)])
        due_s = latest_ms / 1000 + self._rules.grace_s if latest_ms else None
        return Collected(
            kept=self._kept,
            freed=self._freed,
            condemned=self._condemned,
            pending=self._pending,
            young=self._young,
            young_s=self._young_s,
            due_s=due_s,
            waiting=tuple(dict.fromkeys(self._sweep.waiting)),
            is_dry_run=self._request.is_dry_run,
            dropping=self._dropping,
        )


@dataclass(slots=True)
class _Part:
    """What is known of the blocks that begin with a byte: needed, spared with a root that stays for now, condemned at
    what time by a run that is being swept, or by another."""

    first_byte: int
    kept: set[BlockId]
    staying: set[BlockId]
    times: dict[BlockId, int]
    known: dict[BlockId, int]


class _Batch:
    """Ids to be condemned, end to end, ascending because listings are."""

    def __init__(self) -> None:
        self.roots = bytearray()
        self.blocks = bytearray()
