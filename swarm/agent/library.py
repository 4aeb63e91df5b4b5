"""Versions that this machine can give: opened for the node when a peer first asks for one, or when a command says so.

A seeder and `swarm serve` open theirs at once; every other holding is opened lazily, so that thousands of them cost
nothing until somebody wants one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from swarm.agent.shelf import Shelf
from swarm.errors import InternalError, SwarmError
from swarm.exchange.events import SessionOpened
from swarm.holdings.holdings import Holdings
from swarm.protocol.ids import BlockId, Index, Runs, VersionId
from swarm.protocol.version import Version


class _Served:
    """What is common to versions that are only given: names and lengths, and no writing."""

    def __init__(self, version: Version) -> None:
        self.version = version

    def id_of(self, index: Index) -> BlockId | None:
        return self.version.id_of(index)

    def length_of(self, index: Index) -> int | None:
        return self.version.length_of(index)

    async def keep(self, index: Index, _data: bytes) -> bool:
        """Nothing is fetched into a version that is only served."""
        raise InternalError(f"block {index} came for a version that is only served")


class HeldVersion(_Served):
    """The shelf of a version that is, wholly or in part, held here. Every read is verified by the holdings."""

    def __init__(self, version: Version, holdings: Holdings) -> None:
        super().__init__(version)
        self._holdings = holdings

    async def read(self, index: Index) -> bytes | None:
        return await self._holdings.read(self.version.id, index)


class BlockStore(Protocol):
    """Where a seeder without a copy reads."""

    async def get_block(self, block: BlockId, *, max_length: int) -> bytes: ...


class StoredVersion(_Served):
    """The shelf of `seed --from-store`: pages are here, blocks are read from the store when they are given."""

    def __init__(
        self, version: Version, holdings: Holdings, store: BlockStore, failed: Callable[[SwarmError], None]
    ) -> None:
        super().__init__(version)
        self._holdings = holdings
        self._store = store
        self._failed = failed

    async def read(self, index: Index) -> bytes | None:
        here = await self._holdings.read(self.version.id, index)
        if here is not None:
            return here
        try:
            return await self._store.get_block(self.version.id_of(index), max_length=self.version.length_of(index))
        except SwarmError as error:
            self._failed(error)
            return None


def opened(version: Version, have: Runs, *, is_origin: bool, reads_store: bool) -> SessionOpened:
    """The event that begins a session of a version whose manifest is whole and of which nothing is wanted."""
    space = version.space
    return SessionOpened(
        version=version.id,
        page_lengths=space.page_lengths,
        block_count=space.block_count,
        longest=version.root.cutter.maximum,
        have=have,
        want=(),
        is_origin=is_origin,
        reads_store=reads_store,
    )


async def open_held(holdings: Holdings, version_id: VersionId) -> tuple[SessionOpened, Shelf] | None:
    """A version that is held here, for a peer that asks for it; None where it is not, or not its manifest."""
    version = await holdings.version(version_id)
    have = await holdings.have(version_id) if version is not None else None
    if version is None or have is None:
        return None
    return opened(version, have.runs(), is_origin=False, reads_store=False), HeldVersion(version, holdings)
