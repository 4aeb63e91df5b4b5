"""Which blocks are surely not on this machine, told within moments: before DEST, or what is held, is looked at closely.
Synchronous.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from swarm.holdings.catalog import Catalog
from swarm.holdings.place import place
from swarm.holdings.record import HoldingKind
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import VersionId
from swarm.protocol.manifest import Root

_PREFIX_BYTES = 8


def unseen(catalog: Catalog, ids: Iterable[bytes]) -> Bitfield:
    """A bit for each of `ids` that no version which is held or staged here has, by the sketches that are kept. None are
    set where there is a version without a sketch."""
    prefixes = [name[:_PREFIX_BYTES] for name in ids]
    wanted, field = set(prefixes), Bitfield(len(prefixes))
    versions = {record.version for record in catalog.records()}
    versions |= {staging.version for staging in catalog.index.stagings()}
    for version in versions:
        sketch = catalog.manifests.sketch(version)
        if sketch is None:
            return field
        wanted.difference_update(sketch[at : at + _PREFIX_BYTES] for at in range(0, len(sketch), _PREFIX_BYTES))
    for number, prefix in enumerate(prefixes):
        if prefix in wanted:
            field.set(number)
    return field


def is_likely(catalog: Catalog, dest: bytes, root: Root, version: VersionId) -> bool:
    """Whether DEST looks as if a fetch into it would bring all of a version that is not here: it is free or holds
    another version, there is room, and nothing is left of an earlier run. A guess; the plan decides."""
    where = place(dest, version)
    if os.path.lexists(where.area) or any(pending.dest == dest for pending in catalog.index.pending()):
        return False
    records = catalog.at(dest)
    if records:
        return all(record.kind is HoldingKind.FETCHED for record in records)
    above = dest
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above) or (above == dest and os.listdir(dest)):
        return False
    status = os.statvfs(above)
    return root.totals.bytes <= status.f_bavail * status.f_frsize
