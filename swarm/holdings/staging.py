"""A fetch's hold on its DEST: what is verified so far, and the three things to do with it: write, reuse, commit.

Made by `Holdings.stage`. The disk's work is done in threads; the fields are changed only by the task that called, so
that between two awaits they are true.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from swarm.errors import EditedFilesError, InternalError, SwarmError
from swarm.holdings.catalog import Catalog
from swarm.holdings.commit import Committed, touch_up
from swarm.holdings.desk import Desk
from swarm.holdings.oserror import shown
from swarm.holdings.plan import Plan
from swarm.holdings.reuse import found_locally
from swarm.holdings.space import Space
from swarm.holdings.workers import Workers
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import Index, Runs, VersionId
from swarm.protocol.pages import Kind
from swarm.protocol.runs import normalise
from swarm.protocol.version import Version

SYNC_INTERVAL_S = 30.0
"""What a power cut can cost at most; syncing more often slows the disk down for everybody."""


TellLost = Callable[[VersionId, Bitfield], None]
"""Hears of indexes that can no longer be read from a staging area; whether they are lost is for `Holdings` to find."""


class Staging:
    """`want` and `have` have a bit for each index of the version's index space. `want`: what the chosen files need,
    less what is right in DEST already, and all pages. `have`: verified, here, and readable (`Holdings.read`).

    `files` and `bytes_total` count the files that were chosen, `bytes_wanted` the distinct blocks that hold them. Of
    these `bytes_resumed` were left by an earlier run that was interrupted. `bytes_local` were found in other holdings
    by `reuse`. `bytes_refetched` came although an earlier run had received them. `space` is what was
    needed and free at the start.
    """

    def __init__(self, catalog: Catalog, workers: Workers, plan: Plan, desk: Desk | None, tell_lost: TellLost) -> None:
        self._catalog = catalog
        self._workers = workers
        self._plan = plan
        self._desk = desk
        self._tell_lost = tell_lost
        self._synced_at = trio.current_time()
        self._synced = trio.Event()
        self._synced.set()
        self._sync_error: SwarmError | None = None
        self.version: Version = plan.scope.version
        self.dest = Path(os.fsdecode(plan.dest))
        self.space = Space(0, 0, shown(plan.dest)) if desk is None else desk.space
        blocks = Bitfield(self.version.space.block_count)
        needed = blocks if desk is None else desk.scope.needed
        verified = blocks if desk is None else desk.resumed.verified
        self._lost = blocks if desk is None else desk.resumed.received - verified
        self.want = self._over_index_space(needed)
        self.have = self._over_index_space(verified)
        self.files = plan.scope.count(Kind.FILE)
        self.bytes_total = plan.scope.bytes_taken
        self.bytes_wanted = self._bytes_of(plan.scope.needed)
        self.bytes_resumed = self._bytes_of(verified)
        self.bytes_local = 0
        self.bytes_refetched = 0

    @property
    def is_present(self) -> bool:
        """DEST is right as it is: there is nothing to fetch, and `commit` changes nothing."""
        return self._desk is None

    @property
    def is_atomic(self) -> bool:
        """Whether the commit will be one step, as far as can be told before; `reason` says why not."""
        return not self._plan.reason

    @property
    def is_in_place(self) -> bool:
        """Whether this is a part of an update in place: `want` is what that part needs, `bytes_wanted` counts all."""
        return self._plan.in_place is not None

    @property
    def reason(self) -> str:
        return self._plan.reason

    @property
    def lacking(self) -> Runs:
        """What is wanted and not here."""
        return (self.want - self.have).runs()

    @property
    def is_complete(self) -> bool:
        return self.want.is_subset(self.have)

    async def write(self, index: Index, data: bytes | bytearray | memoryview) -> bool:
        """Puts a block into its places and verifies it on the way; False where it was here already.

        Raises VerificationError where these are not the block's bytes, NoSpaceError (nothing is half-visible then),
        InternalError for an index that is not wanted.
        """
        desk = self._desk
        if desk is None or index not in self.want:
            raise InternalError(f"index {index} is not wanted")
        if index in self.have:
            return False
        block = self.version.space.table_place(index)
        await self._workers.quick(partial(desk.write, block, data))
        if not self.have.set(index):
            return False
        if block in self._lost:
            self.bytes_refetched += len(data)
        self._sync_if_due()
        return True

    async def reuse(self, progress: Callable[[int], None] | None = None) -> Runs:
        """Takes in what other holdings and staging areas of this machine have: files as links and clones where that can
        be, blocks as copies. Returns the indexes found.

        `progress` hears the bytes of each step. Copies may be made while blocks are written; links and clones are left
        out once one was. Raises NoSpaceError.
        """
        desk = self._desk
        if desk is None or self.is_complete:
            return ()
        lacking = Bitfield(self.version.space.block_count)
        pages = self.version.space.page_count
        for first, count in self.lacking:
            lacking.set_run((first - pages, count))
        shared = await self._share(progress)
        lacking -= shared
        source = found_locally(self._catalog, desk.scope.body, lacking, self._plan.dest)
        found: list[Index] = [Index(block + pages) for block in shared]
        while True:
            step = await self._workers.slow(partial(desk.copy_step, source, self._blocks_here()))
            if step is None:
                return normalise(found)
            new = [Index(block + pages) for block in step if self.have.set(block + pages)]
            bytes_new = sum(self.version.length_of(index) for index in new)
            self.bytes_local += bytes_new
            found.extend(new)
            if progress is not None:
                progress(bytes_new)
            self._sync_if_due()

    async def _share(self, progress: Callable[[int], None] | None) -> Bitfield:
        """Blocks of files that could be linked or cloned."""
        if self._desk is None:
            return Bitfield(self.version.space.block_count)
        shared = await self._workers.slow(partial(self._desk.share, self._workers.ticker(progress)))
        pages = self.version.space.page_count
        for first, count in shared.runs():
            self.have.set_run((first + pages, count))
        self.bytes_local += self._bytes_of(shared)
        return shared

    async def _check_links(self, desk: Desk, progress: Callable[[int], None] | None) -> None:
        gone = await self._workers.slow(partial(desk.check_links, self._workers.ticker(progress)))
        for block in sorted(gone):
            self.have.clear(self.version.space.block_index(block))
        if gone:
            raise EditedFilesError(
                f"files in {shown(os.fsencode(self.dest))} were edited while the new version was prepared",
                hint="run the command again; with --repair, if the edits are not needed",
            )

    async def commit(self, progress: Callable[[int], None] | None = None) -> Committed:
        """Makes DEST the version. `progress` hears bytes that are looked at again in DEST. Blocks at the borders of a
        selection are lost by it, which `on_lost` hears.

        Raises EditedFilesError (files were edited since `stage`), RefusedError (not atomic, and `atomic` was asked
        for), NoSpaceError, PermissionError_; InternalError where something is lacking. DEST is then as it was, and what
        is staged is kept; or, where the system failed after DEST was exchanged, it is the new version, and the next
        run ends what is left to do. From the moment DEST is touched a cancellation waits.
        """
        if not self.is_complete:
            raise InternalError("a commit of what is not complete")
        desk = self._desk
        if desk is None:
            await self._workers.slow(partial(touch_up, self._catalog, self._plan))
            return Committed(is_changed=False)
        tick = self._workers.ticker(progress)
        await self._check_links(desk, progress)
        signatures = await self._workers.slow(partial(desk.finish, tick))
        with trio.CancelScope(shield=True):
            done = await self._workers.slow(partial(desk.commit, signatures, tick))
            self._desk = None
            await self._workers.slow(desk.let_go)
            # Ready to be read before anybody asks; blocks at the borders of a selection have gone with the area.
            await self._workers.slow(partial(self._catalog.held_of, self.version.id))
        self._tell_lost(self.version.id, self._over_index_space(desk.scope.needed - desk.scope.whole, has_pages=False))
        return done

    async def sync(self) -> None:
        """Puts what is staged on the disk."""
        desk = self._desk
        if desk is not None:
            await self._workers.slow(desk.sync)

    async def discard(self) -> None:
        """Gives up: removes what is staged. DEST is not touched."""
        await self._synced.wait()
        desk, self._desk = self._desk, None
        if desk is not None:
            self.have = Bitfield(self.version.space.size)
            await self._workers.slow(desk.remove)

    def read(self, index: Index) -> bytes | None:
        """For `Holdings`, in a thread: the bytes of a staged block, verified; None where they are not here."""
        return self._desk.read(self.version.space.table_place(index)) if self._desk is not None else None

    def take_back(self, index: Index) -> None:
        """For `Holdings`: a block's bytes were found to be something else."""
        if self._desk is not None and self.have.clear(index):
            for block in sorted(self._desk.take_back(self.version.space.table_place(index))):
                self.have.clear(self.version.space.block_index(block))

    async def close(self) -> None:
        """Leaves what is staged for the next run."""
        desk, self._desk = self._desk, None
        if desk is not None:
            with trio.CancelScope(shield=True):
                await self._synced.wait()
                await self._workers.slow(desk.close)

    def _sync_if_due(self) -> None:
        """Begun by whoever writes, as without writing there is nothing to sync; but a sync may take seconds, and the
        block that was written is here already. What went wrong in one is raised by the next write."""
        error, self._sync_error = self._sync_error, None
        if error is not None:
            raise error
        if trio.current_time() - self._synced_at >= SYNC_INTERVAL_S and self._synced.is_set():
            self._synced = trio.Event()
            trio.lowlevel.spawn_system_task(self._sync_aside)

    async def _sync_aside(self) -> None:
        """A system task, which must not raise; `close` waits for it."""
        try:
            await self.sync()
        except SwarmError as error:
            self._sync_error = error
        finally:
            self._synced_at = trio.current_time()
            self._synced.set()

    def _blocks_here(self) -> Bitfield:
        blocks = Bitfield(self.version.space.block_count)
        pages = self.version.space.page_count
        for first, count in self.have.runs():
            start = max(first, pages)
            if first + count > start:
                blocks.set_run((start - pages, first + count - start))
        return blocks

    def _over_index_space(self, blocks: Bitfield, *, has_pages: bool = True) -> Bitfield:
        """All pages, and these blocks."""
        field = Bitfield(self.version.space.size)
        if has_pages:
            field.set_run(self.version.space.page_run)
        for first, count in blocks.runs():
            field.set_run((first + self.version.space.page_count, count))
        return field

    def _bytes_of(self, blocks: Bitfield) -> int:
        return sum(self.version.block_lengths[block] for block in blocks)
