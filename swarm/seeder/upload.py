"""Sends a version's blocks and pages to a store: what it lacks, many at once, in bounded memory.

Each block is read from the source again and hashed again. The store repeats what fails for a while (SlowDown, 5xx,
timeouts). A publish that ends all the same is run again, and then sends only what is still missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from swarm.dataset.entries import source_changed
from swarm.dataset.source import StreamSource
from swarm.protocol.ids import BlockId, digest
from swarm.protocol.version import Version
from swarm.seeder.draft import Draft
from swarm.seeder.observer import PublishObserver
from swarm.store import Store

IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024
"""Blocks in memory at once. With a client's own copy of each it is twice that."""

UPLOADS_MAX = 32
"""More connections do not fill a link better, and are what SlowDown answers."""

UPLOADS_MIN = 2
"""One is read while the other is sent."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A block or a page to be sent: its name, its length, and how to get its bytes (in a thread)."""

    id: BlockId
    length: int
    read: Callable[[], bytes]


class Upload:
    """One version on its way to `store`. `with_blocks` False sends pages only: the data stays where it is."""

    def __init__(self, store: Store, draft: Draft, observer: PublishObserver, *, with_blocks: bool) -> None:
        self._store = store
        self._observer = observer
        self._pages = [Piece(BlockId(digest(data)), len(data), partial(_same, data)) for data in draft.pages]
        self._blocks = list(_blocks(draft.version, draft.source)) if with_blocks else []
        self._root = draft.version.id
        self._bytes_sent = 0

    async def missing(self) -> set[BlockId]:
        """What the store lacks of it."""
        return await self._store.missing_blocks(self._ids())

    async def condemned(self) -> set[BlockId]:
        """What a collection of garbage has condemned since: asked right before the commit, and sent again."""
        return await self._store.condemned([*self._ids(), BlockId(self._root)])

    async def send(self, wanted: set[BlockId]) -> None:
        """Blocks, then pages: whoever finds a page finds the blocks that it names."""
        for pieces in (self._blocks, self._pages):
            lacking = [piece for piece in pieces if piece.id in wanted]
            total = self._bytes_sent + sum(piece.length for piece in lacking)
            await send_pieces(self._store, lacking, partial(self._tell, total))

    def _ids(self) -> list[BlockId]:
        return [piece.id for piece in (*self._blocks, *self._pages)]

    def _tell(self, total: int, length: int) -> None:
        self._bytes_sent += length
        self._observer.progress("upload", self._bytes_sent, total)


async def send_pieces(store: Store, pieces: Sequence[Piece], sent: Callable[[int], object]) -> None:
    """Writes what the store has said it lacks; `sent` hears each length. Raises SourceChangedError, StoreError."""
    longest = max((piece.length for piece in pieces), default=1)
    uploads = min(uploads_at_once(longest), len(pieces))
    queue, limiter = iter(pieces), trio.CapacityLimiter(max(uploads, 1))

    async def worker() -> None:
        for piece in queue:  # one queue for all: there is no await between taking and having
            data = await trio.to_thread.run_sync(piece.read, limiter=limiter)
            await store.put_block(piece.id, data, is_missing=True)
            sent(piece.length)

    async with trio.open_nursery() as nursery:
        for _ in range(uploads):
            nursery.start_soon(worker)


def uploads_at_once(longest: int) -> int:
    """How many blocks of at most `longest` bytes may be on their way."""
    return min(max(IN_FLIGHT_BYTES_MAX // max(longest, 1), UPLOADS_MIN), UPLOADS_MAX)


def _blocks(version: Version, source: StreamSource) -> Iterator[Piece]:
    """The block table, each block where the stream has it first."""
    for place, block in enumerate(version.block_ids):
        offset = version.offsets[version.positions_of(version.space.block_index(place))[0]]
        length = version.block_lengths[place]
        yield Piece(block, length, partial(read_block, source, block, offset, length))


def read_block(source: StreamSource, block: BlockId, offset: int, length: int) -> bytes:
    """The block's bytes. Raises SourceChangedError where they are no longer what was hashed."""
    data = source.read(offset, length)
    if digest(data) != block:
        raise source_changed(source.paths(offset, length))
    return data


def _same(data: bytes) -> bytes:
    return data
