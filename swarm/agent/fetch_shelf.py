"""The shelf of a version that is being fetched: first its pages, then its blocks, and what of both is still lacking."""

from __future__ import annotations

from typing import Protocol, cast

import trio

from swarm.agent.early_blocks import EarlyBlocks
from swarm.agent.shelf import Kept
from swarm.errors import InternalError, SwarmError, VerificationError
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import BlockId, Index, Runs, VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import Root, version_of
from swarm.protocol.runs import normalise
from swarm.protocol.version import Version

WRITTEN_AT_ONCE = 4
"""Early blocks, when they get their places: as many threads as the disk has for blocks."""


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
        self.early: EarlyBlocks | None = None
        """Blocks that are taken before their files have a place."""
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
        if self.version is not None:
            return self.version.id_of(index) if index < self.space.size else None
        return self.early.id_of(index) if self.early is not None else None

    def length_of(self, index: Index) -> int | None:
        if self.space.is_page(index):
            return self.space.page_ref(index).length
        if self.version is not None:
            return self.version.length_of(index) if index < self.space.size else None
        return self.early.length_of(index) if self.early is not None else None

    async def read(self, index: Index) -> bytes | None:
        early = self.early.read(index) if self.early is not None else None
        return early if early is not None else await self._local.read(self.version_id, index)

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
        elif await self._is_early(index, data) and self.early is not None:
            is_new = self.early.put(index, data)
        elif self._staging is not None and index in self._staging.want:
            # It knows best what is here: a block may have been found damaged since, and come a second time.
            is_new = await self._staging.write(index, data)
        else:
            return Kept.AGAIN
        self._lacking.clear(index)
        self._look_whole()
        return Kept.NEW if is_new else Kept.AGAIN

    async def _is_early(self, index: Index, data: bytes) -> bool:
        """Whether these bytes are kept in memory, verified. Afterwards they may have been handed over."""
        return self.early is not None and index in self.early and await self.early.check(index, data)

    # --- what the use case says -----------------------------------------------------------------

    async def hand_over(self) -> Runs:
        """Early blocks go into the staging that has begun. Returns those that it does not want. Raises SwarmError."""
        early = self.early
        if early is None:
            return ()
        unwanted: list[Index] = []
        while early.is_any_waiting:
            async with trio.open_nursery() as nursery:
                for _ in range(WRITTEN_AT_ONCE):
                    nursery.start_soon(self._give_places, early, unwanted)
        # Nothing can have come in between: from now on blocks go into the staging themselves.
        self.early = None
        return normalise(unwanted)

    async def _give_places(self, early: EarlyBlocks, unwanted: list[Index]) -> None:
        staging = self._staging
        while (block := early.take()) is not None:
            index, data = block
            if staging is not None and index in staging.want:
                await staging.write(index, data)
            else:
                unwanted.append(index)
            # Not before: a neighbour may have been promised it.
            early.drop(index)

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
