"""The versions that are open at the node, each with its shelf; held ones are opened when a peer first asks for them.

A shelf is here exactly as long as the node has a session of its version.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from swarm.agent.shelf import Shelf
from swarm.errors import SwarmError
from swarm.exchange.events import (
    BlocksFound,
    BlocksLost,
    Event,
    SessionClosed,
    SessionOpened,
    VersionUnknown,
    WantChanged,
)
from swarm.protocol.ids import Runs, VersionId
from swarm.protocol.messages import LostReason
from swarm.protocol.runs import subtract

LOADS_AT_ONCE = 2
"""Manifests of held versions that are read at once: strangers choose which, and a large one takes a second."""

LoadVersion = Callable[[VersionId], Awaitable["tuple[SessionOpened, Shelf] | None"]]
"""Opens a version that is held here; None where it is not."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    shelf: Shelf
    released: trio.Event = field(default_factory=trio.Event)


class Shelves:
    """By version."""

    def __init__(self, load: LoadVersion, submit: Callable[[Event], None]) -> None:
        self._load = load
        self._submit = submit
        self._open: dict[VersionId, _Open] = {}
        self._loading = trio.CapacityLimiter(LOADS_AT_ONCE)

    def find(self, version: VersionId) -> Shelf | None:
        """Where the blocks of a version are, if it is open."""
        found = self._open.get(version)
        return found.shelf if found is not None else None

    def open(self, event: SessionOpened, shelf: Shelf) -> None:
        """Begins to take part in a version. One that is open already (it was served) goes on with the new shelf, and
        with what is here now: a directory may have been removed since."""
        found = self._open.get(event.version)
        if found is None:
            self._open[event.version] = _Open(shelf)
            self._submit(event)
            return
        found.shelf = shelf
        everything = ((0, len(event.page_lengths) + event.block_count),)
        if gone := subtract(everything, event.have):
            self._submit(BlocksLost(event.version, gone, LostReason.EDITED))
        self._submit(BlocksFound(event.version, event.have))
        if event.want is not None:
            self.want(event.version, event.want, grows=event.want_grows)

    def want(self, version: VersionId, runs: Runs, *, grows: bool = False) -> None:
        """What is to be fetched of an open version from now on; `grows`: more will be."""
        found = self._open.get(version)
        if found is not None and runs:
            found.released = trio.Event()
        self._submit(WantChanged(version, runs, grows))

    def only_give(self, version: VersionId, shelf: Shelf) -> None:
        """Nothing more is fetched of an open version, and its blocks are read there from now on."""
        if found := self._open.get(version):
            found.shelf = shelf
            self.want(version, ())

    def close(self, version: VersionId) -> None:
        """The version is given up."""
        self._submit(SessionClosed(version))
        self._open.pop(version, None)

    def release(self, version: VersionId) -> None:
        """The node says that no neighbour lacks anything of it."""
        if found := self._open.get(version):
            found.released.set()

    async def wait_released(self, version: VersionId) -> None:
        """Until leaving harms nobody, as far as this version goes."""
        if found := self._open.get(version):
            await found.released.wait()

    async def load(self, version: VersionId) -> None:
        """A peer asks for a version: opens it if it is held here, else says so to the node."""
        loaded = None
        async with self._loading:
            try:
                loaded = await self._load(version)
            except Exception as error:  # a task's outer edge: a manifest that cannot be read must not end the agent
                level = logging.WARNING if isinstance(error, SwarmError) else logging.ERROR
                log.log(level, "version %s cannot be opened", version.hex(), exc_info=error)
        if loaded is not None and version not in self._open:
            self.open(*loaded)
        # Whoever still waits for an answer gets one; where the session is open nobody does.
        self._submit(VersionUnknown(version))
