"""`publishing/<uuid>`: somebody is publishing, so a collection of garbage leaves alone what he counts on.

Written before the first look at what is there, renewed hourly, removed at the end. Ages are by the store's own clock:
ours may be wrong, and stands still while a laptop sleeps. A publisher whose marker was once too old must never commit,
because a collector may have stopped believing in him; that a renewal makes it young again changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from swarm.errors import ConflictError, SwarmError, UnavailableError
from swarm.protocol.cbor import encode
from swarm.store._objects import Objects
from swarm.store.ages import COMMIT_AGE_MAX_S, LIVE_AGE_MAX_S, RENEW_INTERVAL_S, RENEW_RETRY_S
from swarm.store.condemned import MARKER_BYTES_MAX, MARKERS_MAX
from swarm.store.layout import PUBLISHING, marker_key

REMOVE_TIMEOUT_S = 5.0
"""An interrupted publisher waits this long to take its marker away; what stays dies of age."""


class SuspendedError(UnavailableError):
    """A marker was not renewed for so long that a collector may have stopped believing in its publisher."""


class Marker:
    """One publisher's marker in `objects`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.run = uuid.uuid4().hex
        self._seen_s: float | None = None
        """When it was written, by the store's clock, as far as is known."""
        self._is_lost = False

    async def write(self) -> None:
        """Writes it, and looks when the store says that was: a gap since the time before is never made good."""
        await self._objects.put(marker_key(self.run), encode({0: 1, 1: []}))
        await self._look()

    async def check_age(self) -> None:
        """Raises SuspendedError if it is too old to commit, was so once, or is gone."""
        written_s = await self._look()
        if not self._is_lost and await self._objects.server_time() - written_s > COMMIT_AGE_MAX_S:
            self._is_lost = True
        if self._is_lost:
            hint = "publish again: what is in the store already is not sent again"
            raise SuspendedError("this publisher's marker was not renewed for 6 h, so it may not commit", hint=hint)

    async def is_kept(self) -> bool:
        """After the commit. False where a suspension between last look and commit may have been long enough for a
        collection of garbage: then nobody knows whether the version is whole."""
        try:
            await self.check_age()
        except SuspendedError:
            return False
        return True

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

    async def _look(self) -> float:
        stat = await self._objects.stat(marker_key(self.run))
        written_s = stat.modified_s if stat is not None else float("inf")
        seen_s = self._seen_s if self._seen_s is not None else written_s
        if stat is None or written_s - seen_s > COMMIT_AGE_MAX_S:
            self._is_lost = True
        self._seen_s = written_s
        return written_s


async def live_markers(objects: Objects) -> dict[str, float]:
    """The runs of those who publish now, or were killed not long ago, and when each marker was written last.

    Raises ConflictError where there are more than a run can name.
    """
    now_s = await objects.server_time()
    found: dict[str, float] = {}
    after = ""
    while True:
        page = await objects.list_page(PUBLISHING, after=after)
        for listed in page.objects:
            run = listed.key.removeprefix(PUBLISHING)
            if now_s - listed.modified_s < LIVE_AGE_MAX_S and len(run.encode()) <= MARKER_BYTES_MAX:
                found[run] = listed.modified_s
        if len(found) > MARKERS_MAX:
            raise ConflictError(f"{objects.url} has more than {MARKERS_MAX} publishers", hint="try again later")
        if page.is_last or not page.objects:
            return found
        after = page.objects[-1].key


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
