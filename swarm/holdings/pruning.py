"""`swarm prune`: takes holdings away until what was asked for is true, the oldest first. Removing is `removal`'s.

Never taken: what is pinned, a producer's own data, what a follower keeps (he has his own `--keep`), and a directory in
which somebody has changed or added files, unless that is said. Besides, staging areas that nobody went on with for a
week, and manifests that nobody needs, always go. Synchronous.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from swarm.errors import SwarmError
from swarm.holdings.catalog import Catalog
from swarm.holdings.commit_steps import remove_areas
from swarm.holdings.oserror import translated
from swarm.holdings.pins import Pin, name_of, pinned_by
from swarm.holdings.plan import survey_held
from swarm.holdings.record import HoldingKind, HoldingRecord
from swarm.holdings.report import report
from swarm.holdings.survey import Tick

STALE_STAGING_S = 7 * 24 * 3600.0
"""A fetch that is to go on goes on within a week; later its blocks would mostly be of an old version."""

DISK_BLOCK_BYTES = 512
"""What st_blocks counts, whatever the file system's own are."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be true afterwards; None: not asked for. `keep_last`: holdings of each name. `size_bytes`: of all that
    was fetched. `free_bytes`: on every file system that has such holdings."""

    keep_last: int | None = None
    size_bytes: int | None = None
    free_bytes: int | None = None
    is_forced: bool = False
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A holding, and the bytes that its directory takes on the disk. What clones and links share counts for each."""

    record: HoldingRecord
    bytes: int
    device: int
    why_kept: str | None


@dataclass(frozen=True, slots=True)
class Unmet:
    """A target that is not met. `target`: `keep-last` (holdings of a name), `size` or `free` (bytes; of the file system
    of `place`); what was `wanted`, and what is."""

    target: str
    wanted: int
    actual: int
    place: str | None = None


@dataclass(slots=True)
class Pruned:
    """`kept`: what should have gone, and why it did not. `unmet`: targets that are not met. `areas`: staging
    areas that went, with `manifest_bytes` of manifests."""

    removed: list[Candidate] = field(default_factory=list)
    kept: list[tuple[Candidate, str]] = field(default_factory=list)
    areas: list[bytes] = field(default_factory=list)
    manifest_bytes: int = 0
    unmet: list[Unmet] = field(default_factory=list)


Remove = Callable[[bytes], object]
"""Takes a holding away under its lock. Raises SwarmError."""


