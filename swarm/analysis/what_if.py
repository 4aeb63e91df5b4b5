"""What the same versions would have cost with other averages: their bytes are read, and cut again with each.

Nothing is guessed: for every average the real cutter cuts the real stream, and the real pages are made, so that the
overhead of many small blocks is in the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import trio
from blake3 import blake3

from swarm.analysis.timeline import GetBlock
from swarm.dataset.average import AVERAGE_MAX, AVERAGE_MIN
from swarm.dataset.cutter import StreamCutter, cutter_of
from swarm.protocol.ids import BlockId
from swarm.protocol.version import Version
from swarm.protocol.version_builder import BuiltVersion, VersionBuilder
from swarm.store.ahead import Job, ReadAhead

AVERAGES = tuple(AVERAGE_MIN << power for power in range((AVERAGE_MAX // AVERAGE_MIN).bit_length()))
"""64 KiB to 4 MiB: all that a version may be cut with."""

WINDOW_BYTES = 8 * 1024 * 1024
"""Cut at a time, with each average: larger ones only cost memory."""

CUTS_AT_ONCE = 4
"""Averages that are cut at the same time, each with a copy of the window and up to 16 MiB of the one before."""

READ_AHEAD_BYTES = 64 * 1024 * 1024
READS_AT_ONCE = 16
"""A store's first byte takes 30 to 100 ms: this many blocks of 256 KiB keep a link of 400 Mbit/s busy."""

Progress = Callable[[int], None]
"""Told how many stream bytes more were read."""


@dataclass(frozen=True, slots=True)
class Step:
    """From one version to the next, cut with one average: new blocks and new pages, in number and bytes.

    `block_bytes` of the first version are all of its own.
    """

    blocks: int
    block_bytes: int
    pages: int
    page_bytes: int
    root_bytes: int

    @property
    def moved_bytes(self) -> int:
        """Everything that somebody fetches who has the version before."""
        return self.block_bytes + self.page_bytes + self.root_bytes

    @property
    def objects(self) -> int:
        """What a store gets, or is asked for: blocks, pages and the root."""
        return self.blocks + self.pages + 1


class WhatIf:
    """Takes versions in order; `steps[average][n]` is what the n-th would have cost after the one before it.

    Memory: the blocks of one version and average at a time, 150 bytes each, for all averages together.
    """

    def __init__(self, averages: Iterable[int] = AVERAGES) -> None:
        self.steps: dict[int, list[Step]] = {average: [] for average in averages}
        self._known: dict[int, dict[BlockId, int]] = {average: {} for average in self.steps}
        self._pages: dict[int, set[BlockId]] = {average: set() for average in self.steps}

    async def add(self, version: Version, get: GetBlock, progress: Progress) -> None:
        """Reads the whole version. Raises what `get` raises."""
        recuts = [_Recut(average) for average in self.steps]
        limiter = trio.CapacityLimiter(CUTS_AT_ONCE)
        ahead = ReadAhead(_jobs(version, get), bytes_max=READ_AHEAD_BYTES, concurrency=READS_AT_ONCE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ahead.run)
            window = bytearray()
            while (data := await ahead.take()) is not None:
                window += data
                progress(len(data))
                if len(window) >= WINDOW_BYTES:
                    await _feed(recuts, bytes(window), limiter, is_last=False)
                    window.clear()
            await _feed(recuts, bytes(window), limiter, is_last=True)
        for recut in recuts:
            built = await trio.to_thread.run_sync(recut.builder.finish, version.entries)
            self._book(recut, built)

    def _book(self, recut: _Recut, built: BuiltVersion) -> None:
        known, pages = self._known[recut.average], self._pages[recut.average]
        fresh = [length for block, length in recut.blocks.items() if block not in known]
        refs = {ref.id: ref.length for ref in (*built.root.blocks, *built.root.tree)}
        fresh_pages = [length for page, length in refs.items() if page not in pages]
        step = Step(len(fresh), sum(fresh), len(fresh_pages), sum(fresh_pages), len(built.root_bytes))
        self.steps[recut.average].append(step)
        self._known[recut.average], self._pages[recut.average] = recut.blocks, set(refs)


class _Recut:
    """One stream, cut with one average."""

    def __init__(self, average: int) -> None:
        self.average = average
        self.builder = VersionBuilder(cutter_of(average))
        self.blocks: dict[BlockId, int] = {}
        self._cutter = StreamCutter(self.builder.cutter)
        self._carry = b""

    def feed(self, window: bytes, *, is_last: bool) -> None:
        """In a thread."""
        view = memoryview(self._carry + window)
        start = 0
        for end in self._cutter.cut(view, is_last=is_last):
            block = BlockId(blake3(view[start:end]).digest())
            self.blocks[block] = end - start
            self.builder.add_block(block, end - start)
            start = end
        self._carry = bytes(view[start:])


async def _feed(recuts: list[_Recut], window: bytes, limiter: trio.CapacityLimiter, *, is_last: bool) -> None:
    async with trio.open_nursery() as nursery:
        for recut in recuts:
            work = partial(recut.feed, window, is_last=is_last)
            nursery.start_soon(partial(trio.to_thread.run_sync, work, limiter=limiter))


def _jobs(version: Version, get: GetBlock) -> Iterable[Job]:
    for place in version.stream:
        length = version.block_lengths[place]
        yield Job(length, partial(get, version.block_ids[place], length))
