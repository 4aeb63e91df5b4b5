"""Blocking calls of adapters in threads: cancelled at once for the caller, and soon for the thread.

trio cannot stop a thread. So a cancelled call is abandoned, told so by a flag that it looks at between two pieces, and
ends at the latest with its socket's own short timeout; its token of the limiter stays taken until then, so a store
that hangs cannot gather threads without bound.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import trio

from swarm.errors import UnavailableError

T = TypeVar("T")

Moved = Callable[[int], None]
"""Told how many bytes of an object have come so far; called on trio's thread."""

PIECE_BYTES = 64 * 1024
"""Read between two reports: a lease is fenced after 5 s without news, so this must not take as long on a thin line."""

READ_TIME_MAX_S = 600.0
"""For one object. A server that sends a byte now and then keeps its socket's timeout away, not this one."""


class ReadAbandonedError(Exception):
    """Ends a thread whose caller has gone; nobody sees it."""


class Reading:
    """One read that is under way, seen from both threads."""

    def __init__(self, moved: Moved | None) -> None:
        self._moved = moved
        self._token = trio.lowlevel.current_trio_token()
        self._lock = threading.Lock()
        self._hang_up: Callable[[], None] | None = None
        self._is_abandoned = False

    # --- from the thread

    def check(self) -> None:
        if self._is_abandoned:
            raise ReadAbandonedError

    @contextmanager
    def hanging_up(self, hang_up: Callable[[], None]) -> Iterator[None]:
        """While the block runs, an abandoned read calls `hang_up`, which must wake a thread blocked in its socket."""
        with self._lock:
            self.check()
            self._hang_up = hang_up
        try:
            yield
        finally:
            with self._lock:
                self._hang_up = None

    def fill(self, read_into: Callable[[memoryview], int | None], size: int) -> bytearray:
        """`size` bytes by repeated calls; fewer if the source ends early, which the caller must look at."""
        data = bytearray(size)
        view = memoryview(data)
        done = 0
        while done < size:
            self.check()
            count = read_into(view[done : done + PIECE_BYTES])
            if not count:
                break
            done += count
            self._tell(done)
        view.release()
        del data[done:]
        return data

    def _tell(self, done: int) -> None:
        if self._moved:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._report, done)

    # --- from trio

    def _report(self, done: int) -> None:
        if self._moved and not self._is_abandoned:
            self._moved(done)

    def abandon(self) -> None:
        with self._lock:
            self._is_abandoned = True
            if self._hang_up:
                with suppress(OSError):
                    self._hang_up()


async def in_thread(work: Callable[[], T], limiter: trio.CapacityLimiter) -> T:
    """A call that may be abandoned: what it still does afterwards must harm nobody."""
    # The old stubs of trio-typing, which libp2p brings, stand before trio's own types.
    return await trio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)  # type: ignore[call-arg]


async def read_in_thread(work: Callable[[Reading], T], limiter: trio.CapacityLimiter, moved: Moved | None) -> T:
    """Runs `work`, which reads through the `Reading` it is given. Raises UnavailableError where that takes for ever."""
    reading = Reading(moved)
    with trio.CancelScope(deadline=trio.current_time() + READ_TIME_MAX_S):
        try:
            return await in_thread(lambda: work(reading), limiter)
        except trio.Cancelled:
            reading.abandon()
            raise
    raise UnavailableError(f"one object was not read within {READ_TIME_MAX_S:.0f} s")
