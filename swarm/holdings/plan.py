"""What a fetch into DEST will do, decided before anything is touched: from what is there and what is held.

Refused here: a DEST that is not empty and not ours, one inside another holding, edited files without `repair`, an
update that cannot be atomic under `atomic`.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from swarm.errors import EditedFilesError, RefusedError, UsageError
from swarm.holdings.catalog import Catalog
from swarm.holdings.held import Held
from swarm.holdings.in_place import InPlace, Look, choose, look, scope_of
from swarm.holdings.oserror import shown, translated
from swarm.holdings.place import INSIDE, Place, place
from swarm.holdings.record import HoldingKind, HoldingRecord
from swarm.holdings.scope import Scope, with_directories
from swarm.holdings.survey import State, Survey, Tick, survey
from swarm.holdings.tree import Tree

SHOWN_MAX = 10
"""Paths in an error; the rest is counted."""

BROKEN = (State.EDITED, State.MISSING)


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: DEST shall hold `scope`, which people call `label`. `repair`: edited files are put back.
    `atomic`: in one step or not at all. `share`: unchanged files may be the same as those of holdings below this
    directory. `in_place`: file by file, where there is no room for more."""

    scope: Scope
    label: str = ""
    repair: bool = False
    atomic: bool = False
    share: bytes | None = None
    in_place: bool = False


@dataclass(slots=True)
class Plan:
    """`staged` is what has to be staged: all of the scope for an exchange, else the files that are not right already;
    None: DEST is right as it is. `old`, `survey`: what is ours in DEST now."""

    place: Place
    wish: Wish
    staged: Scope | None
    by_exchange: bool
    old: Held | None = None
    survey: Survey | None = None
    in_place: InPlace | None = None

    @property
    def dest(self) -> bytes:
        return self.place.dest

    @property
    def scope(self) -> Scope:
        return self.wish.scope

    @property
    def outstanding(self) -> Scope | None:
        """All that is still to be staged: in place, `staged` is only the next part of it."""
        return self.staged if self.in_place is None else self.in_place.outstanding

    @property
    def reason(self) -> str:
        """Why the update is not one atomic step; empty where it is."""
        if self.by_exchange or self.staged is None:
            return ""
        if self.in_place is not None:
            return "it is updated in place, file by file"
        return self.place.reason or "only the files that are not right are replaced"


def make_plan(catalog: Catalog, dest: bytes, wish: Wish, tick: Tick) -> Plan:
    """Raises UsageError, EditedFilesError, RefusedError, PermissionError_; `dest` is absolute, links resolved."""
    where = place(dest, wish.scope.version.id)
    with translated(f"look at {shown(dest)}"):
        _check_neighbours(catalog.records(), dest)
        old = _old_holding(catalog, dest)
        incoming = _incoming(catalog, dest, wish)
        if old is None:
            plan = Plan(where, wish, wish.scope, not where.is_inside)
        elif incoming is not None or (wish.in_place and not _is_same(wish, old)):
            plan = _plan_in_place(where, wish, old, incoming, tick)
        else:
            plan = _over_old(where, wish, old, survey_held(catalog, old, tick))
    _check_atomic(plan)
    if where.is_inside and wish.scope.version.entries.find(INSIDE) is not None:
        raise UsageError(
            f"the dataset has an entry {shown(INSIDE)}, and {where.reason}: {shown(dest)}",
            hint="fetch to a directory that swarm can make itself",
        )
    return plan


def look_again(catalog: Catalog, plan: Plan, tick: Tick) -> None:
    """Just before DEST is replaced: hours may have gone by. Raises EditedFilesError; brings `survey` up to date."""
    if plan.old is None or not os.path.isdir(plan.dest):
        _check_free(plan.dest)
        return
    if plan.in_place is not None:
        incoming = _incoming(catalog, plan.dest, plan.wish)
        plan.in_place.known = _look_in_place(plan.wish, plan.dest, plan.old, incoming, tick).known
        return
    plan.survey = survey_held(catalog, plan.old, tick)
    if not plan.wish.repair:
        _refuse_edited(plan.dest, plan.survey, with_extra=plan.by_exchange)


def survey_held(catalog: Catalog, held: Held, tick: Tick, *, deep: bool = False) -> Survey:
    """Looks at a holding's directory, and lets the catalog know. Raises OSError."""
    # A tree of its own: the holding's follows its directory wherever that was moved.
    tree = Tree(held.record.top, follows_links=held.record.follows_links)
    try:
        found = survey(tree, held.scope, held.signatures, deep=deep, tick=tick)
    finally:
        tree.close()
    catalog.adopt(held, found.signatures)
    return found


def _over_old(where: Place, wish: Wish, old: Held, found: Survey) -> Plan:
    scope = wish.scope
    is_same = _is_same(wish, old)
    if not wish.repair:
        _refuse_edited(where.dest, found, with_extra=not is_same)
    if not is_same:
        return Plan(where, wish, scope, not where.is_inside, old, found)
    broken = found.numbers(*BROKEN)
    if not broken:
        return Plan(where, wish, None, not where.is_inside, old, found)
    if wish.atomic and not where.is_inside:
        return Plan(where, wish, scope, True, old, found)
    return Plan(where, wish, Scope(scope.body, with_directories(scope.version, broken)), False, old, found)


