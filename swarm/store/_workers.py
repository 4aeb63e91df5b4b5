"""The same question about many things, a few at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sized
from typing import TypeVar

import trio

from swarm.errors import SwarmError

T = TypeVar("T")


async def for_each(items: Iterable[T], ask: Callable[[T], Awaitable[None]], *, concurrency: int) -> None:
    """Calls `ask` with every item by `concurrency` workers: not a task for each of a million.

    The first error ends the others and is raised as it came: callers catch stores' errors, not groups of them.
    """
    workers = min(concurrency, len(items)) if isinstance(items, Sized) else concurrency
    queue = iter(items)
    errors: list[SwarmError] = []

    async def worker(scope: trio.CancelScope) -> None:
        try:
            for item in queue:
                await ask(item)
        except SwarmError as error:
            errors.append(error)
            scope.cancel()

    async with trio.open_nursery() as nursery:
        for _ in range(workers):
            nursery.start_soon(worker, nursery.cancel_scope)
    if errors:
        raise errors[0]
