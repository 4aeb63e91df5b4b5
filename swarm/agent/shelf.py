"""Where the blocks of one version are read and kept: what the driver needs to know of a version, and no more.

`fetch` makes a shelf over a staging, `serve` one over a holding, `seed --from-store` one over the store. The driver
asks for lengths, hands over bytes as they came, and reads bytes that the shelf has verified.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from swarm.protocol.ids import BlockId, Index


class Kept(Enum):
    """What became of bytes that were handed to `Shelf.keep`."""

    NEW = auto()
    """They are the block, and are here now."""
    AGAIN = auto()
    """The block was here already, or is no longer wanted."""
    WRONG = auto()
    """They are not the block of that name."""


class Shelf(Protocol):
    """The blocks (and pages) of one version on this machine."""

    def id_of(self, index: Index) -> BlockId | None:
        """The name of a block (what the store knows it by), None while the pages that say it are not here."""

    def length_of(self, index: Index) -> int | None:
        """Bytes of a block, None while not known."""

    async def read(self, index: Index) -> bytes | None:
        """The verified bytes, or None where they are not (any longer) here.

        Raises UnavailableError where they cannot be had just now; anything else that it raises counts as None.
        """

    async def keep(self, index: Index, data: bytes | bytearray) -> Kept:
        """Verifies the bytes and puts them where they belong.

        What it raises has ended the fetch that it belongs to (a full disk), and nothing else.
        """
