"""The first half of a fetch: the manifest's pages, and, where they are many, some blocks beside them.

small:  all pages                          · assemble
large:  one blocks page · the other pages  · assemble
                          and some of the blocks that it names, which go on coming while files are planned
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import trio

from swarm.agent.agent import Agent
from swarm.agent.early_blocks import EarlyBlocks, choose, page_to_begin_with
from swarm.agent.fetch_shelf import FetchShelf
from swarm.agent.target import Target, judging
from swarm.errors import DecodeError
from swarm.exchange import events as e
from swarm.holdings.holdings import Holdings
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import Index
from swarm.protocol.messages import LostReason
from swarm.protocol.version import Version, table_part


class FetchManifest:
    """Opens the session of a version and makes the version of its pages. `dest` None: no block is taken early."""

    def __init__(
        self,
        agent: Agent,
        holdings: Holdings,
        target: Target,
        shelf: FetchShelf,
        *,
        dest: Path | None,
        want_grows: bool,
    ) -> None:
        self._agent = agent
        self._holdings = holdings
        self._target = target
        self._shelf = shelf
        self._dest = dest
        self._want_grows = want_grows
        self._rng = Random()

    async def fetch(self) -> None:
        """Until all pages are here. Raises SwarmError."""
        target, space = self._target, self._shelf.space
        here = await self._holdings.have(target.version) or Bitfield(space.size)
        pages = Bitfield.from_runs((space.page_run,) if space.page_count else (), space.size)
        lacking = pages - here
        number = page_to_begin_with(target.root, self._rng) if self._dest is not None else None
        if number is None:
            await self._open(here, lacking)
            return
        first = Bitfield.from_runs(((space.blocks_page(number), 1),), space.size)
        await self._open(here, lacking & first)
        early = await self._begin_early(number)
        rest = lacking - first
        self._shelf.lack(rest.runs())
        self._agent.driver.shelves.want(target.version, (rest | early).runs(), grows=True)
        await self._shelf.wait_whole()

    async def assemble(self) -> Version:
        """The version, of pages that are all here. Raises DecodeError, UnsafeManifestError."""
        label = self._target.label
        with judging(label):
            version = await self._holdings.version(self._target.version)
        if version is None:
            raise DecodeError(f"the pages of {label} were here and are not any more", hint="run it again")
        first = Index(version.space.page_count)
        self._agent.driver.submit(e.LengthsLearned(version.id, first, tuple(version.block_lengths)))
        return version

    def forget_early(self) -> None:
        """The fetch has ended before blocks that wait in memory had a place."""
        early, self._shelf.early = self._shelf.early, None
        if early is not None:
            self._agent.driver.submit(e.BlocksLost(self._target.version, early.runs, LostReason.REMOVED))

    async def hand_over(self) -> None:
        """They have a place now. Raises SwarmError."""
        version = self._target.version
        unwanted = Bitfield.from_runs(await self._shelf.hand_over(), self._shelf.space.size)
        have = await self._holdings.have(version) if not unwanted.is_empty else None
        if have is not None and (gone := (unwanted - have).runs()):
            self._agent.driver.submit(e.BlocksLost(version, gone, LostReason.REMOVED))

    async def _open(self, here: Bitfield, want: Bitfield) -> None:
        target, space = self._target, self._shelf.space
        self._shelf.lack(want.runs())
        self._agent.driver.shelves.open(
            e.SessionOpened(
                version=target.version,
                page_lengths=space.page_lengths,
                block_count=space.block_count,
                longest=target.root.cutter.maximum,
                have=here.runs(),
                want=want.runs(),
                is_origin=False,
                reads_store=self._agent.parts.reads_store,
                want_grows=self._want_grows,
            ),
            self._shelf,
        )
        await self._shelf.wait_whole()

    async def _begin_early(self, number: int) -> Bitfield:
        """Chooses blocks that the page names, and makes them known. Returns their indexes."""
        target, space = self._target, self._shelf.space
        field = Bitfield(space.size)
        data = await self._holdings.page(target.version, space.blocks_page(number))
        if data is None or self._dest is None:
            return field
        with judging(target.label):
            part = await trio.to_thread.run_sync(table_part, target.root, number, data)
        unseen = await self._holdings.unseen(self._dest, target.version, target.root, part.ids)
        chosen = choose(part, unseen, self._rng)
        if chosen:
            self._shelf.early = EarlyBlocks(part, chosen)
            self._agent.driver.submit(e.LengthsLearned(target.version, part.first, tuple(part.lengths)))
        for index in chosen:
            field.set(index)
        return field
