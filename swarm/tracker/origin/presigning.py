"""URLs for single blocks, for agents without credentials. A lease names an index; what is there, the pages say.

The tracker reads a version's blocks pages for it, each once: they are a few thousandths of the data.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from itertools import accumulate

import trio

from swarm.errors import UnavailableError
from swarm.protocol.blocks_pages import decode_blocks_page
from swarm.protocol.ids import DIGEST_BYTES, BlockId, Index, VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import decode_root
from swarm.tracker.origin.link import StoreLink

TABLES_BYTES_MAX = 128 << 20
"""Ids of blocks in memory: four million of them."""


class Table:
    """Which block is at an index of one version: from its root, and of its pages those that were needed."""

    def __init__(self, root: bytes) -> None:
        self.space = IndexSpace(decode_root(root))
        refs = self.space.page_refs[: self.space.blocks_page_count]
        self._ends = list(accumulate(ref.new_blocks for ref in refs))
        self._ids: dict[int, bytes] = {}

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self._ids.values()))

    def missing_page(self, index: Index) -> int | None:
        """The blocks page that must be read before `index` is known."""
        if self.space.is_page(index):
            return None
        number = self._page_of(index)
        return None if number in self._ids else number

    def learn(self, number: int, page: bytes) -> None:
        """A blocks page was read. Raises DecodeError."""
        self._ids[number] = decode_blocks_page(page).ids

    def id_of(self, index: Index) -> BlockId:
        """Raises KeyError while its page is missing."""
        if self.space.is_page(index):
            return self.space.page_ref(index).id
        number = self._page_of(index)
        before = self._ends[number - 1] if number else 0
        offset = DIGEST_BYTES * (self.space.table_place(index) - before)
        return BlockId(self._ids[number][offset : offset + DIGEST_BYTES])

    def _page_of(self, index: Index) -> int:
        return bisect_right(self._ends, self.space.table_place(index))


class Presigner:
    """Makes URLs; keeps the tables of the versions asked for last."""

    def __init__(self, link: StoreLink, known_root: Callable[[VersionId], bytes | None]) -> None:
        self._link = link
        self._known_root = known_root
        self._tables: OrderedDict[VersionId, Table] = OrderedDict()
        self._reading = trio.Lock()

    async def url(self, version: VersionId, index: Index, seconds: int) -> str:
        """A URL for a block, valid for so long. Raises SwarmError: the store's, or that it makes no URLs."""
        store = await self._link.get()
        url = await store.presign_block(await self._block_id(version, index), seconds)
        if url is None:
            raise UnavailableError("this store makes no URLs: agents need their own --store")
        return url

    async def _block_id(self, version: VersionId, index: Index) -> BlockId:
        async with self._reading:  # one at a time: the next one finds the page that this one reads
            table = self._tables.get(version)
            if table is None:
                table = self._tables[version] = await self._load(version)
            self._tables.move_to_end(version)
            number = table.missing_page(index)
            if number is not None:
                ref = table.space.page_ref(number)
                store = await self._link.get()
                table.learn(number, await store.get_block(ref.id, max_length=ref.length))
                self._make_room()
            return table.id_of(index)

    async def _load(self, version: VersionId) -> Table:
        root = self._known_root(version)
        return Table(root if root is not None else await (await self._link.get()).get_root(version))

    def _make_room(self) -> None:
        while len(self._tables) > 1 and sum(table.size_bytes for table in self._tables.values()) > TABLES_BYTES_MAX:
            self._tables.popitem(last=False)
