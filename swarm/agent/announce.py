"""Tells the tracker what a producer has published: at once, and again whenever a tracker is connected anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from swarm.agent.agent import Agent
from swarm.agent.link import Link
from swarm.agent.notices import Level, Note, Observer
from swarm.errors import ConflictError, SwarmError, UnreachableError
from swarm.protocol.messages import CatalogMessage, Publish, Published

RETRY_S = 2.0
"""After a tracker could not answer (its store is away, it is leaving)."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One signed tag record with what is needed to believe and serve it. `root` None: there is none, or it
    is not told again."""

    label: str
    tag_record: bytes
    name_records: tuple[bytes, ...]
    root: bytes | None


Renew = Callable[[tuple[Announcement, ...]], Awaitable[tuple[Announcement, ...]]]


async def announce(agent: Agent, announcements: tuple[Announcement, ...], observer: Observer) -> Link:
    """Once, to the tracker that is connected or will be; returns the link on which it was told.

    Raises ConflictError where the tracker refuses (it knows something newer, or another history of the name),
    UnreachableError where it did not answer.
    """
    link = await agent.tracker.wait_connected()
    await _tell(agent, link, deque(announcements), observer)
    return link


async def keep_announced(
    agent: Agent,
    announcements: tuple[Announcement, ...],
    observer: Observer,
    *,
    told: Callable[[], None] = lambda: None,
    renew: Renew | None = None,
) -> None:
    """For ever: a tracker that was restarted has forgotten everything. `told` is called each time it knows all. `renew`
    says what is to be told to the next tracker: tags may have moved meanwhile.

    Raises ConflictError where the first tracker refuses: another producer was first. Later refusals are told to the
    observer and do not end serving.
    """
    is_first = True
    told_on: Link | None = None
    rest: deque[Announcement] = deque()
    while True:
        link = await agent.tracker.wait_connected()
        if link is not told_on:
            if renew is not None and told_on is not None:
                announcements = await renew(announcements)
            told_on, rest = link, deque(announcements)
        try:
            await _tell(agent, link, rest, observer)
        except ConflictError as error:
            if is_first:
                raise
            observer.notify(Note(str(error), Level.WARNING))
            rest.popleft()
            continue
        except SwarmError as error:
            observer.notify(Note(f"the tracker could not be told: {error}", Level.DETAIL))
            await trio.sleep(RETRY_S)
            continue
        is_first = False
        told()
        await link.ended.wait()


async def _tell(agent: Agent, link: Link, rest: deque[Announcement], observer: Observer) -> None:
    """Takes from `rest` what the tracker has accepted: it hears so many questions a second, and the next attempt goes
    on where this one stopped."""
    while rest:
        each = rest[0]
        _check(each, await agent.catalog.ask(link, _question(each)))
        rest.popleft()
        observer.notify(Note(f"the tracker knows {each.label}", Level.DETAIL))


def _question(each: Announcement) -> Callable[[int], Publish]:
    return lambda request: Publish(request, each.tag_record, each.name_records, each.root)


def _check(each: Announcement, answer: CatalogMessage) -> None:
    if not isinstance(answer, Published):
        raise UnreachableError(f"the tracker answered {type(answer).__name__} when it was told of {each.label}")
    if not answer.is_accepted:
        hint = "look at what it knows (swarm tags NAME); several producers of one name need a --store that both use"
        raise ConflictError(f"the tracker refuses {each.label}: {answer.reason}", hint=hint, newest=answer.newest)