def _is_same(wish: Wish, held: Held) -> bool:
    return held.record.version == wish.scope.version.id and held.scope.taken == wish.scope.taken


def _incoming(catalog: Catalog, dest: bytes, wish: Wish) -> Held | None:
    """What an update in place has brought so far. Raises RefusedError where that was to another version."""
    record = next((record for record in catalog.at(dest) if record.kind is HoldingKind.INCOMING), None)
    held = catalog.held(record, looks=False) if record is not None else None
    if record is None or (held is not None and _is_same(wish, held)):
        return held
    if wish.repair:
        return None
    name = record.label.partition(":")[0] or "NAME"
    raise RefusedError(
        f"an update of {shown(dest)} in place to {record.version.hex()} was broken off",
        hint=f"fetch {name}@{record.version.hex()} to it first, which ends it; or --repair, which begins anew",
    )


def _plan_in_place(where: Place, wish: Wish, old: Held, incoming: Held | None, tick: Tick) -> Plan:
    found = _look_in_place(wish, where.dest, old, incoming, tick)
    chosen = choose(wish.scope, found.todo, where.area)
    staged = scope_of(wish.scope, chosen, is_last=len(chosen) == len(found.todo))
    outstanding = scope_of(wish.scope, found.todo, is_last=True)
    return Plan(where, wish, staged, False, old, in_place=InPlace(found.known, outstanding))


def _look_in_place(wish: Wish, dest: bytes, old: Held, incoming: Held | None, tick: Tick) -> Look:
    """Raises EditedFilesError."""
    tree = Tree(dest)
    try:
        found = look(tree, wish.scope, old, incoming, tick)
    finally:
        tree.close()
    if not wish.repair:
        _refuse(dest, found.edited, found.extra)
    return found


def _old_holding(catalog: Catalog, dest: bytes) -> Held | None:
    """What is ours at DEST. None where nothing is there, or an empty directory. Raises UsageError for all else."""
    records = catalog.at(dest)
    if any(record.kind is HoldingKind.SOURCE for record in records):
        raise UsageError(f"{shown(dest)} is what this machine seeds", hint="fetch to another directory")
    if not _is_directory(dest):
        return None
    fetched = next((record for record in records if record.kind is HoldingKind.FETCHED), None)
    old = catalog.held(fetched, looks=False) if fetched is not None else None
    if fetched is not None and old is None and os.listdir(dest):
        raise RefusedError(
            f"{shown(dest)} holds {fetched.version.hex()}, of which the file list is no longer in $SWARM_HOME",
            hint=f"fetch {fetched.label.partition(':')[0] or 'NAME'}@{fetched.version.hex()} to it first, or move it",
        )
    if old is None:
        _check_free(dest)
    return old


def _is_directory(dest: bytes) -> bool:
    try:
        status = os.lstat(dest)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise UsageError(f"part of {shown(dest)} is not a directory", hint="choose another DEST") from None
    if not stat.S_ISDIR(status.st_mode):
        raise UsageError(
            f"{shown(dest)} is there and is not a directory",
            hint="DEST is always a directory, also for a dataset of one file; choose another or move that away",
        )
    return True


def _check_free(dest: bytes) -> None:
    try:
        names = sorted(name for name in os.listdir(dest) if name != INSIDE)
    except FileNotFoundError:
        return
    if names:
        raise UsageError(
            f"{shown(dest)} is not empty and was not written by swarm: it has {_listed(names)}",
            hint="nothing was touched; choose another DEST, or move what is there away",
        )


def _check_neighbours(records: list[HoldingRecord], dest: bytes) -> None:
    for record in records:
        if record.kind is HoldingKind.FETCHED and dest.startswith(record.directory.rstrip(b"/") + b"/"):
            raise UsageError(
                f"{shown(dest)} is inside {shown(record.directory)}, which holds {record.label or 'a dataset'}",
                hint="choose a DEST outside of it",
            )


def _refuse_edited(dest: bytes, found: Survey, *, with_extra: bool) -> None:
    _refuse(dest, found.paths(State.EDITED), found.extra if with_extra else [])


def _refuse(dest: bytes, edited: list[bytes], extra: list[bytes]) -> None:
    if edited:
        raise EditedFilesError(
            f"in {shown(dest)} {_were(edited)} edited: {_listed(edited)}"
            + (f"; {len(extra)} added: {_listed(extra)}" if extra else ""),
            hint="copy what you need and run the command again with --repair, which puts the dataset's files back",
        )
    if extra:
        raise EditedFilesError(
            f"in {shown(dest)} {_were(extra)} added, which the dataset does not have: {_listed(extra)}",
            hint="move them away; or --repair, which keeps them aside in a directory beside DEST",
        )


def _were(paths: list[bytes]) -> str:
    return "1 file was" if len(paths) == 1 else f"{len(paths):,} files were"


def _check_atomic(plan: Plan) -> None:
    if plan.wish.atomic and plan.staged is not None and not plan.by_exchange:
        raise RefusedError(
            f"{shown(plan.dest)} cannot be replaced in one step: {plan.reason}",
            hint="without --atomic it is replaced file by file; or fetch to a directory below it",
        )


def _listed(paths: list[bytes]) -> str:
    more = len(paths) - SHOWN_MAX
    return ", ".join(shown(path) for path in paths[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