class Pruning:
    """One prune."""

    def __init__(self, catalog: Catalog, pins: Iterable[Pin], targets: Targets, remove: Remove, tick: Tick) -> None:
        self._catalog = catalog
        self._pins = tuple(pins)
        self._targets = targets
        self._remove = remove
        self._tick = tick
        self._pruned = Pruned()

    def run(self) -> Pruned:
        """Raises PermissionError_; a holding that cannot be removed is told in `kept`."""
        self._remove_stale()
        candidates = [self._candidate(record) for record in self._fetched()]
        self._surplus(candidates)
        self._oversize(candidates)
        self._short(candidates)
        if not self._targets.is_dry_run:
            self._pruned.manifest_bytes = self._catalog.prune()
        return self._pruned

    # --- each target; candidates are the oldest first

    def _surplus(self, candidates: list[Candidate]) -> None:
        if self._targets.keep_last is None:
            return
        left = Counter(name_of(one.record.label) for one in candidates)
        # The newest are never taken for an older one that has to stay: who keeps the last wants the last.
        surplus = {name: count - self._targets.keep_last for name, count in left.items()}
        for one in list(candidates):
            name = name_of(one.record.label)
            if surplus[name] > 0 and self._take(candidates, one):
                left[name] -= 1
            surplus[name] -= 1
        if any(count > self._targets.keep_last for count in left.values()):
            self._pruned.unmet.append(Unmet("keep-last", self._targets.keep_last, max(left.values())))

    def _oversize(self, candidates: list[Candidate]) -> None:
        limit = self._targets.size_bytes
        if limit is None:
            return
        for one in list(candidates):
            if sum(each.bytes for each in candidates) <= limit:
                break
            self._take(candidates, one)
        total = sum(each.bytes for each in candidates)
        if total > limit:
            self._pruned.unmet.append(Unmet("size", limit, total))

    def _short(self, candidates: list[Candidate]) -> None:
        wanted = self._targets.free_bytes
        if wanted is None:
            return
        for device in sorted({one.device for one in candidates}):
            here = [one for one in candidates if one.device == device]
            free = _free_bytes(here[0].record.directory)
            for one in here:
                if free >= wanted:
                    break
                if self._take(candidates, one):
                    # Clones free less than they take; what really is free now is asked for.
                    now = _free_bytes(os.path.dirname(one.record.directory))
                    free = free + one.bytes if self._targets.is_dry_run else now
            if free < wanted:
                place = os.fsdecode(os.path.dirname(here[0].record.directory))
                self._pruned.unmet.append(Unmet("free", wanted, free, place))

    def _take(self, candidates: list[Candidate], one: Candidate) -> bool:
        why = one.why_kept or self._changed(one.record)
        if why is None and not self._targets.is_dry_run:
            try:
                self._remove(one.record.directory)
            except SwarmError as error:
                why = error.message
        if why is not None:
            if all(kept is not one for kept, _ in self._pruned.kept):
                self._pruned.kept.append((one, why))
            return False
        candidates.remove(one)
        self._pruned.removed.append(one)
        return True

    # --- looking

    def _fetched(self) -> list[HoldingRecord]:
        """The oldest first; what is being updated in place is in use."""
        records = self._catalog.records()
        busy = {record.directory for record in records if record.kind is HoldingKind.INCOMING}
        found = [one for one in records if one.kind is HoldingKind.FETCHED and one.directory not in busy]
        return sorted(found, key=lambda record: (record.time, record.id))

    def _candidate(self, record: HoldingRecord) -> Candidate:
        pin = pinned_by(self._pins, record)
        why = "pinned" if pin is not None else "a follower keeps it" if _is_followed(record.directory) else None
        try:
            device = os.stat(record.directory).st_dev
        except FileNotFoundError:
            return Candidate(record, 0, -1, why)
        return Candidate(record, _disk_bytes(record.directory), device, why)

    def _changed(self, record: HoldingRecord) -> str | None:
        """Whether somebody has edited or added files; by their stats, nothing is read."""
        held = None if self._targets.is_forced else self._catalog.held(record)
        if held is None or not os.path.isdir(record.directory):
            return None
        with translated(f"look at {os.fsdecode(record.directory)}"):
            found = report(record, survey_held(self._catalog, held, self._tick))
        changed = len(found.edited) + len(found.extra)
        return f"{changed} of its files were edited or added" if changed else None

    def _remove_stale(self) -> None:
        stagings = self._catalog.index.stagings()
        young = {staging.dest for staging in stagings if time.time() - staging.time < STALE_STAGING_S}
        for staging in stagings:
            if staging.dest in young:
                continue
            if not self._targets.is_dry_run:
                remove_areas(self._catalog, staging.dest)
                if os.path.isdir(staging.area):
                    continue  # somebody is at work in it
                self._catalog.index.remove_staging(staging.area)
            self._pruned.areas.append(staging.area)


def _is_followed(directory: bytes) -> bool:
    """`DEST/versions/<digest>` beside a link `DEST/current`."""
    above, versions = os.path.split(os.path.dirname(directory))
    return versions == b"versions" and os.path.islink(above + b"/current")


def _disk_bytes(directory: bytes) -> int:
    total = 0
    for place, directories, files in os.walk(directory):
        for name in (*directories, *files):
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * DISK_BLOCK_BYTES
            except FileNotFoundError:
                continue
    return total


def _free_bytes(directory: bytes) -> int:
    """Of the file system that a directory is on, or was on."""
    path = Path(os.fsdecode(directory))
    while not path.exists():
        path = path.parent
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
