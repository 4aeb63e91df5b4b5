"""What this machine has: the only way to local blocks. The disk's work is done in threads; see docs/holdings.md.

async with open_holdings(home) as holdings:
    async with holdings.stage(version, dest) as staging:
        await staging.reuse()
        await staging.write(index, data)
        await staging.commit()
    data = await holdings.read(version.id, index)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from swarm.dataset.entries import Scan
from swarm.dataset.selection import Selection
from swarm.errors import InternalError, NotFoundError, RefusedError
from swarm.holdings.catalog import Catalog
from swarm.holdings.desk import Desk, open_desk
from swarm.holdings.home import Home
from swarm.holdings.lock import Lock, owner, try_lock
from swarm.holdings.opening import open_catalog
from swarm.holdings.oserror import real, shown, translated
from swarm.holdings.pins import Pins
from swarm.holdings.plan import Plan, Wish, make_plan, survey_held
from swarm.holdings.preview import Preview, preview
from swarm.holdings.pruning import Pruned, Pruning, Targets
from swarm.holdings.record import HoldingKind, HoldingRecord
from swarm.holdings.recovery import recover_at
from swarm.holdings.removal import Removed, remove
from swarm.holdings.report import Report, report
from swarm.holdings.scope import Scope, selected
from swarm.holdings.source import add_source
from swarm.holdings.staging import Staging
from swarm.holdings.survey import Tick
from swarm.holdings.unseen import is_likely, unseen
from swarm.holdings.workers import Workers
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import BlockId, Index, Runs, VersionId
from swarm.protocol.manifest import Root
from swarm.protocol.version import Version

LOCK_RETRY_S = 0.25
"""How often a DEST that another command has is tried again."""

EVERYTHING = Selection()

OnLost = Callable[[VersionId, Runs], None]
"""Hears which indexes of a version can no longer be read here: their files were edited or removed."""

Progress = Callable[[int], None]
"""Hears bytes dealt with since the last call, in the caller's own thread."""

Asked = Callable[[Scope], Wish]


@asynccontextmanager
async def open_holdings(home: Path, *, on_lost: OnLost | None = None) -> AsyncIterator[Holdings]:
    """Opens what is under `$SWARM_HOME`, and ends commits that an earlier run began.

    Raises RefusedError (a network's file system, a newer swarm's index), PermissionError_, NoSpaceError.
    """
    workers = Workers()
    opened_home, catalog = await workers.slow(partial(open_catalog, home))
    holdings = Holdings(opened_home, catalog, workers, on_lost)
    try:
        yield holdings
    finally:
        with trio.CancelScope(shield=True):
            await workers.slow(holdings.close)


