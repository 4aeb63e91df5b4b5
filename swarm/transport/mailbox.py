"""Queues between a connection's own tasks and its user: bounded, and ended with a reason.

What arrived before the end can still be taken; then everybody who waits is told the reason. Waiting here may be
cancelled at any moment: that is why the user never waits on a stream itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import trio

from swarm.errors import TransportError

T = TypeVar("T")


class Mailbox(Generic[T]):
    """`bound` counts in the unit of `weigh` (items, unless told)."""

    def __init__(self, bound: int, weigh: Callable[[T], int] = lambda _: 1) -> None:
        self._items: deque[T] = deque()
        self._bound = bound
        self._weigh = weigh
        self.weight = 0
        self._ended: str | None = None
        self._takers = trio.lowlevel.ParkingLot()
        self._putters = trio.lowlevel.ParkingLot()

    @property
    def is_full(self) -> bool:
        return self.weight >= self._bound

    def put_nowait(self, items: Iterable[T]) -> None:
        """Adds, past the bound where it must: the caller asks `is_full` or waits with `wait_for_room`."""
        for item in items:
            self._items.append(item)
            self.weight += self._weigh(item)
        self._takers.unpark_all()

    async def wait_for_room(self) -> None:
        """Until something was taken, or the end."""
        while self.is_full and self._ended is None:
            await self._putters.park()

    async def take(self) -> T:
        """The oldest. Raises TransportError once the end has come and everything was taken."""
        # No trip through the scheduler while there is something: the bound keeps that short.
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._wait()
        item = self._items.popleft()
        self.weight -= self._weigh(item)
        self._putters.unpark_all()
        return item

    async def take_all(self) -> list[T]:
        """Everything that is there, at least one. Raises like `take`."""
        await self._wait()
        items = list(self._items)
        self._items.clear()
        self.weight = 0
        self._putters.unpark_all()
        return items

    def end(self, reason: str) -> None:
        """The first reason stays."""
        if self._ended is None:
            self._ended = reason
        self._takers.unpark_all()
        self._putters.unpark_all()

    def check(self) -> None:
        """Derives the weight again."""
        assert self.weight == sum(map(self._weigh, self._items))

    async def _wait(self) -> None:
        while not self._items:
            if self._ended is not None:
                raise TransportError(self._ended)
            await self._takers.park()
