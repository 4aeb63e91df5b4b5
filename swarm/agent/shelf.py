"""Where the blocks of one version are read and kept: what the driver needs to know of a version, and no more.

`fetch` makes a shelf over a staging, `serve` one over a holding, `seed --from-store` one over the store. The driver
asks for lengths, hands over bytes as they came, and reads bytes that the shelf has verified.
"""

from __future__ import annotations

from typing import Protocol

from swarm.protocol.ids import BlockId, Index


class Shelf(Protocol):
    """The blocks (and pages) of one version on this machine."""

    def id_of(self, index: Index) -> BlockId | None:
        """The name of a block (what the store knows it by), None while the pages that say it are not here."""

    def length_of(self, index: Index) -> int | None:
        """Bytes of a block, None while not known."""

    async def read(self, index: Index) -> bytes | None:
        """The verified bytes, or None where they are not (any longer) here."""

    async def keep(self, index: Index, data: bytes) -> bool:
        """Verifies the bytes and puts them where they belong; False where they are not the block of that name.

        Raises NoSpaceError and PermissionError_, which end a fetch.
        """
