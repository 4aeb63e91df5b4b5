"""Tells the tracker what a producer has published: at once, and again whenever a tracker is connected anew."""

from __future__ import annotations

from dataclasses import dataclass

import trio
import trio.lowlevel

from swarm.agent.agent import Agent
from swarm.agent.notices import Level, Note, Observer
from swarm.errors import ConflictError, SwarmError
from swarm.protocol.messages import Publish, Published

RETRY_S = 2.0
"""After a tracker did not answer; a lost connection is noticed by itself."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One signed tag record with what is needed to believe and serve it."""

    label: str
    tag_record: bytes
    name_records: tuple[bytes, ...]
    root: bytes


async def announce(agent: Agent, announcements: tuple[Announcement, ...], observer: Observer) -> None:
    """Once, to the tracker that is connected or will be. Raises ConflictError where it knows something newer."""
    link = await agent.tracker.wait_connected()
    for each in announcements:
        answer = await agent.catalog.ask(
            link,
            lambda request, each=each: Publish(request, each.tag_record, each.name_records, each.root),  # type: ignore[misc]
        )
        if isinstance(answer, Published) and not answer.is_accepted:
            raise ConflictError(f"the tracker refuses {each.label}: {answer.reason}")
        observer.notify(Note(f"the tracker knows {each.label}", Level.DETAIL))


async def keep_announced(agent: Agent, announcements: tuple[Announcement, ...], observer: Observer) -> None:
    """For ever: a tracker that was restarted has forgotten everything. A refusal is told and does not end serving."""
    while True:
        link = await agent.tracker.wait_connected()
        try:
            await announce(agent, announcements, observer)
        except ConflictError as error:
            observer.notify(Note(str(error), Level.WARNING))
        except SwarmError:
            await trio.sleep(RETRY_S)
            continue
        await link.ended.wait()
        await trio.lowlevel.checkpoint()  # the tracker's end is told to everybody before it is connected again
