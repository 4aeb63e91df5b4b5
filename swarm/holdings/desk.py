"""What is open while a version is staged: area, files, journal. Synchronous; `staging` calls it in threads."""

from __future__ import annotations

import os
from collections.abc import Iterator

from swarm.errors import InternalError, RefusedError, VerificationError
from swarm.holdings.area import Area, take
from swarm.holdings.catalog import Catalog
from swarm.holdings.commit import Committed, commit, finish, remove_areas
from swarm.holdings.linux import sync_file_system
from swarm.holdings.names import check_names
from swarm.holdings.oserror import shown, translated
from swarm.holdings.plan import Plan
from swarm.holdings.resume import Resumed, resume
from swarm.holdings.scope import Scope
from swarm.holdings.signature import Signatures
from swarm.holdings.space import Space, space_for
from swarm.holdings.staged import StagedFiles
from swarm.holdings.survey import Tick
from swarm.holdings.swap import can_exchange
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import digest

STEP_BYTES = 16 << 20
"""Copied in one go by `copy_step`: some 20 ms, after which progress is told and a cancellation is heard."""


class Desk:
    """Made by `open_desk`. Threads may write and read at once; the other methods come one at a time."""

    def __init__(self, catalog: Catalog, plan: Plan, scope: Scope, area: Area) -> None:
        self._catalog = catalog
        self._plan = plan
        self._area = area
        self._resumed: Resumed | None = None
        self._has_written = False
        self.scope = scope
        self.files = StagedFiles(area.path, scope)
        self.space = Space(0, 0, shown(area.path))

    @property
    def resumed(self) -> Resumed:
        if self._resumed is None:
            raise InternalError("a desk that is not open")
        return self._resumed

    def open(self, tick: Tick) -> None:
        """Sees what is here already, and whether names and bytes fit."""
        entries = self.scope.version.entries
        check_names(self._area.path, (entries.path(number) for number in self.scope.taken))
        if self._plan.wish.atomic and self._plan.by_exchange and not can_exchange(self._area.path):
            raise RefusedError(
                f"the file system of {shown(self._plan.dest)} cannot exchange directories",
                hint="without --atomic they are replaced file by file",
            )
        self._catalog.index.put_staging(self._area.path, self._plan.dest, self.scope.version.id, self._plan.wish.label)
        self._resumed = resume(self._area, self.files, self.scope, tick)
        self.space = space_for(self.scope, self.files.tree, self._area.path)
        self.space.check()

    def close(self) -> None:
        """What is staged stays for the next run; an area without any of it goes."""
        is_empty = self._resumed is None or (self._resumed.verified.is_empty and not self._has_written)
        self._close_files()
        if is_empty:
            self.remove()
        else:
            self._area.release()

    def let_go(self) -> None:
        """After a commit, which has removed the area."""
        self._close_files()
        self._area.release()

    def remove(self) -> None:
        """Removes what is staged."""
        self._close_files()
        self._area.remove()
        self._catalog.index.remove_staging(self._area.path)

    def write(self, block: int, data: bytes | bytearray | memoryview) -> None:
        """Verified, then into its places, then into the journal. Raises VerificationError, NoSpaceError."""
        version = self.scope.version
        if len(data) != version.block_lengths[block] or digest(data) != version.block_ids[block]:
            raise VerificationError(f"block {block} has other bytes than its version says")
        self._put(block, data)

    def copy_step(self, source: Iterator[tuple[int, bytes]], have: Bitfield) -> list[int] | None:
        """Some blocks of `source` that are not in `have`; None when there are no more. Raises NoSpaceError."""
        done: list[int] = []
        size = 0
        with translated("read what is held already"):
            for block, data in source:
                if block not in have:
                    self._put(block, data)
                    done.append(block)
                size += len(data)
                if size >= STEP_BYTES:
                    return done
        return done or None

    def read(self, block: int) -> bytes | None:
        """Verified; None where it is not here (any longer)."""
        with translated(f"read what is staged for {shown(self._plan.dest)}"):
            return self.files.read(block)

    def take_back(self, block: int) -> None:
        """A block's bytes were found to be something else."""
        with translated("write the journal"):
            self.resumed.journal.take_back(block)

    def sync(self) -> None:
        """Everything written so far to the disk, the journal with it."""
        with translated(f"sync what is staged for {shown(self._plan.dest)}"):
            descriptor = os.open(self._area.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sync_file_system(descriptor)
            finally:
                os.close(descriptor)

    def finish(self, tick: Tick) -> Signatures:
        """The first half of a commit, which can be broken off."""
        self._has_written = True
        return finish(self._plan, self._area, tick)

    def commit(self, signatures: Signatures, tick: Tick) -> Committed:
        """The second half. The blocks can be read all the while."""
        self.files.moves_to(self._plan.dest)
        return commit(self._catalog, self._plan, self._area, signatures, tick)

    def _put(self, block: int, data: bytes | bytearray | memoryview) -> None:
        with translated(f"write to the staging area of {shown(self._plan.dest)}"):
            self._has_written = True
            self.files.write(block, data)
            self.resumed.journal.append(block)

    def _close_files(self) -> None:
        if self._resumed is not None:
            self._resumed.journal.close()
        self.files.close()


def open_desk(catalog: Catalog, plan: Plan, tick: Tick) -> Desk | None:
    """None where DEST is right as it is. Raises RefusedError (another command is at it), UsageError, NoSpaceError,
    PermissionError_."""
    if plan.staged is None:
        # What a run left that was broken off just after its commit.
        remove_areas(catalog, plan.dest)
        return None
    with translated(f"stage {shown(plan.dest)}"):
        desk = Desk(catalog, plan, plan.staged, take(plan.place.area))
        try:
            desk.open(tick)
        except BaseException:
            desk.close()
            raise
        return desk
