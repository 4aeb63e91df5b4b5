"""`swarm rm`: takes a holding away, and of its directory only what is the holding's own. Synchronous."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from swarm.errors import NotFoundError
from swarm.holdings.catalog import Catalog
from swarm.holdings.clearing import Clearing, is_empty
from swarm.holdings.commit_steps import remove_areas
from swarm.holdings.held import Held
from swarm.holdings.oserror import shown, translated
from swarm.holdings.place import INSIDE, areas
from swarm.holdings.record import HoldingKind, HoldingRecord
from swarm.holdings.recovery import recover_at
from swarm.holdings.relinked import Relinked
from swarm.holdings.survey import Tick, extras
from swarm.holdings.tree import Tree


@dataclass(frozen=True, slots=True)
class Removed:
    """`kept`: what is still in the directory, relative to it: edited files, files that a user added. A seeded
    directory is only forgotten; nothing in it is looked at. `labels`: what was held there."""

    labels: tuple[str, ...]
    kept: tuple[bytes, ...]


def remove(catalog: Catalog, dest: bytes, tick: Tick) -> Removed:
    """Raises NotFoundError where nothing of ours is there, PermissionError_."""
    recover_at(catalog, dest, tick)
    records = catalog.at(dest)
    if not records and not areas(dest):
        raise NotFoundError(f"nothing is held in {shown(dest)}", hint="`swarm ls` lists what is held here")
    kept: list[bytes] = []
    relinked = Relinked()
    with translated(f"remove {shown(dest)}"):
        remove_areas(catalog, dest)
        for record in records:
            if record.kind is not HoldingKind.SOURCE:
                kept = _remove_files(catalog, record, tick, relinked)
            catalog.drop(record)
            catalog.index.remove_holding(record.id)
            catalog.changed()
    relinked.settle(catalog)
    catalog.prune()
    return Removed(tuple(record.label for record in records), tuple(kept))


def _remove_files(catalog: Catalog, record: HoldingRecord, tick: Tick, relinked: Relinked) -> list[bytes]:
    held = catalog.held(record, looks=False)
    if held is None or not os.path.isdir(record.directory):
        return []
    tree = Tree(record.directory)
    try:
        Clearing(tree, held.body.version, held.signatures, tick, relinked).clear(held.scope)
        if is_empty(tree):
            with suppress(OSError):
                os.rmdir(record.directory + b"/" + INSIDE)
            # A mount point, or a directory in one that we may not write to, stays and is empty.
            with suppress(OSError):
                os.rmdir(record.directory)
            return []
        return sorted([*_still_there(tree, held), *extras(tree, held.scope)])
    finally:
        tree.close()


def _still_there(tree: Tree, held: Held) -> list[bytes]:
    found = [tree.find(path) for path in held.scope.paths()]
    return [each.path for each in found if each is not None and not each.is_directory]
