"""The steps of a commit that a later run has to take where they were broken off. Synchronous."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from swarm.errors import SwarmError
from swarm.holdings import linux
from swarm.holdings.area import TREE, Area, try_take
from swarm.holdings.catalog import Catalog
from swarm.holdings.clearing import Clearing, is_empty, keep_aside, open_directories
from swarm.holdings.finish import settle_files
from swarm.holdings.held import Held
from swarm.holdings.in_place import is_end
from swarm.holdings.merge import Merging
from swarm.holdings.place import INSIDE, areas
from swarm.holdings.record import HoldingKind, PendingRecord
from swarm.holdings.relinked import Relinked
from swarm.holdings.scope import Scope
from swarm.holdings.signature import Signatures
from swarm.holdings.survey import Tick
from swarm.holdings.swap import sync_directories
from swarm.holdings.tree import Tree
from swarm.protocol.bitfield import Bitfield

End = Callable[["Catalog", "PendingRecord", "Area | None", "Signatures", "Relinked"], None]
"""What follows once entries were moved."""


def take_old_away(
    catalog: Catalog, pending: PendingRecord, tick: Tick, relinked: Relinked, *, with_edited: bool
) -> bytes | None:
    """The old tree is where the staged one was. What is not ours in it is kept beside DEST; returns where."""
    path = pending.area + b"/" + TREE
    if not os.path.isdir(path):
        return None
    tree = Tree(path)
    old = _old(catalog, pending.dest)
    try:
        if old is not None:
            clearing = Clearing(tree, old.body.version, old.signatures, tick, relinked, with_edited=with_edited)
            clearing.clear(old.scope)
        if is_empty(tree):
            os.rmdir(path)
            return None
    finally:
        tree.close()
    return keep_aside(path, pending.dest, old.record.version[:4].hex() if old is not None else "before")


def settled(pending: PendingRecord, scope: Scope, relinked: Relinked, *, is_recovery: bool = False) -> Signatures:
    """After the old tree has gone: what its files that are now DEST's alone lacked so far."""
    signatures = Signatures.from_bytes(pending.signatures)
    tree = Tree(pending.dest)
    try:
        is_changed = settle_files(tree, scope, signatures, relinked, is_recovery=is_recovery)
    finally:
        tree.close()
    if is_changed:
        sync(pending.dest)
    return signatures


def move_entries(catalog: Catalog, pending: PendingRecord, scope: Scope, relinked: Relinked) -> Signatures:
    staged, dest = Tree(pending.area + b"/" + TREE), Tree(pending.dest)
    moved = scope.taken if pending.staged is None else Bitfield.from_bytes(pending.staged, scope.taken.size)
    try:
        os.makedirs(pending.dest, exist_ok=True)
        open_directories(staged, scope)
        known = Signatures.from_bytes(pending.signatures)
        signatures = Merging(staged, dest, scope, _old(catalog, pending.dest), relinked).run(
            moved, known, is_in_place=pending.is_in_place, is_end=_is_end(pending, scope)
        )
    finally:
        staged.close()
        dest.close()
    sync(pending.dest)
    return signatures


def end_of(pending: PendingRecord, scope: Scope) -> End:
    return end_whole if _is_end(pending, scope) else _end_part


def end_whole(
    catalog: Catalog, pending: PendingRecord, area: Area | None, signatures: Signatures, relinked: Relinked
) -> None:
    """DEST is the new version: says so, and removes what was only for getting there."""
    for record in catalog.at(pending.dest):
        if record.kind is not HoldingKind.SOURCE:
            catalog.drop(record)
    catalog.index.end_commit(pending, signatures.to_bytes())
    catalog.changed()
    if area is not None:
        area.remove()
    with suppress(SwarmError):
        relinked.settle(catalog)
    catalog.index.remove_staging(pending.area)
    remove_areas(catalog, pending.dest)
    with suppress(SwarmError):
        catalog.prune()


def _end_part(
    catalog: Catalog, pending: PendingRecord, area: Area | None, signatures: Signatures, relinked: Relinked
) -> None:
    """A part of an update in place: the old version has lost files, the new one has gained them."""
    old = _old(catalog, pending.dest)
    for record in catalog.at(pending.dest):
        if record.kind is HoldingKind.INCOMING:
            catalog.drop(record)
    catalog.index.end_part(pending, signatures.to_bytes())
    catalog.changed()
    if old is not None:
        catalog.withdraw(old, old.touched())
    if area is not None:
        area.remove()
    with suppress(SwarmError):
        relinked.settle(catalog)
    catalog.index.remove_staging(pending.area)


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
                area.relinked.settle(catalog)
                catalog.index.remove_staging(path)
    with suppress(OSError):
        os.rmdir(dest + b"/" + INSIDE)


def _is_end(pending: PendingRecord, scope: Scope) -> bool:
    return not pending.is_in_place or is_end(scope, Signatures.from_bytes(pending.signatures))


def _old(catalog: Catalog, dest: bytes) -> Held | None:
    found = next((record for record in catalog.at(dest) if record.kind is HoldingKind.FETCHED), None)
    return None if found is None else catalog.held(found, looks=False)


def sync(path: bytes) -> None:
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
