"""Reads many things at once and gives them in their order, so that a reader of a stream is not bound by latency."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import trio

Read = Callable[[], Awaitable[bytes | bytearray]]


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be read: how long it will be (bytes), and how."""

    length: int
    read: Read


class ReadAhead:
    """`run` is a task that reads; `take` gives the results one by one.

    What is being read or waits to be taken is at most `bytes_max` and one job more. The first error ends `run`.
    """

    def __init__(self, jobs: Iterable[Job], *, bytes_max: int, concurrency: int) -> None:
        self._jobs = enumerate(jobs)
        self._bytes_max = bytes_max
        self._concurrency = concurrency
        self._done: dict[int, bytes | bytearray] = {}
        self._bytes_held = 0
        self._taken = 0
        self._started = 0
        self._is_exhausted = False
        self._change = trio.Event()

    async def run(self) -> None:
        """Ends when everything has been read."""
        async with trio.open_nursery() as nursery:
            for _ in range(self._concurrency):
                nursery.start_soon(self._work)

    async def take(self) -> bytes | bytearray | None:
        """The next result; None after the last. For one caller at a time."""
        while self._taken not in self._done:
            if self._is_exhausted and self._taken == self._started:
                return None
            await self._change.wait()
        data = self._done.pop(self._taken)
        self._taken += 1
        self._bytes_held -= len(data)
        self._tell()
        return data

    async def _work(self) -> None:
        while True:
            while self._bytes_held >= self._bytes_max:
                await self._change.wait()
            number, job = next(self._jobs, (0, None))
            if job is None:
                self._is_exhausted = True
                self._tell()
                return
            self._started = number + 1
            self._bytes_held += job.length
            data = await job.read()
            self._bytes_held += len(data) - job.length
            self._done[number] = data
            self._tell()

    def _tell(self) -> None:
        self._change.set()
        self._change = trio.Event()
