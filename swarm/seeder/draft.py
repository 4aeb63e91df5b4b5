"""A version that is being made: what a scan, cut and hashed, comes to, before anybody else hears of it.

Both functions run in a thread. Memory grows by some 100 bytes a block and 300 a file, not with the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarm.dataset.entries import Scan
from swarm.dataset.hashing import BlockFound, Progress, cut_and_hash
from swarm.dataset.source import Source
from swarm.protocol.manifest import Cutter
from swarm.protocol.pages import Entry
from swarm.protocol.version import Version, assemble
from swarm.protocol.version_builder import BuiltVersion, VersionBuilder


@dataclass(frozen=True, slots=True)
class Draft:
    """The version that `scan` would be. `version` was assembled from its own pages, as a consumer will."""

    scan: Scan
    version: Version
    pages: tuple[bytes, ...]
    """In the order of the index space."""

    @property
    def source(self) -> Source:
        """Reads the stream's bytes from where they are."""
        return Source(self.scan)


def make_draft(scan: Scan, cutter: Cutter, progress: Progress | None = None) -> Draft:
    """Reads everything once. Raises SourceChangedError, PermissionError_, UnsafeManifestError (too large)."""
    built = _build(scan, cutter, progress)
    return Draft(scan, assemble(built.root_bytes, built.pages_by_index), built.pages)


def _build(scan: Scan, cutter: Cutter, progress: Progress | None) -> BuiltVersion:
    builder, digests = VersionBuilder(cutter), {}
    for found in cut_and_hash(scan, cutter, progress):
        if isinstance(found, BlockFound):
            builder.add_block(found.id, found.length)
        else:
            digests[found.number] = found.digest
    return builder.finish(_entries(scan, digests))


def _entries(scan: Scan, digests: dict[int, bytes]) -> Iterator[Entry]:
    for number, entry in enumerate(scan.entries):
        yield Entry(
            path=entry.path,
            kind=entry.kind,
            mode=entry.mode,
            mtime_ns=entry.mtime_ns,
            size=entry.size,
            digest=digests.get(number),
            target=entry.target,
        )
