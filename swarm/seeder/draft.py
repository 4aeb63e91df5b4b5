"""A version that is being made: what a scan, cut and hashed, comes to, before anybody else hears of it.

Both functions run in a thread. Memory grows by some 100 bytes a block and 300 a file, not with the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from swarm.dataset.entries import Scan
from swarm.dataset.hashing import BlockFound, FileHashed, Progress, cut_and_hash
from swarm.dataset.source import OpenEntry, StreamSource
from swarm.protocol.ids import BlockId
from swarm.protocol.manifest import Cutter
from swarm.protocol.pages import Entry
from swarm.protocol.version import Version, assemble
from swarm.protocol.version_builder import BuiltVersion, VersionBuilder

FoundBlock = Callable[[BlockId, memoryview], None]
"""Called in the thread that makes the draft, in stream order, repeats included; the view holds only during the call."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The version that `scan` would be. `version` was assembled from its own pages, as a consumer will. `source` reads
    the stream's bytes from where they are."""

    scan: Scan
    version: Version
    pages: tuple[bytes, ...]
    """In the order of the index space."""
    source: StreamSource


def make_draft(
    scan: Scan,
    cutter: Cutter,
    source: StreamSource,
    progress: Progress | None = None,
    *,
    open_entry: OpenEntry | None = None,
    found_block: FoundBlock | None = None,
) -> Draft:
    """Reads everything once, by `open_entry` where it is not on this machine; `found_block` gets each block's bytes.

    Raises SourceChangedError, PermissionError_, UnsafeManifestError (too large).
    """
    blocks = cut_and_hash(scan, cutter, progress, open_entry=open_entry, with_data=found_block is not None)
    built = _build(scan, cutter, blocks, found_block)
    return Draft(scan, assemble(built.root_bytes, built.pages_by_index), built.pages, source)


def _build(
    scan: Scan, cutter: Cutter, results: Iterator[BlockFound | FileHashed], found_block: FoundBlock | None
) -> BuiltVersion:
    builder, digests = VersionBuilder(cutter), {}
    for found in results:
        if isinstance(found, BlockFound):
            builder.add_block(found.id, found.length)
            if found_block is not None and found.data is not None:
                found_block(found.id, found.data)
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
