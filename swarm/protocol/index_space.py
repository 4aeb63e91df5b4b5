"""The numbering of a version's pages and blocks that bitfields, leases, haves and requests use.

First the `blocks` pages, then the `tree` pages, both in the root's order, then the block table. Known from the root
alone.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from swarm.protocol.ids import Index, Run
from swarm.protocol.manifest import PageRef, Root


class IndexSpace:
    """`size` indexes: `page_count` pages, then `block_count` blocks."""

    __slots__ = (
        "_blocks_ends",
        "_first_paths",
        "_pages",
        "_tree_ends",
        "block_count",
        "blocks_page_count",
        "page_count",
        "size",
        "tree_page_count",
    )

    def __init__(self, root: Root) -> None:
        self._pages = (*root.blocks, *root.tree)
        self._first_paths = [ref.first_path or b"" for ref in root.tree]
        self._tree_ends = list(accumulate(ref.stream_bytes for ref in root.tree))
        self._blocks_ends = list(accumulate(ref.stream_bytes for ref in root.blocks))
        self.blocks_page_count = len(root.blocks)
        self.tree_page_count = len(root.tree)
        self.page_count = len(self._pages)
        self.block_count = root.totals.blocks
        self.size = self.page_count + self.block_count

    def is_page(self, index: int) -> bool:
        return 0 <= index < self.page_count

    def page_ref(self, index: int) -> PageRef:
        """The page at `index`. Raises IndexError where `index` is no page."""
        if not 0 <= index < self.page_count:
            raise IndexError(index)
        return self._pages[index]

    @property
    def page_refs(self) -> tuple[PageRef, ...]:
        """In index order."""
        return self._pages

    @property
    def page_lengths(self) -> tuple[int, ...]:
        """Bytes of each page, in index order."""
        return tuple(ref.length for ref in self._pages)

    @property
    def page_bytes(self) -> int:
        return sum(self.page_lengths)

    @property
    def page_run(self) -> Run:
        """All pages."""
        return 0, self.page_count

    @property
    def block_run(self) -> Run:
        """All blocks."""
        return self.page_count, self.block_count

    def block_index(self, place: int) -> Index:
        """The index of the block at `place` of the block table."""
        if not 0 <= place < self.block_count:
            raise IndexError(place)
        return Index(self.page_count + place)

    def table_place(self, index: int) -> int:
        """The place in the block table of the block at `index`. Raises IndexError where `index` is no block."""
        if not self.page_count <= index < self.size:
            raise IndexError(index)
        return index - self.page_count

    def tree_page(self, number: int) -> Index:
        """The index of the `number`-th tree page."""
        return Index(self.blocks_page_count + number)

    def blocks_page(self, number: int) -> Index:
        """The index of the `number`-th blocks page."""
        return Index(number)

    def tree_page_of(self, path: bytes) -> Index | None:
        """The only tree page that can hold the entry of `path`; None where it sorts before the first."""
        number = bisect_right(self._first_paths, path) - 1
        return self.tree_page(number) if number >= 0 else None

    def tree_page_at(self, offset: int) -> Index:
        """The tree page with the file that holds the stream's byte at `offset`. Raises IndexError past the end."""
        return self.tree_page(_page_at(self._tree_ends, offset))

    def blocks_page_at(self, offset: int) -> Index:
        """The blocks page with the block that holds the stream's byte at `offset`. Raises IndexError past the end."""
        return self.blocks_page(_page_at(self._blocks_ends, offset))

    def __len__(self) -> int:
        return self.size


def _page_at(ends: list[int], offset: int) -> int:
    if offset < 0 or not ends or offset >= ends[-1]:
        raise IndexError(offset)
    return bisect_right(ends, offset)
