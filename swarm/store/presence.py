"""Which of many blocks a store lacks: by asking for each, or by listing, whichever is less work.

S3 bills a page of a listing like 12.5 HEAD requests and takes several times as long for it, but one page answers for
up to 1,000 blocks. A store's size is not known beforehand, so each of the 256 prefixes is listed for at most as many
pages as pay off for what is wanted of it; what is still open then is asked for one by one. So the work is at most
twice the cheaper way's, in a new store as in one that holds ten thousand versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from swarm.protocol.ids import BlockId
from swarm.store._objects import Objects
from swarm.store._workers import for_each
from swarm.store.blocks import HEAD_BYTES
from swarm.store.layout import BLOCK_PREFIX_COUNT, block_key, block_of, block_prefix

HEADS_PER_PAGE = 16
"""What a page of a listing may cost in HEAD requests."""

Progress = Callable[[int, int], None]
"""(blocks that are settled, blocks asked about)."""


class Presence:
    """Asks `objects`, `concurrency` requests at a time."""

    def __init__(self, objects: Objects, concurrency: int) -> None:
        self._objects = objects
        self._concurrency = concurrency

    async def missing(self, blocks: Iterable[BlockId], progress: Progress | None = None) -> set[BlockId]:
        """Those of `blocks` that are not there. `progress` is called after each request."""
        search = _Search(self._objects, set(blocks), progress)
        prefixes = [sorted(prefix) for prefix in _by_prefix(search.wanted) if prefix]
        many = [wanted for wanted in prefixes if len(wanted) >= HEADS_PER_PAGE]
        await for_each(many, search.list_prefix, concurrency=self._concurrency)
        await for_each(search.open_blocks(), search.head, concurrency=self._concurrency)
        return search.missing


class _Search:
    """What is known so far of the blocks `wanted`."""

    def __init__(self, objects: Objects, wanted: set[BlockId], progress: Progress | None) -> None:
        self._objects = objects
        self._progress = progress
        self.wanted = wanted
        self.missing: set[BlockId] = set()
        self._present: set[BlockId] = set()

    def open_blocks(self) -> list[BlockId]:
        return sorted(self.wanted - self.missing - self._present)

    async def head(self, block: BlockId) -> None:
        stat = await self._objects.stat(block_key(block))
        (self._present if stat is not None else self.missing).add(block)
        self._tell()

    async def list_prefix(self, wanted: list[BlockId]) -> None:
        """`wanted` is sorted and of one prefix."""
        prefix = block_prefix(wanted[0][0])
        position = 0
        after = ""
        for _ in range(len(wanted) // HEADS_PER_PAGE):
            page = await self._objects.list_page(prefix, after=after)
            there = {block_of(listed.key) for listed in page.objects if listed.size >= HEAD_BYTES}
            reached = page.objects[-1].key if page.objects and not page.is_last else None
            while position < len(wanted) and (reached is None or block_key(wanted[position]) <= reached):
                block = wanted[position]
                (self._present if block in there else self.missing).add(block)
                position += 1
            self._tell()
            if reached is None or position == len(wanted):
                return
            after = reached

    def _tell(self) -> None:
        if self._progress:
            self._progress(len(self.missing) + len(self._present), len(self.wanted))


def _by_prefix(blocks: set[BlockId]) -> list[list[BlockId]]:
    prefixes: list[list[BlockId]] = [[] for _ in range(BLOCK_PREFIX_COUNT)]
    for block in blocks:
        prefixes[block[0]].append(block)
    return prefixes
