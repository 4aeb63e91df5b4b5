"""Blocks of a version that are on this machine already: in holdings, in other staging areas. Synchronous.

They are copied, and hashed on the way; neighbours are read as one. What can be had as whole files without a copy was
taken before (`sharing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from swarm.holdings import journal as journals
from swarm.holdings.catalog import Catalog
from swarm.holdings.held import Held
from swarm.holdings.record import HoldingRecord
from swarm.holdings.scope import Body, everything
from swarm.holdings.staged import StagedFiles
from swarm.holdings.tree import Tree
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import VersionId

RANGE_BYTES = 8 << 20
"""Read at once: a disk's seek is nothing beside it, and it is a cache's worth of memory."""

Data = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somewhere that may have blocks: `have` by place in the table of `body`; `read` verifies, None where it cannot."""

    body: Body
    have: Bitfield
    read: Callable[[int], bytes | None]
    held: Held | None = None
    """To read neighbouring blocks as one."""


def found_locally(catalog: Catalog, body: Body, lacking: Bitfield, dest: bytes) -> Iterator[tuple[int, Data]]:
    """(block, bytes) of the blocks of `lacking` that are on this machine, verified; each once. Raises OSError.

    What is in DEST comes first, then what was held last: the nearer in time, the more is the same.
    """
    wanted: dict[bytes, int] = {body.version.block_ids[block]: block for block in lacking}
    for candidate in _candidates(catalog, wanted, dest):
        if not wanted:
            return
        ids = candidate.body.version.block_ids
        for places in _ranges(candidate, (place for place in candidate.have if ids[place] in wanted)):
            for place, data in zip(places, _read(candidate, places), strict=True):
                if data is not None:
                    yield wanted.pop(ids[place]), data


def _ranges(candidate: Candidate, places: Iterable[int]) -> Iterator[list[int]]:
    """Neighbours together, up to `RANGE_BYTES`; others alone."""
    lengths = candidate.body.version.block_lengths
    found: list[int] = []
    size = 0
    for place in places:
        is_next = found and candidate.held is not None and candidate.held.follows(found[-1], place)
        if found and (not is_next or size + lengths[place] > RANGE_BYTES):
            yield found
            found, size = [], 0
        found.append(place)
        size += lengths[place]
    if found:
        yield found


def _read(candidate: Candidate, places: list[int]) -> Sequence[Data | None]:
    together = candidate.held.read_range(places) if candidate.held is not None and len(places) > 1 else None
    return together if together is not None else [candidate.read(place) for place in places]


def _candidates(catalog: Catalog, wanted: dict[bytes, int], dest: bytes) -> Iterator[Candidate]:
    prefixes = {name[:8] for name in wanted}
    for record in sorted(catalog.records(), key=lambda record: (record.directory != dest, -record.time)):
        if _may_have(catalog, record.version, prefixes):
            yield from _of_holding(catalog, record)
    for staging in catalog.index.stagings():
        if _may_have(catalog, staging.version, prefixes):
            yield from _of_staging(catalog, staging.area, staging.version)


def _may_have(catalog: Catalog, version: VersionId, prefixes: set[bytes]) -> bool:
    """Whether it is worth assembling a version: any block in common, by the sketch that is kept of it."""
    sketch = catalog.manifests.sketch(version)
    return sketch is None or any(sketch[at : at + 8] in prefixes for at in range(0, len(sketch), 8))


def _of_holding(catalog: Catalog, record: HoldingRecord) -> Iterator[Candidate]:
    held = catalog.held(record)
    if held is not None:
        yield Candidate(held.body, held.have.copy(), lambda block: catalog.read(held, block), held)


def _of_staging(catalog: Catalog, area: bytes, version: VersionId) -> Iterator[Candidate]:
    """What a journal names need not be there any more, or be of another choice of files: reading finds out."""
    body = catalog.body(version)
    if body is None:
        return
    tree = Tree(area)
    files = StagedFiles(area, everything(body), is_ours=False)
    try:
        found = journals.read(tree, body.block_count)
        if found is not None and found[0].version == version:
            have = Bitfield(body.block_count)
            for block in found[1]:
                have.set(block)
            yield Candidate(body, have, files.read)
    finally:
        files.close()
        tree.close()
