"""Virtual time: a clock, a heap of what is to happen, and one rng for each purpose.

Everything that happens in a simulation is a call that was put on this heap. Two entries of one moment happen in the
order in which they were put there, so that a seed decides everything.
"""

from __future__ import annotations

import gc
import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from swarm.protocol.ids import digest


class World:
    """The clock (`now`, seconds) and what is to come."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.seed = seed
        self.events = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        self._is_stopped = False

    def rng(self, purpose: str) -> Random:
        """A rng of its own for a purpose: another machine or fault does not change everybody's luck."""
        return Random(int.from_bytes(digest(f"{self.seed}/{purpose}".encode())[:8], "big"))

    def at(self, time: float, call: Callable[..., None], *args: Any) -> None:
        """Something is to happen at a time (now, where that is past)."""
        self._sequence += 1
        heapq.heappush(self._heap, (max(time, self.now), self._sequence, call, args))

    def after(self, delay_s: float, call: Callable[..., None], *args: Any) -> None:
        """Something is to happen later."""
        self._sequence += 1
        now = self.now
        heapq.heappush(self._heap, (now + delay_s if delay_s > 0 else now, self._sequence, call, args))

    def stop(self) -> None:
        """`run` ends with what is happening now."""
        self._is_stopped = True

    def run(self, *, limit_s: float) -> bool:
        """Lets time pass until somebody calls `stop` (True), or nothing is to come, or the limit is reached (False)."""
        was_enabled = gc.isenabled()
        gc.disable()  # nothing here makes garbage in cycles, and looking for it takes a tenth of the time
        try:
            self._run(limit_s)
        finally:
            if was_enabled:
                gc.enable()
        return self._is_stopped

    def _run(self, limit_s: float) -> None:
        heap, pop = self._heap, heapq.heappop
        while heap and not self._is_stopped:
            time, _, call, args = pop(heap)
            if time > limit_s:
                self.now = limit_s
                break
            self.now = time
            self.events += 1
            call(*args)
