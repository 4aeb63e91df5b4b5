"""The numbering of a version's pages and blocks that bitfields, leases, haves and requests use.

First the `blocks` pages, then the `tree` pages, both in the root's order, then the block table. Known from the root
alone.
"""

from __future__ import annotations

from swarm.protocol.ids import Index, Run
from swarm.protocol.manifest import PageRef, Root


class IndexSpace:
    """`size` indexes: `page_count` pages, then `block_count` blocks."""

    __slots__ = ("_pages", "block_count", "blocks_page_count", "page_count", "size", "tree_page_count")

    def __init__(self, root: Root) -> None:
        self._pages = (*root.blocks, *root.tree)
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

    def __len__(self) -> int:
        return self.size
