"""`publishing/<uuid>`: somebody is publishing, so a collection of garbage leaves alone what he counts on.

Written before the first look at what is there, renewed hourly, removed at the end. Ages are by the store's own clock:
ours may be wrong, and stands still while a laptop sleeps. A publisher whose marker has become too old must not commit,
because a collector may have stopped believing in him.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from swarm.errors import SwarmError, UnavailableError
from swarm.protocol.cbor import encode
from swarm.store._objects import Objects
from swarm.store.layout import marker_key

RENEW_INTERVAL_S = 3600.0
RENEW_RETRY_S = 60.0
COMMIT_AGE_MAX_S = 6 * 3600.0
"""A publisher will not commit past this; a collector counts a marker as live for `LIVE_AGE_MAX_S`, four times it."""

LIVE_AGE_MAX_S = 24 * 3600.0
REMOVE_TIMEOUT_S = 5.0
"""An interrupted publisher waits this long to take its marker away; what stays dies of age."""


class Marker:
    """One publisher's marker in `objects`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.run = uuid.uuid4().hex

    async def write(self) -> None:
        await self._objects.put(marker_key(self.run), encode({0: 1, 1: []}))

    async def check_age(self) -> None:
        """Raises UnavailableError if it is too old to commit, or gone."""
        stat = await self._objects.stat(marker_key(self.run))
        age_s = await self._objects.server_time() - stat.modified_s if stat else float("inf")
        if age_s > COMMIT_AGE_MAX_S:
            hint = "publish again: what is in the store already is not sent again"
            raise UnavailableError("this publisher's marker was not renewed for 6 h, so it may not commit", hint=hint)

    async def renew(self) -> None:
        """For ever. A failed renewal is tried again soon; `check_age` is what stops a commit if none succeeds."""
        pause_s = RENEW_INTERVAL_S
        while True:
            await trio.sleep(pause_s)
            try:
                await self.write()
                pause_s = RENEW_INTERVAL_S
            except SwarmError:
                pause_s = RENEW_RETRY_S

    async def remove(self) -> None:
        deadline = trio.current_time() + REMOVE_TIMEOUT_S
        with trio.CancelScope(deadline=deadline, shield=True), suppress(SwarmError):
            await self._objects.delete(marker_key(self.run))


@asynccontextmanager
async def marked(objects: Objects) -> AsyncIterator[Marker]:
    """A marker that is written, renewed and removed around the block."""
    marker = Marker(objects)
    failure: Exception | None = None
    try:
        await marker.write()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(marker.renew)
            try:
                yield marker
            except Exception as error:  # the block's own, carried past the nursery, which would wrap it in a group
                failure = error
            nursery.cancel_scope.cancel()
    finally:
        await marker.remove()
    if failure is not None:
        raise failure
