"""Which old versions of a DEST stay, and how the others go: by the holdings, which never remove what a user made."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from swarm.agent.agent import Agent
from swarm.agent.following.place import Place
from swarm.agent.notices import Level, Note, Observer
from swarm.errors import NotFoundError, SwarmError
from swarm.holdings.holdings import Holdings
from swarm.protocol.ids import VersionId


def superfluous(
    there: Sequence[VersionId], used: set[VersionId], installed: Sequence[VersionId], keep: int
) -> list[VersionId]:
    """Of the versions that are there (the newest first): all but those in use and the `keep` that were current last.
    What never was current (its hook failed) goes before what was."""
    places = {version: place for place, version in enumerate(installed)}
    old = sorted((version for version in there if version not in used), key=lambda one: places.get(one, len(places)))
    return old[keep:]


async def prune(
    agent: Agent, holdings: Holdings, place: Place, remove: Sequence[VersionId], observer: Observer
) -> None:
    """Removes versions, and what is staged of others than those in use. A failure is said and is no failure."""
    for version in remove:
        path = place.directory(version)
        agent.driver.shelves.close(version)
        try:
            removed = await holdings.remove(path)
        except NotFoundError:
            continue  # another $SWARM_HOME's, or emptied by hand: not ours to remove
        except SwarmError as error:
            observer.notify(Note(f"{path} could not be removed: {error}", Level.WARNING))
            continue
        if removed.kept:
            observer.notify(
                Note(f"{path} was not removed wholly: it has files that were edited or added", Level.WARNING)
            )


async def sweep(holdings: Holdings, place: Place, wanted: set[VersionId], observer: Observer) -> None:
    """Removes what fetches that never ended have left of versions that nobody wants any more."""
    for version in await trio.to_thread.run_sync(place.staged):
        if version in wanted or place.directory(version).exists():
            continue
        try:
            await holdings.remove(place.directory(version))
        except NotFoundError:
            continue
        except SwarmError as error:
            observer.notify(Note(f"what is staged of {version.hex()} could not be removed: {error}", Level.WARNING))
