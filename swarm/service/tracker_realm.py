"""The realm that a tracker speaks of: who publishes without a store does it there, or is not believed by anybody."""

from __future__ import annotations

from swarm.errors import SwarmError
from swarm.protocol.ids import Realm


async def realm_of_trackers(urls: tuple[str, ...]) -> Realm | None:
    """That of the first which has one. None: none answers, none was told of anything yet, or all are multiaddrs."""
    if not urls:
        return None
    from swarm.tracker.http.client import find_tracker  # noqa: PLC0415  # only where a tracker is configured

    for url in urls:
        try:
            found = await find_tracker(url)
        except SwarmError:
            continue  # it is told later, when it answers
        if found.realm is not None:
            return found.realm
    return None
