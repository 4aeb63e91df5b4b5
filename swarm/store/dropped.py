"""What a collection of garbage would drop, version by version: what called it so, until when, and what goes with it.

For a dry run only: it reads every tag's history and the block table of each version that would go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from swarm.errors import CorruptError, MissingError
from swarm.protocol.blocks_pages import decode_blocks_page
from swarm.protocol.bounds import PAGE_BYTES_MAX
from swarm.protocol.ids import BlockId, VersionId
from swarm.protocol.manifest import decode_root
from swarm.store.blocks import Blocks
from swarm.store.condemned import split

VERSIONS_NAMED_MAX = 1000
"""More are counted and not named: nobody reads a longer list."""

BLOCKS_OWNED_MAX = 1_000_000
"""Some 150 MB of memory. Blocks beyond it count as nobody's."""

SHARED = -1
MEANINGS_MAX = 64
"""Of one version: channels that go back and forth mean it again and again."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A tag's record that meant a version: when the store got it, and when the next one (Unix seconds). None: there is
    none, because this record came while the collection was looking."""

    tag: str
    seq: int
    since_s: float
    until_s: float | None


@dataclass(slots=True)
class Dropped:
    """A version that would go. `blocks` and `bytes`: what only it needs, pages and root among it, so what it frees
    alone. `is_due`: it would be deleted now, and is not only to be condemned."""

    version: VersionId
    is_due: bool
    meanings: list[Meaning] = field(default_factory=list)
    blocks: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Share:
    """Blocks that belong to no single version."""

    blocks: int = 0
    bytes: int = 0


class Dropping:
    """Gathers what would go, while a collection looks at roots first and at blocks afterwards."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._owners: dict[BlockId, int] = {}
        self.versions: list[Dropped] = []
        self.shared = Share()
        """Needed by several of the versions, and by no other."""
        self.unowned = Share()
        """What no version needs: of publishes that did not end, or of roots that are gone."""

    async def add(self, version: VersionId, root_bytes: int, *, is_due: bool) -> None:
        """A root that would go."""
        if len(self.versions) == VERSIONS_NAMED_MAX:
            return
        number = len(self.versions)
        self.versions.append(Dropped(version, is_due, bytes=root_bytes))
        for block in await self._ids(version):
            owner = self._owners.get(block)
            if owner is None and len(self._owners) >= BLOCKS_OWNED_MAX:
                continue
            self._owners[block] = number if owner in {None, number} else SHARED

    def count(self, block: BlockId, size: int) -> None:
        """A block that would go."""
        owner = self._owners.get(block)
        share = self.unowned if owner is None else self.shared if owner == SHARED else self.versions[owner]
        share.blocks += 1
        share.bytes += size

    async def _ids(self, version: VersionId) -> Iterable[BlockId]:
        """What of it can be found: it may lack pages, and is garbage all the same."""
        found: list[BlockId] = []
        try:
            root = decode_root(await self._blocks.get_root(version))
            found.extend(ref.id for ref in (*root.blocks, *root.tree))
            for ref in dict.fromkeys(root.blocks):
                page = decode_blocks_page(await self._blocks.get(ref.id, max_length=PAGE_BYTES_MAX))
                found.extend(split(page.ids))
        except (MissingError, CorruptError):
            pass
        return found
