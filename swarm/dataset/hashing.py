"""Reads a scanned dataset once, cuts its stream into blocks, and hashes every block and every file.

Four threads, each with one kind of work, hand windows of the stream on to each other: reading (the caller's thread),
cutting, hashing blocks, hashing files. Nearly all of it happens without the GIL. Memory: `WINDOWS` windows, whatever
the size of the files.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

from blake3 import blake3

from swarm.dataset.cutter import StreamCutter
from swarm.dataset.entries import Scan
from swarm.dataset.source import OpenEntry, opener
from swarm.dataset.window import Window, WindowReader
from swarm.protocol.ids import BlockId
from swarm.protocol.manifest import Cutter

WINDOWS = 4
"""One being read, one being cut, two being hashed: fewer make a stage wait for another, more only cost memory."""

CLOCK_TICK_NS = 20_000_000
"""File systems stamp times by the kernel's tick, at most 10 ms long; two of them are on the safe side."""

Progress = Callable[[int], None]
"""Called once a window, from the caller's thread, with the stream bytes read so far. May raise, to cancel."""


class BlockFound(NamedTuple):
    """The next block of the stream: its bytes begin at stream offset `offset`. `data` holds only until the next is
    asked for, and only where it was asked for at all."""

    id: BlockId
    length: int
    offset: int
    data: memoryview | None = None


class FileHashed(NamedTuple):
    """BLAKE3 of the file that is entry `number` of the scan."""

    number: int
    digest: bytes


def cut_and_hash(
    scan: Scan,
    cutter: Cutter,
    progress: Progress | None = None,
    *,
    open_entry: OpenEntry | None = None,
    with_data: bool = False,
) -> Iterator[BlockFound | FileHashed]:
    """Every block in stream order and every file in entry order (the two sequences interleave).

    `open_entry`: where the files are not this machine's; it is called in the caller's thread, in stream order.

    Blocking: for a thread. Raises SourceChangedError or PermissionError_, naming the file. Closing the iterator, or an
    exception from `progress`, first ends all threads.
    """
    _let_the_clock_tick(scan)
    with ExitStack() as stack:
        line = _Line(cutter, *(stack.enter_context(_one_thread()) for _ in range(3)), with_data=with_data)
        for window in WindowReader(scan, cutter.maximum, open_entry or opener(scan)).windows(line.free_window):
            line.start(window)
            if progress:
                progress(window.stream_end)
            yield from line.results_of(all_but=WINDOWS - 1)
        yield from line.results_of(all_but=0)


class _Line:
    """The three threads behind the reader. Each has one worker, so windows pass each of them in stream order."""

    def __init__(
        self,
        cutter: Cutter,
        cutting: ThreadPoolExecutor,
        blocks: ThreadPoolExecutor,
        files: ThreadPoolExecutor,
        *,
        with_data: bool,
    ) -> None:
        self._cutter = StreamCutter(cutter)
        self._with_data = with_data
        self._cutting, self._blocks, self._files = cutting, blocks, files
        self._under_way: deque[tuple[Window, Future[list[BlockFound]], Future[list[FileHashed]]]] = deque()
        self._free: deque[Window] = deque()
        self._carry = b""
        self._hasher = blake3()

    def start(self, window: Window) -> None:
        cut = self._cutting.submit(self._cut, window)
        self._under_way.append(
            (
                window,
                self._blocks.submit(lambda: _hash_blocks(window, cut.result(), with_data=self._with_data)),
                self._files.submit(self._hash_files, window),
            )
        )

    def free_window(self) -> Window | None:
        """A window that nobody needs any more, if there is one."""
        return self._free.popleft() if self._free else None

    def results_of(self, *, all_but: int) -> Iterator[BlockFound | FileHashed]:
        """Waits for the oldest windows until at most `all_but` are under way."""
        while len(self._under_way) > all_but:
            window, blocks, files = self._under_way.popleft()
            yield from blocks.result()
            yield from files.result()
            self._free.append(window)

    def _cut(self, window: Window) -> list[int]:
        """In the cutting thread: puts what the last window left over in front, and finds the blocks' ends."""
        view = window.prepend(self._carry)
        ends = self._cutter.cut(view, is_last=window.is_last)
        self._carry = bytes(view[ends[-1] if ends else 0 :])
        return ends

    def _hash_files(self, window: Window) -> list[FileHashed]:
        """In the files' thread. A file that goes on in the next window leaves its hasher behind."""
        found = []
        for part in window.parts:
            self._hasher.update(window.fresh(part.start, part.end))
            if part.is_end:
                found.append(FileHashed(part.number, self._hasher.digest()))
                self._hasher = blake3()
        return found


def _hash_blocks(window: Window, ends: list[int], *, with_data: bool) -> list[BlockFound]:
    """In the blocks' thread."""
    view, offset = window.whole(), window.whole_offset
    found, start = [], 0
    for end in ends:
        data = view[start:end]
        block = BlockId(blake3(data).digest())
        found.append(BlockFound(block, end - start, offset + start, data if with_data else None))
        start = end
    return found


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="swarm-hashing")


def _let_the_clock_tick(scan: Scan) -> None:
    """A file changed in the tick in which it was scanned would keep its signature: begin to read in a later one."""
    newest = max((entry.signature.ctime_ns for entry in scan.entries if entry.signature), default=0)
    if abs(time.time_ns() - newest) < CLOCK_TICK_NS:
        time.sleep(CLOCK_TICK_NS / 1e9)
