"""The shelf of a version that is being fetched: first its pages, then its blocks, and what of both is still lacking."""

from __future__ import annotations

from typing import Protocol

import trio

from swarm.errors import VerificationError
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import BlockId, Index, Runs, VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import Root, version_of
from swarm.protocol.version import Version


class Staging(Protocol):
    """Where verified blocks are written until the commit."""

    async def write(self, index: Index, data: bytes) -> bool: ...


class LocalBlocks(Protocol):
    """What is read and kept of a version outside its staging."""

    async def read(self, version: VersionId, index: Index) -> bytes | None: ...
    async def keep_page(self, version: VersionId, index: Index, data: bytes) -> None: ...


class FetchShelf:
    """Reads and keeps one version; `wait_whole` returns when nothing that is wanted is lacking."""

    def __init__(self, root_bytes: bytes, root: Root, local: LocalBlocks) -> None:
        self.version_id = version_of(root_bytes)
        self.space = IndexSpace(root)
        self.version: Version | None = None
        self._local = local
        self._staging: Staging | None = None
        self._lacking = Bitfield(self.space.size)
        self._whole = trio.Event()
        self._whole.set()

    # --- what the driver asks -------------------------------------------------------------------

    def id_of(self, index: Index) -> BlockId | None:
        if self.space.is_page(index):
            return self.space.page_ref(index).id
        return self.version.id_of(index) if self.version is not None and index < self.space.size else None

    def length_of(self, index: Index) -> int | None:
        if self.space.is_page(index):
            return self.space.page_ref(index).length
        return self.version.length_of(index) if self.version is not None and index < self.space.size else None

    async def read(self, index: Index) -> bytes | None:
        return await self._local.read(self.version_id, index)

    async def keep(self, index: Index, data: bytes) -> bool:
        try:
            if self.space.is_page(index):
                await self._local.keep_page(self.version_id, index, data)
            elif self._staging is not None:
                await self._staging.write(index, data)
        except VerificationError:
            return False
        self._lacking.clear(index)
        self._look_whole()
        return True

    # --- what the use case says -----------------------------------------------------------------

    def lack(self, runs: Runs) -> None:
        """These are to come; `wait_whole` waits for them."""
        self._lacking = Bitfield.from_runs(runs, self.space.size)
        if self._lacking.count:
            self._whole = trio.Event()
        self._look_whole()

    def begin_blocks(self, version: Version, staging: Staging) -> None:
        """The pages are whole: blocks have names and a place."""
        self.version = version
        self._staging = staging

    @property
    def lacking(self) -> Bitfield:
        """What is still to come; read it, do not change it."""
        return self._lacking

    async def wait_whole(self) -> None:
        """Until nothing is lacking."""
        await self._whole.wait()

    def _look_whole(self) -> None:
        if not self._lacking.count:
            self._whole.set()
