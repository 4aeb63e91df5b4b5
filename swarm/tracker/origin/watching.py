"""Looks into the store for tags that have moved there without anybody telling the tracker.

Only what somebody has subscribed to is looked at, one small request each: whether the record after the newest known
one is there (a HEAD), or, where every tag of a name is wanted, whether the list of its tags is as it was. Only then,
and now and then all the same (a lost store that was begun anew counts from 0 again), is it read.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable

import trio

from swarm.errors import PermissionError_, SwarmError
from swarm.tracker.catalog.subscriptions import Watched
from swarm.tracker.commands import Question, TagQuestion, TagsQuestion
from swarm.tracker.origin.link import StoreLink, TrackerStore

WATCH_S = 2.0
"""Between two looks at the same tag, jittered: a HEAD every 2 s is 43,000 a day, some cents."""

LOOKS_PER_S_MAX = 50.0
"""Of all tags together; with more than a hundred watched ones each is looked at less often."""

READ_EVERY = 60
"""Every so many looks it is read whatever the look says."""

LOOK_TIMEOUT_S = 10.0

log = logging.getLogger(__name__)


class _Looker:
    """Looks at one thing after the other, and remembers what it saw of lists."""

    def __init__(self, read: Callable[[Question], Awaitable[None]]) -> None:
        self._read = read
        self._states: dict[str, bytes] = {}
        self._rounds = 0

    async def look(self, store: TrackerStore, watched: list[Watched]) -> None:
        """Once at each, with a pause between two. Raises what the store raises."""
        self._rounds += 1
        self._states = {
            name: state for name, state in self._states.items() if Watched(str(name), None, None) in watched
        }
        for each in watched:
            if self._rounds % READ_EVERY == 0 or await self._has_moved(store, each):
                await self._read(_question(each))
            await trio.sleep(1 / LOOKS_PER_S_MAX)

    async def _has_moved(self, store: TrackerStore, each: Watched) -> bool:
        try:
            with trio.fail_after(LOOK_TIMEOUT_S):
                if each.tag is not None:
                    return await store.has_tag_record(each.name, each.tag, 0 if each.seq is None else each.seq + 1)
                state = await store.tags_state(each.name)
        except PermissionError_:
            return True  # without the right to list, "missing" is "forbidden": only reading tells
        before, self._states[each.name] = self._states.get(each.name), state
        return before != state


async def watch_store(
    link: StoreLink, watched: Callable[[], list[Watched]], read: Callable[[Question], Awaitable[None]]
) -> None:
    """For ever. `read` puts a question to the store and tells the catalog the answer."""
    looker = _Looker(read)
    while True:
        await trio.sleep(WATCH_S * random.uniform(0.75, 1.25))
        if not (now := watched()):
            continue
        try:
            await looker.look(await link.get(), now)
        except (SwarmError, trio.TooSlowError) as error:
            log.info("the store cannot be looked at for tags that have moved: %s", error)


def _question(each: Watched) -> Question:
    return TagsQuestion(each.name) if each.tag is None else TagQuestion(each.name, each.tag)