class Holdings:
    """Made by `open_holdings`. Paths may be relative; they are resolved when they come in."""

    def __init__(self, home: Home, catalog: Catalog, workers: Workers, on_lost: OnLost | None) -> None:
        self.on_lost = on_lost
        self._home = home
        self._catalog = catalog
        self._manifests = catalog.manifests
        self._workers = workers
        self._stagings: list[Staging] = []

    def close(self) -> None:
        """For `open_holdings`."""
        self._catalog.close()
        self._catalog.index.close()

    # --- manifests ------------------------------------------------------------------------------

    async def keep_root(self, data: bytes) -> VersionId:
        """Returns the version that it is the root of. Raises DecodeError, UnsafeManifestError, NoSpaceError."""
        return await self._workers.quick(partial(self._manifests.keep_root, data))

    async def keep_page(self, version: VersionId, index: Index, data: bytes) -> None:
        """After its root. Raises VerificationError where these are not the page's bytes, NoSpaceError."""
        await self._workers.quick(partial(self._manifests.keep_page, version, index, data))

    async def root(self, version: VersionId) -> bytes | None:
        return await self._workers.quick(partial(self._manifests.root_bytes, version))

    async def page(self, version: VersionId, index: Index) -> bytes | None:
        return await self._workers.quick(partial(self._manifests.page_at, version, index))

    async def version(self, version: VersionId) -> Version | None:
        """Assembled, if root and all pages are here."""
        body = await self._workers.slow(partial(self._catalog.body, version))
        return None if body is None else body.version

    async def unseen(self, dest: Path, version: VersionId, root: Root, ids: Sequence[BlockId]) -> Bitfield:
        """A bit for each of `ids`, blocks of a version, that a fetch into `dest` will surely need from elsewhere."""
        return await self._workers.slow(partial(self._unseen, real(dest), version, root, ids))

    def _unseen(self, dest: bytes, version: VersionId, root: Root, ids: Sequence[BlockId]) -> Bitfield:
        with translated(f"look at {shown(dest)}"):
            is_likely_ = is_likely(self._catalog, dest, root, version)
            return unseen(self._catalog, ids) if is_likely_ else Bitfield(len(ids))

    # --- blocks ---------------------------------------------------------------------------------

    async def have(self, version: VersionId) -> Bitfield | None:
        """Which pages and blocks of a version can be read here now; None where not even its root is known."""
        pages = await self._workers.slow(partial(self._manifests.pages_of, version))
        if pages is None:
            return None
        helds = await self._workers.slow(partial(self._catalog.held_of, version))
        self._tell_losses()
        space, kept = pages
        field = Bitfield(space.size)
        for index in kept:
            field.set(index)
        for blocks in [held.have for held in helds]:
            for first, count in blocks.runs():
                field.set_run((first + space.page_count, count))
        for staging in self._staging(version):
            field |= staging.have
        return field

    async def read(self, version: VersionId, index: Index) -> bytes | None:
        """A page or block, verified just now; None where it is not (any longer) here."""
        stagings = self._staging(version)
        data, failed = await self._workers.quick(partial(self._read, version, index, stagings))
        for staging in failed:
            staging.take_back(index)
            self._tell(version, Bitfield.from_runs(((index, 1),), staging.version.space.size))
        self._tell_losses()
        return data

    async def read_block(self, block: BlockId) -> bytes | None:
        """As `read`, by the digest of a block or page. Who knows the version asks `read`: that need not search."""
        versions = [staging.version for staging in self._stagings]
        found = await self._workers.slow(partial(self._catalog.find, block, versions))
        if found is None:
            return await self._workers.quick(partial(self._manifests.page, block))
        return await self.read(*found)

    def _read(self, version: VersionId, index: Index, stagings: list[Staging]) -> tuple[bytes | None, list[Staging]]:
        """In a thread. Returns also the staging areas that said they had it, and have not."""
        failed: list[Staging] = []
        with translated("read a block"):
            for staging in stagings:
                if index in staging.have and not staging.version.space.is_page(index):
                    data = staging.read(index)
                    if data is not None:
                        return data, failed
                    failed.append(staging)
            page = self._manifests.page_at(version, index)
            if page is not None:
                return page, failed
            for held in self._catalog.held_of(version):
                space = held.body.version.space
                data = None if space.is_page(index) else self._catalog.read(held, space.table_place(index))
                if data is not None:
                    return data, failed
        return None, failed

    # --- holdings -------------------------------------------------------------------------------

    async def records(self) -> list[HoldingRecord]:
        """All holdings, the newest first: for `swarm ls`, and for what can be served."""
        return await self._workers.quick(self._catalog.records)

    async def find(self, dest: Path) -> HoldingRecord | None:
        """What is held in a directory: the newest, where it is a producer's with several versions."""
        found = await self._workers.quick(lambda: self._catalog.at(real(dest)))
        return found[0] if found else None

    async def add_source(self, version: Version, scan: Scan, label: str = "") -> None:
        """A producer's data, as it was just published: served from where it is. Root and pages are kept already.
        Blocks of files that an older version of the same directory had otherwise are withdrawn."""
        await self._workers.slow(partial(add_source, self._catalog, version, scan, label))
        self._tell_losses()

    async def verify(self, dest: Path, progress: Progress | None = None) -> Report:
        """Reads all files of what is held in a directory, or of one file of a producer's, and hashes them.

        From then on what is right is served, and what is not is not. Raises NotFoundError, PermissionError_.
        """
        record = await self.find(dest)
        if record is None:
            raise NotFoundError(f"nothing is held in {dest}", hint="`swarm ls` lists what is held here")
        tick = self._workers.ticker(progress)
        found = await self._workers.slow(partial(self._verify, record, tick))
        self._tell_losses()
        return found

    async def remove(self, dest: Path, progress: Progress | None = None) -> Removed:
        """Takes a holding away, and of its directory what is its own: edited and added files stay. A producer's data
        is only forgotten. Raises NotFoundError, RefusedError (another command is at it), PermissionError_."""
        path = real(dest)
        with await self._lock(path, None):
            return await self._workers.slow(partial(remove, self._catalog, path, self._workers.ticker(progress)))

    async def prune(self, targets: Targets, progress: Progress | None = None) -> Pruned:
        """Takes holdings away until `targets` are met, the oldest first; see `pruning`. Raises PermissionError_."""
        tick = self._workers.ticker(progress)
        pins = await self._workers.slow(Pins(self._home.directory).all)
        pruning = Pruning(self._catalog, pins, targets, partial(self._remove_now, tick), tick)
        pruned = await self._workers.slow(pruning.run)
        self._tell_losses()
        return pruned

    def _remove_now(self, tick: Tick, dest: bytes) -> Removed:
        """In a thread. Raises RefusedError where another command is at it."""
        path = self._home.destination_lock(dest)
        with translated(f"lock {shown(dest)}"):
            lock = try_lock(path)
        if lock is None:
            raise RefusedError(f"another swarm command (process {owner(path)}) is at work on {shown(dest)}")
        with lock:
            return remove(self._catalog, dest, tick)

    # --- staging --------------------------------------------------------------------------------

    async def plan(
        self,
        version: Version,
        dest: Path,
        selection: Selection = EVERYTHING,
        *,
        repair: bool = False,
        in_place: bool = False,
    ) -> Preview:
        """What `stage` would do, for `--dry-run`: raises what it would refuse with, and writes nothing."""
        asked = partial(Wish, repair=repair, in_place=in_place)
        tick = self._workers.ticker(None)
        plan = await self._workers.slow(partial(self._plan, version, real(dest), selection, asked, tick))
        return await self._workers.slow(partial(preview, self._catalog, plan))

    @asynccontextmanager
    async def stage(
        self,
        version: Version,
        dest: Path,
        selection: Selection = EVERYTHING,
        *,
        label: str = "",
        repair: bool = False,
        atomic: bool = False,
        share: Path | None = None,
        in_place: bool = False,
        on_wait: Callable[[str], None] | None = None,
        progress: Progress | None = None,
    ) -> AsyncIterator[Staging]:
        """Begins, or goes on with, making `dest` hold what `selection` takes of a version. Root and pages are kept.

        `label` is what people call it. `repair` puts edited files back. `atomic`: one step or not at all. `in_place`:
        file by file, with room for one of the changed files; where the commit says that it is not the end, the same is
        staged again. `share`: files whose bytes, mode and time are the same may be the same files (by hard link) as
        those of holdings below this directory, where the file system has no clones: for versions side by side, which
        nobody edits.

        Where another command is at work on `dest`, `on_wait` hears who and this waits; without it this raises.
        `progress` hears bytes of an earlier run that are hashed again. What is staged stays there when this ends
        without a commit.

        Raises UsageError (DEST is not ours), EditedFilesError, NoSpaceError, RefusedError, PermissionError_.
        """
        path = real(dest)
        with await self._lock(path, on_wait):
            asked = partial(
                Wish,
                label=label,
                repair=repair,
                atomic=atomic,
                share=None if share is None else real(share),
                in_place=in_place,
            )
            tick = self._workers.ticker(progress)
            plan, desk = await self._workers.slow(partial(self._open_desk, version, path, selection, asked, tick))
            self._tell_losses()
            staging = Staging(self._catalog, self._workers, plan, desk, self._tell)
            self._stagings.append(staging)
            try:
                yield staging
            finally:
                self._stagings.remove(staging)
                await staging.close()

    def _open_desk(
        self, version: Version, dest: bytes, selection: Selection, asked: Asked, tick: Tick
    ) -> tuple[Plan, Desk | None]:
        recover_at(self._catalog, dest, tick)
        plan = self._plan(version, dest, selection, asked, tick)
        self._manifests.keep_sketch(version)
        return plan, open_desk(self._catalog, plan, tick)

    def _plan(self, version: Version, dest: bytes, selection: Selection, asked: Asked, tick: Tick) -> Plan:
        body = self._catalog.remember(version)
        if not self._manifests.has_all(version):
            raise InternalError("root and pages are to be kept before a version is staged")
        return make_plan(self._catalog, dest, asked(selected(body, selection)), tick)

    def _verify(self, record: HoldingRecord, tick: Tick) -> Report:
        held = self._catalog.held(record)
        if held is None:
            raise NotFoundError(
                f"the file list of {record.label or record.version.hex()} is no longer in $SWARM_HOME",
                hint="fetch it again",
            )
        with translated(f"verify {shown(record.directory)}"):
            found = survey_held(self._catalog, held, tick, deep=True)
            old = None
            if record.kind is HoldingKind.INCOMING:
                records = self._catalog.at(record.directory)
                old = next((each for each in records if each.kind is HoldingKind.FETCHED), None)
            before = self._catalog.held(old) if old is not None else None
            was = survey_held(self._catalog, before, tick, deep=True) if before is not None else None
            return report(record, found, was)

    async def _lock(self, dest: bytes, on_wait: Callable[[str], None] | None) -> Lock:
        """Only one command at a time writes to a DEST."""
        path = self._home.destination_lock(dest)
        told = False
        while True:
            with translated(f"lock {shown(dest)}"):
                lock = try_lock(path)
            if lock is not None:
                return lock
            text = f"another swarm command (process {owner(path)}) is at work on {shown(dest)}"
            if on_wait is None:
                raise RefusedError(text, hint="wait until it has finished, or end it")
            if not told:
                on_wait(text)
                told = True
            await trio.sleep(LOCK_RETRY_S)

    def _tell_losses(self) -> None:
        for version, blocks in self._catalog.take_losses():
            body = self._catalog.body_in_memory(version)
            if body is not None:
                space = body.version.space
                runs = tuple((first + space.page_count, count) for first, count in blocks.runs())
                self._tell(version, Bitfield.from_runs(runs, space.size))

    def _staging(self, version: VersionId) -> list[Staging]:
        """Where blocks of a version are being staged now."""
        return [each for each in self._stagings if each.version.id == version and not each.is_present]

    def _tell(self, version: VersionId, lost: Bitfield) -> None:
        """What is in no other place."""
        for staging in self._staging(version):
            lost -= staging.have
        for held in self._catalog.loaded_of(version):
            page_count = held.body.version.space.page_count
            for first, count in held.have.runs():
                lost.clear_run((first + page_count, count))
        if not lost.is_empty and self.on_lost is not None:
            self.on_lost(version, lost.runs())
