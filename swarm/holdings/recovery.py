"""Ends, or forgets, a commit that another run began and that was broken off. Synchronous.

The directory that was staged is known again by its inode number, wherever it is, so that it can be told whether DEST is
the old version or the new one. Entry by entry, it goes on.
"""

from __future__ import annotations

import os

from swarm.errors import RefusedError
from swarm.holdings.area import try_take
from swarm.holdings.catalog import Catalog
from swarm.holdings.commit_steps import end_of, end_whole, move_entries, settled, take_old_away
from swarm.holdings.oserror import shown, translated
from swarm.holdings.record import PendingRecord
from swarm.holdings.relinked import Relinked
from swarm.holdings.scope import of_bytes
from swarm.holdings.survey import Tick
from swarm.holdings.swap import identity


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
                relinked = Relinked()
                signatures = move_entries(catalog, pending, scope, relinked)
                end_of(pending, scope)(catalog, pending, area, signatures, relinked)
            elif identity(pending.dest) == pending.tree:
                relinked = Relinked()
                take_old_away(catalog, pending, tick, relinked, with_edited=False)
                signatures = settled(pending, scope, relinked, is_recovery=True)
                end_whole(catalog, pending, area, signatures, relinked)
            else:
                catalog.index.drop_commit(pending.dest)
    finally:
        if area is not None:
            area.release()
    return True
