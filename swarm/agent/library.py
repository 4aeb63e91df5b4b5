"""Versions that this machine can give: opened for the node when a peer first asks for one, or when a command says so.

A seeder and `swarm serve` open theirs at once; every other holding is opened lazily, so that thousands of them cost
nothing until somebody wants one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

import trio

from swarm.agent.shelf import Kept, Shelf
from swarm.errors import InternalError, SwarmError, UnavailableError
from swarm.exchange.events import SessionOpened
from swarm.holdings.holdings import Holdings
from swarm.protocol.ids import BlockId, Index, Runs, VersionId
from swarm.protocol.version import Version

PAUSE_FIRST_S, PAUSE_LAST_S = 0.5, 8.0
"""After a store has refused a seeder's read, doubling, with jitter: all its readers then come from one machine."""


class _Served:
    """What is common to versions that are only given: names and lengths, and no writing."""

    def __init__(self, version: Version) -> None:
        self.version = version

    def id_of(self, index: Index) -> BlockId | None:
        return self.version.id_of(index)

    def length_of(self, index: Index) -> int | None:
        return self.version.length_of(index)

    async def keep(self, index: Index, _data: bytes | bytearray) -> Kept:
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

    async def get_block(self, block: BlockId, *, max_length: int, is_retried: bool) -> bytes: ...


class StoredVersion(_Served):
    """The shelf of `seed --from-store`: pages are here, blocks are read from the store when they are given.

    After SlowDown or a failure nothing is read for a while, ever longer, and whoever waits may look elsewhere; only
    what the store has not got, or has corrupt, is lost.
    """

    def __init__(
        self, version: Version, holdings: Holdings, store: BlockStore, failed: Callable[[SwarmError], None]
    ) -> None:
        super().__init__(version)
        self._holdings = holdings
        self._store = store
        self._failed = failed
        self._pause_s = 0.0
        self._paused_until = float("-inf")

    async def read(self, index: Index) -> bytes | None:
        here = await self._holdings.read(self.version.id, index)
        if here is not None or self.version.space.is_page(index):
            return here
        await trio.sleep_until(self._paused_until)
        try:
            return await self._read(index)
        except UnavailableError as error:
            self._pause()
            self._failed(error)
            raise
        except SwarmError as error:
            self._failed(error)
            return None

    async def _read(self, index: Index) -> bytes:
        block, length = self.version.id_of(index), self.version.length_of(index)
        data = await self._store.get_block(block, max_length=length, is_retried=False)
        self._pause_s = 0.0
        return data

    def _pause(self) -> None:
        now = trio.current_time()
        if now < self._paused_until:
            return  # others that were under way have failed with the first
        self._pause_s = min(PAUSE_LAST_S, max(PAUSE_FIRST_S, 2 * self._pause_s))
        self._paused_until = now + self._pause_s * random.uniform(0.75, 1.25)


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


async def open_held(
    holdings: Holdings, version_id: VersionId, *, reads_store: bool = False
) -> tuple[SessionOpened, Shelf] | None:
    """A version that is held here, for a peer that asks for it; None where it is not, or not its manifest.

    `reads_store`: a fetch that may follow in the same agent can read the store.
    """
    version = await holdings.version(version_id)
    have = await holdings.have(version_id) if version is not None else None
    if version is None or have is None:
        return None
    event = opened(version, have.runs(), is_origin=False, reads_store=reads_store)
    return event, HeldVersion(version, holdings)
