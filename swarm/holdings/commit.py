"""How a staged tree becomes DEST, and how a later run completes or forgets a commit that was broken off. Synchronous.

    finish the staged tree · everything to the disk · look at DEST again · note the intent (index, on the disk)
    · exchange, or move entry by entry · take the old tree away · note the end · remove the area

Broken off before the exchange, DEST is the old version; after it, the new one. The directory that was staged is known
again by its inode number, wherever it is, so that the next run sees which. Entry by entry, the next run goes on.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace

from swarm.errors import RefusedError, SwarmError
from swarm.holdings import linux
from swarm.holdings.area import TREE, Area, try_take
from swarm.holdings.catalog import Catalog
from swarm.holdings.clearing import Clearing, is_empty, keep_aside, open_directories
from swarm.holdings.finish import finish_directories, finish_files
from swarm.holdings.held import Held
from swarm.holdings.merge import Merging, refresh_metadata
from swarm.holdings.oserror import shown, translated
from swarm.holdings.place import INSIDE, areas
from swarm.holdings.plan import Plan, look_again
from swarm.holdings.record import HoldingKind, PendingRecord
from swarm.holdings.scope import Scope, of_bytes
from swarm.holdings.signature import Signatures
from swarm.holdings.survey import Tick
from swarm.holdings.swap import identity, swap, sync_directories
from swarm.holdings.tree import Tree
from swarm.protocol.bitfield import Bitfield


@dataclass(frozen=True, slots=True)
class Committed:
    """`is_atomic` False: for `reason`, files were replaced one by one. `kept`: where what was not ours is now."""

    is_changed: bool
    is_atomic: bool = True
    reason: str = ""
    kept: str | None = None


def finish(plan: Plan, area: Area, tick: Tick) -> Signatures:
    """The staged tree as its version says, on the disk; returns the files' signatures. DEST is not touched, and it can
    be broken off. Raises NoSpaceError, PermissionError_, UsageError."""
    scope = plan.staged or plan.scope
    with translated(f"put {shown(plan.dest)} in place"):
        tree = Tree(area.path + b"/" + TREE)
        try:
            signatures = finish_files(tree, scope, tick)
            if plan.by_exchange:
                finish_directories(tree, scope)
        finally:
            tree.close()
        _sync(area.path)
    return signatures


def commit(catalog: Catalog, plan: Plan, area: Area, signatures: Signatures, tick: Tick) -> Committed:
    """After `finish`. Raises EditedFilesError, RefusedError, NoSpaceError, PermissionError_."""
    with translated(f"put {shown(plan.dest)} in place"):
        look_again(catalog, plan, tick)
        catalog.manifests.sync()
        pending = _pending(plan, area, _all_signatures(plan, signatures))
        return _replace(catalog, plan, area, pending, tick)


def touch_up(catalog: Catalog, plan: Plan) -> None:
    """DEST is right but for modes and times: `repair` sets those. Raises SwarmError."""
    if plan.old is None or plan.survey is None:
        return
    if plan.wish.label and plan.wish.label != plan.old.record.label:
        catalog.index.set_label(plan.old.record.id, plan.wish.label)
        catalog.changed()
    if not plan.wish.repair:
        return
    with translated(f"put {shown(plan.dest)} in order"):
        signatures = Signatures.from_bytes(plan.survey.signatures.to_bytes())
        refresh_metadata(plan.old.tree, plan.scope, plan.survey.modes, signatures)
        finish_directories(plan.old.tree, plan.scope)
        catalog.adopt(plan.old, signatures)


def recover_at(catalog: Catalog, dest: bytes, tick: Tick) -> None:
    """Ends what another run began at a DEST, whose lock is held. Raises RefusedError where that cannot be."""
    for pending in catalog.index.pending():
        if pending.dest == dest and not recover(catalog, pending, tick):
            raise RefusedError(
                f"an update of {shown(dest)} to {pending.version.hex()} was broken off and cannot be ended",
                hint=f"fetch {pending.label.partition(':')[0] or 'NAME'}@{pending.version.hex()} to it, which ends it",
            )


def recover(catalog: Catalog, pending: PendingRecord, tick: Tick) -> bool:
    """Ends a commit that another run began; its DEST's lock is held. False where its area is in use, or its version's
    pages are gone. Raises SwarmError."""
    body = catalog.body(pending.version)
    area = try_take(pending.area)
    if body is None or (area is None and os.path.isdir(pending.area)):
        if area is not None:
            area.release()
        return False
    scope = of_bytes(body, pending.selected)
    try:
        with translated(f"put {shown(pending.dest)} in place"):
            if not pending.is_exchange:
                _move_entries(catalog, pending, scope)
                _end(catalog, pending, area, Signatures.from_bytes(pending.signatures))
            elif identity(pending.dest) == pending.tree:
                _take_old_away(catalog, pending, tick, with_edited=False)
                _end(catalog, pending, area, Signatures.from_bytes(pending.signatures))
            else:
                catalog.index.drop_commit(pending.dest)
    finally:
        if area is not None:
            area.release()
    return True


def _replace(catalog: Catalog, plan: Plan, area: Area, pending: PendingRecord, tick: Tick) -> Committed:
    catalog.index.begin_commit(pending)
    kept: bytes | None = None
    reason = plan.reason
    if plan.by_exchange:
        if swap(area.path, plan.dest):
            kept = _take_old_away(catalog, pending, tick, with_edited=plan.wish.repair)
            _end(catalog, pending, area, Signatures.from_bytes(pending.signatures))
            return Committed(True, kept=None if kept is None else shown(kept))
        reason = "the file system cannot exchange directories here"
    if plan.wish.atomic:
        catalog.index.drop_commit(plan.dest)
        raise RefusedError(
            f"{shown(plan.dest)} cannot be replaced in one step: {reason}",
            hint="without --atomic it is replaced file by file; what is staged is kept for that",
        )
    pending = replace(pending, is_exchange=False)
    catalog.index.begin_commit(pending)
    signatures = _move_entries(catalog, pending, plan.scope)
    _end(catalog, pending, area, signatures)
    return Committed(True, is_atomic=False, reason=reason)


def _take_old_away(catalog: Catalog, pending: PendingRecord, tick: Tick, *, with_edited: bool) -> bytes | None:
    """The old tree is where the staged one was. What is not ours in it is kept beside DEST; returns where."""
    path = pending.area + b"/" + TREE
    if not os.path.isdir(path):
        return None
    tree = Tree(path)
    old = _old(catalog, pending.dest)
    try:
        if old is not None:
            Clearing(tree, old.body.version, old.signatures, tick, with_edited=with_edited).clear(old.scope)
        if is_empty(tree):
            os.rmdir(path)
            return None
    finally:
        tree.close()
    return keep_aside(path, pending.dest, old.record.version[:4].hex() if old is not None else "before")


def _move_entries(catalog: Catalog, pending: PendingRecord, scope: Scope) -> Signatures:
    staged, dest = Tree(pending.area + b"/" + TREE), Tree(pending.dest)
    moved = scope.taken if pending.staged is None else Bitfield.from_bytes(pending.staged, scope.taken.size)
    try:
        os.makedirs(pending.dest, exist_ok=True)
        open_directories(staged, scope)
        known = Signatures.from_bytes(pending.signatures)
        signatures = Merging(staged, dest, scope, _old(catalog, pending.dest)).run(moved, known)
    finally:
        staged.close()
        dest.close()
    _sync(pending.dest)
    return signatures


def _end(catalog: Catalog, pending: PendingRecord, area: Area | None, signatures: Signatures) -> None:
    """DEST is the new version: says so, and removes what was only for getting there."""
    for record in catalog.at(pending.dest):
        if record.kind is HoldingKind.FETCHED:
            catalog.drop(record)
    catalog.index.end_commit(pending, signatures.to_bytes())
    catalog.changed()
    if area is not None:
        area.remove()
    catalog.index.remove_staging(pending.area)
    remove_areas(catalog, pending.dest)
    with suppress(SwarmError):
        catalog.prune()


def remove_areas(catalog: Catalog, dest: bytes) -> None:
    """Whatever was staged for a DEST, of any version. What somebody works on, or is another user's, stays; so does the
    area of a commit that has not ended: what a user had in the old tree may be there."""
    needed = {pending.area for pending in catalog.index.pending()}
    for path in areas(dest):
        if path in needed:
            continue
        with suppress(SwarmError):
            area = try_take(path)
            if area is not None:
                area.remove()
                catalog.index.remove_staging(path)
    with suppress(OSError):
        os.rmdir(dest + b"/" + INSIDE)


def _old(catalog: Catalog, dest: bytes) -> Held | None:
    found = next((record for record in catalog.at(dest) if record.kind is HoldingKind.FETCHED), None)
    return None if found is None else catalog.held(found, looks=False)


def _pending(plan: Plan, area: Area, signatures: Signatures) -> PendingRecord:
    return PendingRecord(
        dest=plan.dest,
        area=area.path,
        is_exchange=plan.by_exchange,
        tree=identity(area.path + b"/" + TREE) or (0, 0),
        version=plan.scope.version.id,
        label=plan.wish.label,
        selected=None if plan.scope.is_everything else plan.scope.taken.to_bytes(),
        staged=_staged(plan),
        signatures=signatures.to_bytes(),
    )


def _staged(plan: Plan) -> bytes | None:
    return None if plan.staged is None or plan.staged is plan.scope else plan.staged.taken.to_bytes()


def _all_signatures(plan: Plan, staged: Signatures) -> Signatures:
    """Of what was staged and, where only some files are replaced, of those that stay."""
    if plan.survey is None or plan.staged is None or plan.staged is plan.scope:
        return staged
    whole = Signatures.from_bytes(plan.survey.signatures.to_bytes())
    for number in plan.staged.taken:
        whole[number] = staged[number]
    return whole


def _sync(path: bytes) -> None:
    """The file system of `path`, then its directory and the one above: names are on the disk before the next step."""
    for each in (path, os.path.dirname(path)):
        descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if each == path:
                linux.sync_file_system(descriptor)
            with suppress(PermissionError):
                sync_directories(descriptor)
        finally:
            os.close(descriptor)
