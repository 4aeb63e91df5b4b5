"""What a fetch into DEST would do, for `--dry-run`: nothing is locked or written. Synchronous."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from swarm.holdings import journal as journals
from swarm.holdings.abilities import can_clone_beside
from swarm.holdings.area import TREE
from swarm.holdings.catalog import Catalog
from swarm.holdings.oserror import shown, translated
from swarm.holdings.plan import BROKEN, Plan
from swarm.holdings.scope import Scope
from swarm.holdings.sharing import Shares, blocks_within, plan_shares
from swarm.holdings.space import Space, space_for
from swarm.holdings.tree import Tree
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.pages import Entry, Kind


@dataclass(frozen=True, slots=True)
class Changes:
    """Files and symlinks of DEST that would come, be replaced (another one in this version, or edited), and go."""

    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """`resumed` has a bit for each block of the table that an earlier, interrupted run has left in the staging area
    and that counts as it is; after a reboot, or with other files chosen, none does before it was hashed again. `shared`
    has one for each that lies in files which will be linked or cloned whole."""

    plan: Plan
    space: Space
    resumed: Bitfield
    shared: Bitfield
    changes: Changes


def preview(catalog: Catalog, plan: Plan) -> Preview:
    """Raises PermissionError_."""
    with translated(f"look at what is staged for {shown(plan.dest)}"):
        resumed, tree = _resumed(plan), _staged_tree(plan)
        try:
            shares = None
            if plan.staged is not None:
                clones = can_clone_beside(plan.place.area)
                shares = plan_shares(catalog, plan, plan.staged, resumed, can_clone=clones)
            space = space_for(plan.staged, tree, plan.dest, shares)
        finally:
            if tree is not None:
                tree.close()
    return Preview(plan, space, resumed, _shared(plan, shares), changes_of(plan))


def changes_of(plan: Plan) -> Changes:
    """DEST as it is against the version that it shall hold."""
    if plan.staged is None:
        return Changes()
    if plan.old is None:
        return Changes(added=sum(1 for _ in _files(plan.scope)))
    added = changed = removed = 0
    broken = set(plan.survey.paths(*BROKEN)) if plan.survey is not None else set()
    for old, new in _pairs(_files(plan.old.scope), _files(plan.scope)):
        if new is None:
            removed += 1
        elif old is None:
            added += 1
        else:
            changed += not _is_same(old, new) or new.path in broken
    return Changes(added, changed, removed)


def _shared(plan: Plan, shares: Shares | None) -> Bitfield:
    field = Bitfield(plan.scope.body.block_count)
    if plan.staged is not None and shares is not None:
        for block in blocks_within(plan.staged, shares.whole):
            field.set(block)
    return field


def _resumed(plan: Plan) -> Bitfield:
    """By the journal alone: `resume` also looks whether the files are still there."""
    count = plan.scope.body.block_count
    found = None
    if plan.staged is not None and os.path.isdir(plan.place.area):
        area = Tree(plan.place.area)
        try:
            found = journals.read(area, count)
        finally:
            area.close()
    field = Bitfield(count)
    if found is None or plan.staged is None:
        return field
    header, positions = found
    if header != journals.header_for(plan.scope.version.id, plan.staged.key):
        return field
    for position in positions:
        field.set(position)
    return field & plan.staged.needed


def _staged_tree(plan: Plan) -> Tree | None:
    path = plan.place.area + b"/" + TREE
    return Tree(path) if os.path.isdir(path) else None


def _files(scope: Scope) -> Iterator[Entry]:
    return (entry for _number, entry in scope.entries() if entry.kind is not Kind.DIRECTORY)


def _pairs(old: Iterator[Entry], new: Iterator[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Both are in path order: what has the same path comes together."""
    left, right = next(old, None), next(new, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.path < right.path):
            yield left, None
            left = next(old, None)
        elif left is None or right.path < left.path:
            yield None, right
            right = next(new, None)
        else:
            yield left, right
            left, right = next(old, None), next(new, None)


def _is_same(old: Entry, new: Entry) -> bool:
    """As the content hash sees it: not by times."""
    return (old.kind, old.mode, old.size, old.digest, old.target) == (
        new.kind,
        new.mode,
        new.size,
        new.digest,
        new.target,
    )
