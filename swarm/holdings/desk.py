"""What is open while a version is staged: area, files, journal. Synchronous; `staging` calls it in threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from swarm.dataset.entries import signature_of
from swarm.errors import InternalError, RefusedError, SwarmError, VerificationError
from swarm.holdings.abilities import can_clone, can_exchange
from swarm.holdings.area import Area, take
from swarm.holdings.catalog import Catalog
from swarm.holdings.commit import Committed, commit, finish
from swarm.holdings.commit_steps import remove_areas
from swarm.holdings.in_place import in_place_bytes
from swarm.holdings.linux import sync_file_system
from swarm.holdings.names import check_names
from swarm.holdings.oserror import shown, translated
from swarm.holdings.plan import Plan
from swarm.holdings.resume import Resumed, resume
from swarm.holdings.reuse import Data
from swarm.holdings.scope import Scope
from swarm.holdings.sharing import Shares, plan_shares, take_shares
from swarm.holdings.signature import Signatures
from swarm.holdings.space import Space, space_for
from swarm.holdings.staged import StagedFiles
from swarm.holdings.survey import Tick, has_right_bytes
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
        self._shares: Shares | None = None
        self.scope = scope
        self.files = StagedFiles(area.path, scope, relinked=area.relinked)
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
        self._settle()
        verified = self._resumed.verified
        clones = can_clone(self._area.path)
        self._shares = plan_shares(self._catalog, self._plan, self.scope, verified, can_clone=clones)
        self.space = space_for(self.scope, self.files.tree, self._area.path, self._shares)
        self.space = replace(self.space, in_place=self._room_in_place())
        self.space.check()

    def _room_in_place(self) -> int | None:
        """What the update would need file by file."""
        plan, shares = self._plan, self._shares
        if plan.old is None or plan.in_place is not None or shares is None:
            return None
        return in_place_bytes(self.scope, [number for number in self.scope.taken if number not in shares.whole])

    def close(self) -> None:
        """What is staged stays for the next run; an area without any of it goes."""
        is_empty = self._resumed is None or (self._resumed.verified.is_empty and not self._has_written)
        self._close_files()
        if is_empty:
            self.remove()
        else:
            self._area.release()
            self._settle()

    def let_go(self) -> None:
        """After a commit, which has removed the area."""
        self._close_files()
        self._area.release()

    def remove(self) -> None:
        """Removes what is staged."""
        self._close_files()
        self._area.remove()
        self._settle()
        self._catalog.index.remove_staging(self._area.path)

    def write(self, block: int, data: bytes | bytearray | memoryview) -> None:
        """Verified, then into its places, then into the journal. Raises VerificationError, NoSpaceError."""
        version = self.scope.version
        if len(data) != version.block_lengths[block] or digest(data) != version.block_ids[block]:
            raise VerificationError(f"block {block} has other bytes than its version says")
        self._put(block, data)

    def share(self, tick: Tick) -> Bitfield:
        """Links and clones files that are here already; returns the blocks that are here by that. Once, and before a
        block is written: what is staged of these files is replaced. Raises NoSpaceError."""
        shares, self._shares = self._shares, None
        if shares is None or not shares.lots or self._has_written:
            return Bitfield(self.scope.body.block_count)
        with translated(f"link files to the staging area of {shown(self._plan.dest)}"):
            self._has_written = True
            found = take_shares(self._catalog, shares, self.files, self.scope, tick) - self.resumed.verified
            # An earlier run had the other part of these; the linked part is here again.
            for block in self.resumed.received - self.resumed.verified - found:
                if self.files.is_whole(block):
                    found.set(block)
            self.resumed.journal.append_all(found - self.resumed.unlinked)
            self._take_back_unlinked(found)
        return found

    def copy_step(self, source: Iterator[tuple[int, Data]], have: Bitfield) -> list[int] | None:
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

    def take_back(self, block: int) -> set[int]:
        """A block's bytes were found to be something else. If they are those of files that another tree has too, these
        are taken out: they are not ours to mend. Returns all blocks that went."""
        with translated("write the journal"):
            return self._drop(self.files.links_of(block), block)

    def _take_back_unlinked(self, found: Bitfield) -> None:
        """What the journal names for files that could not be linked again. Not before it was tried: who is killed in
        between has lost nothing."""
        unlinked, self.resumed.unlinked = self.resumed.unlinked, Bitfield(self.scope.body.block_count)
        for block in unlinked - found:
            self.resumed.journal.take_back(block)

    def _drop(self, numbers: list[int], *blocks: int) -> set[int]:
        gone = self.files.drop_links(numbers) | set(blocks)
        for block in sorted(gone):
            self.resumed.journal.take_back(block)
        self._settle()
        return gone

    def check_links(self, tick: Tick) -> set[int]:
        """Files that another tree has too may have been edited there since: those are taken out. Returns the blocks
        that went with them."""
        with translated(f"look at what is staged for {shown(self._plan.dest)}"):
            wrong: list[int] = []
            for number in self.files.changed_links():
                entry = self.scope.version.entries[number]
                status = has_right_bytes(self.files.tree, entry, tick)
                if status is None:
                    wrong.append(number)
                else:
                    self.files.linked[number] = signature_of(status)
            return self._drop(wrong) if wrong else set()

    def _settle(self) -> None:
        with suppress(SwarmError):
            self._area.relinked.settle(self._catalog)

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
        return finish(self._plan, self._area, self.files.linked, tick)

    def commit(self, signatures: Signatures, tick: Tick) -> Committed:
        """The second half. The blocks can be read all the while."""
        self.files.moves_to(self._plan.dest)
        return commit(self._catalog, self._plan, self._area, signatures, tick)

    def _put(self, block: int, data: bytes | bytearray | memoryview) -> None:
        with translated(f"write to the staging area of {shown(self._plan.dest)}"):
            if not self.resumed.unlinked.is_empty:
                self._take_back_unlinked(Bitfield(self.scope.body.block_count))
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
