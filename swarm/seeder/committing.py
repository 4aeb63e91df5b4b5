"""The commit of a publisher who may be suspended at any moment: what he makes visible is whole in the end.

He looks at his marker before the commit. No store can prevent that he then sleeps for days and commits all the same,
while a collection of garbage deletes what he counted on. So he looks again afterwards, and sends what is missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from swarm.errors import NotFoundError, SwarmError, most_telling
from swarm.store import Store
from swarm.store.marker import Marker

T = TypeVar("T")

RESTORES_MAX = 3
"""Suspended for hours in each of so many attempts: something else is wrong."""

WHAT_HAPPENED = "suspended for hours while tags moved, and then:"


async def commit_whole(
    records: Store, marker: Marker, commit: Callable[[], Awaitable[T]], send: Callable[[], Awaitable[object]]
) -> T:
    """What `commit` returns. `send` writes whatever is missing or condemned of what it makes visible; called only
    where garbage may have been collected beneath it.

    Raises SuspendedError where nothing was committed, and what `commit` and `send` raise.
    """
    await marker.check_age()
    failure: SwarmError | None = None
    try:
        result = await commit()
    except SwarmError as error:  # the first of several tags may have moved
        failure = error
    if not await marker.is_kept():
        await _restore(records, send)
    if failure is not None:
        raise failure
    return result


async def _restore(records: Store, send: Callable[[], Awaitable[object]]) -> None:
    try:
        for attempt in range(1, RESTORES_MAX + 1):
            async with records.publishing() as marker:
                await send()
                if await marker.is_kept():
                    return
                if attempt == RESTORES_MAX:
                    await marker.check_age()
    except Exception as error:  # every one is told with what had happened before it, and goes on
        raise _after_suspension(most_telling(error)) from None


def _after_suspension(error: BaseException) -> BaseException:
    if isinstance(error, SwarmError):
        error.message = f"{WHAT_HAPPENED} {error.message}"
        if not isinstance(error, NotFoundError):
            error.hint = "publish again at once: what the tags mean now may lack blocks"
    return error
