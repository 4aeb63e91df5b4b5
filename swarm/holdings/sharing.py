"""Whole files of a version that are on this machine already: linked or cloned into staging, so that they take no room
and no time. Decided here, before the first byte, so that the room can be told; done by `take_shares`. Synchronous.

A *clone* (reflink) is a file of its own whose bytes are shared by the file system until somebody writes: it is taken
wherever the file system can, from any holding. A *link* is the same file by another name: it is taken from what DEST
holds now, which goes with the update, and from holdings below `share`, where modes and times are the same.

Nothing is hashed: a file that looks as it did when it was verified is believed, as it is where DEST is right already;
whoever asks for a block of it gets bytes that were hashed again.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from swarm.dataset.whole_files import READABLE, WantedFiles
from swarm.holdings.catalog import Catalog
from swarm.holdings.held import Held
from swarm.holdings.plan import Plan
from swarm.holdings.record import HoldingKind, HoldingRecord
from swarm.holdings.scope import Body, Scope
from swarm.holdings.signature import is_untouched
from swarm.holdings.staged import StagedFiles
from swarm.holdings.survey import Tick
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.pages import Entry, Kind

CLONE_BYTES_MIN = 65_536
"""Smaller files are copied sooner than an extent is shared."""

BASE_BYTES_MIN = 1 << 20
"""Of a changed file: below this, copying what is the same costs less than looking for it."""

SETTLED_AFTER = 2_000
"""Links after which the index hears of the new ctimes: what is killed in between costs a hash of so many files."""

SETTLED_TIMES_MAX = 16
"""Each time 32 bytes are written anew for every file of a holding: a million files would be 16 GB."""


class Way(IntEnum):
    """BASE: a file that has changed begins as a clone of what it was, and what differs is written into it."""

    LINK = 0
    CLONE = 1
    BASE = 2


@dataclass(slots=True)
class Lot:
    """Files from one holding, as columns: entry `numbers[i]` of what is staged is entry `sources[i]` of `held`."""

    held: Held
    may_share: bool
    """Whether its files may have several names for good."""
    ways: bytearray = field(default_factory=bytearray)
    numbers: array[int] = field(default_factory=lambda: array("I"))
    sources: array[int] = field(default_factory=lambda: array("I"))

    def add(self, number: int, source: int, way: Way) -> None:
        self.ways.append(way)
        self.numbers.append(number)
        self.sources.append(source)


@dataclass(slots=True)
class Shares:
    """`whole` has a bit for each entry that need not be written at all; `base_bytes` are of blocks of the others."""

    lots: list[Lot]
    whole: Bitfield
    base_bytes: int = 0


def plan_shares(catalog: Catalog, plan: Plan, scope: Scope, verified: Bitfield, *, can_clone: bool) -> Shares:
    """`verified`: blocks that an earlier run has staged; files with any of them stay as they are. Raises OSError."""
    return _Planning(catalog, plan, scope, verified, can_clone=can_clone).run()


def take_shares(catalog: Catalog, shares: Shares, files: StagedFiles, scope: Scope, tick: Tick) -> Bitfield:
    """Links and clones. Returns the blocks that are in all their places by that. Raises OSError."""
    taken = Bitfield(len(scope.version.entries))
    right = Bitfield(scope.body.block_count)
    links = 0
    settled_after = max(SETTLED_AFTER, len(scope.version.entries) // SETTLED_TIMES_MAX)
    try:
        for lot in shares.lots:
            for number, source, way in zip(lot.numbers, lot.sources, map(Way, lot.ways), strict=True):
                if _take(files, lot, number, source, way):
                    links += way is Way.LINK
                    if way is Way.BASE:
                        _set_all(right, same_places(scope.body, number, lot.held.body, source))
                    else:
                        taken.set(number)
                tick(scope.version.entries.sizes[number])
                if links >= settled_after:
                    files.relinked.settle(catalog)
                    links = 0
    finally:
        files.relinked.settle(catalog)
    _set_all(right, blocks_within(scope, taken))
    return right & scope.needed


def same_places(body: Body, number: int, old: Body, source: int) -> list[int]:
    """Blocks of a file that another file has at the same offset, and that have no other place in the version."""
    found: list[int] = []
    version, before = body.version, old.version
    start, size = body.layout.start(number), body.layout.size(number)
    old_start, old_size = old.layout.start(source), old.layout.size(source)
    if not size or not old_size:
        return found
    for position in range(version.position_at(start), version.position_at(start + size - 1) + 1):
        first, end = version.offsets[position], version.offsets[position + 1]
        at = old_start + first - start
        if first < start or end > start + size or at + end - first > old_start + old_size:
            continue
        place = before.position_at(at)
        is_same = before.offsets[place] == at and before.offsets[place + 1] == at + end - first
        block = version.stream[position]
        is_same = is_same and before.block_ids[before.stream[place]] == version.block_ids[block]
        if is_same and len(body.offsets(block)) == 1:
            found.append(block)
    return found


def blocks_within(scope: Scope, taken: Bitfield) -> Iterator[int]:
    """Blocks of which every place lies in these files: who has the files has the blocks."""
    body = scope.body
    for block in Scope(body, taken).whole:
        if all(piece.number in taken for offset in body.offsets(block) for piece in body.pieces(block, offset)):
            yield block


class _Planning:
    """One look at what is here."""

    def __init__(self, catalog: Catalog, plan: Plan, scope: Scope, verified: Bitfield, *, can_clone: bool) -> None:
        self._catalog = catalog
        self._plan = plan
        self._scope = scope
        self._verified = verified
        self._can_clone = can_clone
        self._wanted = WantedFiles(scope.version.entries)
        self._shares = Shares([], Bitfield(len(scope.version.entries)))

    def run(self) -> Shares:
        device = _device(self._plan.place.area)
        records = [record for record in self._records() if _device(record.top) == device]
        if records:
            self._look_for_wanted()
        for record in records:
            if not self._wanted:
                break
            self._look_at(record)
        return self._shares

    def _look_for_wanted(self) -> None:
        taken, sizes = self._scope.taken, self._scope.version.entries.sizes
        for number, digest in self._scope.version.entries.digests():
            if sizes[number] and number in taken and not self._is_begun(number):
                self._wanted.add(number, digest)

    def _records(self) -> list[HoldingRecord]:
        """DEST's own first: what is the same there has the same name as well."""
        records = [record for record in self._catalog.records() if self._can_clone or self._may_link(record)]
        return sorted(records, key=lambda record: (record.directory != self._plan.dest, -record.time))

    def _is_old(self, record: HoldingRecord) -> bool:
        """Whether all of it is replaced by what is staged."""
        is_whole = self._plan.staged is self._plan.scope
        return is_whole and record.kind is HoldingKind.FETCHED and record.directory == self._plan.dest

    def _is_beside(self, record: HoldingRecord) -> bool:
        share = self._plan.wish.share
        return share is not None and record.kind is HoldingKind.FETCHED and record.directory.startswith(share + b"/")

    def _may_link(self, record: HoldingRecord) -> bool:
        return self._is_old(record) or self._is_beside(record)

    def _look_at(self, record: HoldingRecord) -> None:
        held = self._catalog.held(record)
        if held is None:
            return
        lot = Lot(held, self._is_beside(record))
        is_old = self._is_old(record)
        for source, entry in held.scope.entries():
            if entry.kind is not Kind.FILE or not entry.size or not held.signatures.is_known(source):
                continue
            number = self._wanted.find(entry.digest or b"", entry.path)
            if number is not None and not self._take_whole(lot, number, source, entry, is_old=is_old):
                continue
            if is_old and self._can_clone:
                self._take_base(lot, source, entry)
        if lot.numbers:
            self._shares.lots.append(lot)

    def _take_whole(self, lot: Lot, number: int, source: int, entry: Entry, *, is_old: bool) -> bool:
        """The file that wants these bytes gets them, if it can."""
        status = self._status(lot.held, source)
        if status is None:
            return False
        if self._can_clone and entry.size >= CLONE_BYTES_MIN:
            way = Way.CLONE
        elif self._may_be_linked(lot, number, entry, status, is_old=is_old):
            way = Way.LINK
        else:
            return False
        lot.add(number, source, way)
        self._shares.whole.set(number)
        self._wanted.take(number, entry.digest or b"")
        return True

    def _may_be_linked(self, lot: Lot, number: int, entry: Entry, status: os.stat_result, *, is_old: bool) -> bool:
        """A file of the old tree gets its new mode and time when that has gone, so that nobody else may have it."""
        if not entry.mode & READABLE:
            return False
        if is_old and status.st_nlink == 1:
            return True
        wanted = self._scope.version.entries[number]
        is_same = (wanted.mode & 0o777, wanted.mtime_ns) == (status.st_mode & 0o777, status.st_mtime_ns)
        return lot.may_share and is_same

    def _take_base(self, lot: Lot, source: int, entry: Entry) -> None:
        number = self._scope.version.entries.find(entry.path)
        if number is None or number not in self._scope.taken or number in self._shares.whole or self._is_begun(number):
            return
        if min(entry.size, self._scope.version.entries.sizes[number]) < BASE_BYTES_MIN:
            return
        same = same_places(self._scope.body, number, lot.held.body, source)
        if same and self._status(lot.held, source) is not None:
            lot.add(number, source, Way.BASE)
            self._shares.base_bytes += sum(self._scope.version.block_lengths[block] for block in same)

    def _status(self, held: Held, source: int) -> os.stat_result | None:
        """Of a file that is as it was recorded."""
        try:
            found = held.tree.find(held.body.version.entries.path(source))
        except OSError:
            return None
        return found.status if found is not None and is_untouched(held.signatures[source], found.status) else None

    def _is_begun(self, number: int) -> bool:
        if self._verified.is_empty:
            return False
        start, size = self._scope.body.layout.start(number), self._scope.body.layout.size(number)
        return any(block in self._verified for block in self._scope.body.overlapping(start, start + size))


def _take(files: StagedFiles, lot: Lot, number: int, source: int, way: Way) -> bool:
    known, path = lot.held.signatures[source], lot.held.body.version.entries.path(source)
    if way is Way.LINK:
        return files.link(number, lot.held.tree, path, known)
    return files.clone(number, lot.held.tree, path, known)


def _set_all(field_: Bitfield, blocks: Iterator[int] | list[int]) -> None:
    for block in blocks:
        field_.set(block)


def _device(path: bytes) -> int:
    """The file system of what is there, or will be. -1: nothing can be said."""
    while path not in {b"", b"/"}:
        try:
            return os.stat(path).st_dev
        except FileNotFoundError:
            path = os.path.dirname(path)
        except OSError:
            return -1
    return -1
