"""How a staged tree becomes DEST. Synchronous. What a later run does where that was broken off is `recovery`.

    finish the staged tree · everything to the disk · look at DEST again · note the intent (index, on the disk)
    · exchange, or move entry by entry · take the old tree away · note the end · remove the area

Broken off before the exchange, DEST is the old version; after it, the new one. The directory that was staged is known
again by its inode number, wherever it is, so that the next run sees which. Entry by entry, the next run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from swarm.errors import RefusedError
from swarm.holdings.area import TREE, Area
from swarm.holdings.catalog import Catalog
from swarm.holdings.commit_steps import end_of, end_whole, move_entries, settled, sync, take_old_away
from swarm.holdings.finish import finish_directories, finish_files
from swarm.holdings.merge import refresh_metadata
from swarm.holdings.oserror import shown, translated
from swarm.holdings.plan import Plan, look_again
from swarm.holdings.record import PendingRecord
from swarm.holdings.scope import Scope
from swarm.holdings.signature import Signatures
from swarm.holdings.survey import Tick
from swarm.holdings.swap import identity, swap
from swarm.holdings.tree import Tree


@dataclass(frozen=True, slots=True)
class Committed:
    """`is_atomic` False: for `reason`, files were replaced one by one. `kept`: where what was not ours is now. `is_end`
    False: a part of an update in place, after which comes another."""

    is_changed: bool
    is_atomic: bool = True
    reason: str = ""
    kept: str | None = None
    is_end: bool = True


def finish(plan: Plan, area: Area, linked: Signatures, tick: Tick) -> Signatures:
    """The staged tree as its version says, on the disk; returns the files' signatures. DEST is not touched, and it can
    be broken off. `linked`: of files that another tree has too. Raises NoSpaceError, PermissionError_, UsageError."""
    scope = plan.staged or plan.scope
    with translated(f"put {shown(plan.dest)} in place"):
        tree = Tree(area.path + b"/" + TREE)
        try:
            signatures = finish_files(tree, scope, linked, tick)
            if plan.by_exchange:
                finish_directories(tree, scope)
        finally:
            tree.close()
        sync(area.path)
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


def _replace(catalog: Catalog, plan: Plan, area: Area, pending: PendingRecord, tick: Tick) -> Committed:
    catalog.index.begin_commit(pending)
    kept: bytes | None = None
    reason = plan.reason
    if plan.by_exchange:
        if swap(area.path, plan.dest):
            kept = take_old_away(catalog, pending, tick, area.relinked, with_edited=plan.wish.repair)
            signatures = settled(pending, plan.scope, area.relinked)
            end_whole(catalog, pending, area, signatures, area.relinked)
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
    signatures = move_entries(catalog, pending, plan.scope, area.relinked)
    end = end_of(pending, plan.scope)
    end(catalog, pending, area, signatures, area.relinked)
    return Committed(True, is_atomic=False, reason=reason, is_end=end is end_whole)


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
        is_in_place=plan.in_place is not None,
    )


def _staged(plan: Plan) -> bytes | None:
    return None if plan.staged is None or plan.staged is plan.scope else plan.staged.taken.to_bytes()


def _all_signatures(plan: Plan, staged: Signatures) -> Signatures:
    """Of what was staged and, where only some files are replaced, of those that stay."""
    if plan.in_place is not None and plan.staged is not None:
        return _joined(plan.in_place.known, staged, plan.staged)
    if plan.survey is None or plan.staged is None or plan.staged is plan.scope:
        return staged
    return _joined(plan.survey.signatures, staged, plan.staged)


def _joined(known: Signatures, staged: Signatures, scope: Scope) -> Signatures:
    whole = Signatures.from_bytes(known.to_bytes())
    for number in scope.taken:
        whole[number] = staged[number]
    return whole
