"""The shelf of a version that is being fetched: first its pages, then its blocks, and what of both is still lacking."""

from __future__ import annotations

from typing import Protocol, cast

import trio

from swarm.agent.shelf import Kept
from swarm.errors import InternalError, SwarmError, VerificationError
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import BlockId, Index, Runs, VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import Root, version_of
from swarm.protocol.version import Version


class Staging(Protocol):
    """Where verified blocks are written until the commit."""

    want: Bitfield

    async def write(self, index: Index, data: bytes) -> bool: ...


class LocalBlocks(Protocol):
    """What is read and kept of a version outside its staging."""

    async def read(self, version: VersionId, index: Index) -> bytes | None: ...
    async def keep_page(self, version: VersionId, index: Index, data: bytes) -> None: ...


class FetchShelf:
    """Reads and keeps one version; `wait_whole` returns when nothing that is wanted is lacking.

    What goes wrong here (a full disk) is raised there: it is the end of this fetch and of nothing else.
    """

    def __init__(self, root_bytes: bytes, root: Root, local: LocalBlocks) -> None:
        self.version_id = version_of(root_bytes)
        self.space = IndexSpace(root)
        self.version: Version | None = None
        self._local = local
        self._staging: Staging | None = None
        self._lacking = Bitfield(self.space.size)
        self._failure: SwarmError | None = None
        self._settled = trio.Event()
        self._settled.set()

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

    async def keep(self, index: Index, data: bytes | bytearray) -> Kept:
        try:
            # Nobody changes this buffer any more; a copy into `bytes` would only cost memory bandwidth.
            return await self._keep(index, cast("bytes", data))
        except VerificationError:
            return Kept.WRONG
        except SwarmError as error:
            self.fail(error)
            raise
        except Exception as error:
            self.fail(InternalError(f"block {index} could not be kept: {error!r}"))
            raise

    async def _keep(self, index: Index, data: bytes) -> Kept:
        if self.space.is_page(index):
            is_new = index in self._lacking
            await self._local.keep_page(self.version_id, index, data)
        elif self._staging is not None and index in self._staging.want:
            # It knows best what is here: a block may have been found damaged since, and come a second time.
            is_new = await self._staging.write(index, data)
        else:
            return Kept.AGAIN
        self._lacking.clear(index)
        self._look_whole()
        return Kept.NEW if is_new else Kept.AGAIN

    # --- what the use case says -----------------------------------------------------------------

    def lack(self, runs: Runs) -> None:
        """These are to come; `wait_whole` waits for them."""
        self._lacking = Bitfield.from_runs(runs, self.space.size)
        if not self._lacking.is_empty and self._failure is None:
            self._settled = trio.Event()

    def begin_blocks(self, version: Version, staging: Staging) -> None:
        """The pages are whole: blocks have names and a place."""
        self.version = version
        self._staging = staging

    def end_blocks(self) -> None:
        """The staging closes: what still comes is not wanted."""
        self._staging = None
        self._lacking = Bitfield(self.space.size)

    def fail(self, error: SwarmError) -> None:
        """The fetch cannot go on: `wait_whole` raises the first of these."""
        self._failure = self._failure or error
        self._settled.set()

    @property
    def lacking(self) -> Bitfield:
        """What is still to come; read it, do not change it."""
        return self._lacking

    async def wait_whole(self) -> None:
        """Until nothing is lacking. Raises what keeping a block has raised."""
        await self._settled.wait()
        if self._failure is not None:
            raise self._failure

    def _look_whole(self) -> None:
        if self._lacking.is_empty:
            self._settled.set()
