"""Queues between a connection's own tasks and its user: bounded, and ended with a reason.

What arrived before the end can still be taken; then everybody who waits is told the reason. Waiting here may be
cancelled at any moment: that is why the user never waits on a stream itself. A user who need not wait says how things
may be handed to him (`hand_to`): a turn of the scheduler less for each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
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
        self._hand: Callable[[T], bool] | None = None
        self._on_room: Callable[[], None] | None = None

    @property
    def is_full(self) -> bool:
        return self.weight >= self._bound

    def hand_to(self, hand: Callable[[T], bool] | None) -> None:
        """From now on what comes is offered to `hand` at once; what it declines (False) waits to be taken, and what
        comes after waits behind it."""
        self._hand = hand

    def on_room(self, told: Callable[[], None]) -> None:
        """`told` hears each time that something was taken from a full one."""
        self._on_room = told

    def put(self, item: T) -> None:
        """Adds, past the bound where it must: the caller asks `is_full`."""
        if self._hand is not None and not self._items and self._hand(item):
            return
        self._items.append(item)
        self.weight += self._weigh(item)
        self._takers.unpark_all()

    async def take(self) -> T:
        """The oldest. Raises TransportError once the end has come and everything was taken."""
        # No trip through the scheduler while there is something: the bound keeps that short.
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._wait()
        was_full, item = self.is_full, self._items.popleft()
        self.weight -= self._weigh(item)
        if was_full and self._on_room is not None:
            self._on_room()
        return item

    async def take_all(self) -> list[T]:
        """Everything that is there, at least one. Raises like `take`."""
        await self._wait()
        items = list(self._items)
        self._items.clear()
        self.weight = 0
        return items

    def end(self, reason: str) -> None:
        """The first reason stays."""
        if self._ended is None:
            self._ended = reason
        self._takers.unpark_all()

    def check(self) -> None:
        """Derives the weight again."""
        assert self.weight == sum(map(self._weigh, self._items))

    async def _wait(self) -> None:
        while not self._items:
            if self._ended is not None:
                raise TransportError(self._ended)
            await self._takers.park()
