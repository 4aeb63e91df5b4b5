"""Finds the root of a version whose digest is known: anybody may say it, since its own hash proves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import trio

from swarm.agent.asking import Asking
from swarm.agent.catalog import Catalog
from swarm.agent.lan import Lan
from swarm.agent.tracker_link import TrackerLink
from swarm.errors import CorruptError, MissingError, NotFoundError, PermissionError_, SwarmError, UnreachableError
from swarm.protocol.ids import VersionId, digest
from swarm.protocol.messages import CatalogMessage, RootReply, RootRequest

LAN_S = 3.0
"""How long neighbours are waited for where nobody else answers: discovery, a dial and an answer."""

STORE_AFTER_S = 1.0
"""The store is asked last, but not for ever after the others."""


class RootStore(Protocol):
    """What finding a root needs of a store."""

    async def get_root(self, version: VersionId) -> bytes: ...


@dataclass(slots=True)
class _Search:
    version: VersionId
    root: bytes | None = None
    failures: dict[str, SwarmError] = field(default_factory=dict)
    tracker_done: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    def offer(self, root: bytes | None) -> None:
        """A root that somebody sent; one that is not the version's is nobody's."""
        if root is not None and digest(root) == self.version:
            self.root = root
            self.scope.cancel()


class RootSources:
    """Tracker, neighbours and store."""

    def __init__(
        self,
        catalog: Catalog,
        tracker: TrackerLink,
        store: Callable[[], Awaitable[RootStore]] | None,
        lan: Lan | None,
        asking: Asking,
    ) -> None:
        self._catalog = catalog
        self._tracker = tracker
        self._store = store
        self._lan = lan
        self._asking = asking

    async def find(self, version: VersionId) -> bytes:
        """The first right answer: of tracker or neighbours, and soon of the store.

        Raises NotFoundError where all say that they have it not, UnreachableError where some could not be asked, and
        what says more: CorruptError, PermissionError_ (the store).
        """
        search = _Search(version)
        with search.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._ask_tracker, search)
                nursery.start_soon(self._ask_store, search)
                nursery.start_soon(self._ask_neighbours, search)
        if search.root is not None:
            return search.root
        await trio.lowlevel.checkpoint_if_cancelled()
        raise _failure(search)

    async def _ask_tracker(self, search: _Search) -> None:
        try:
            if self._tracker.is_configured:
                with self._asking.of("tracker"):
                    link = await self._tracker.wait_tried()
                    self._take(search, await self._catalog.ask(link, self._question(search)))
        except SwarmError as error:
            search.failures["tracker"] = error
        finally:
            search.tracker_done.set()

    async def _ask_store(self, search: _Search) -> None:
        if self._store is None:
            return
        with trio.move_on_after(STORE_AFTER_S):
            await search.tracker_done.wait()
        try:
            with self._asking.of("store"):
                search.offer(await (await self._store()).get_root(search.version))
        except SwarmError as error:
            search.failures["store"] = error

    async def _ask_neighbours(self, search: _Search) -> None:
        if self._lan is not None:
            with trio.move_on_after(LAN_S):
                await self._lan.ask(self._question(search), lambda answer: self._take(search, answer))

    @staticmethod
    def _question(search: _Search) -> Callable[[int], RootRequest]:
        return lambda request: RootRequest(request, search.version)

    @staticmethod
    def _take(search: _Search, answer: CatalogMessage) -> None:
        if isinstance(answer, RootReply):
            search.offer(answer.root)


def _failure(search: _Search) -> SwarmError:
    version = search.version.hex()
    for error in search.failures.values():
        if isinstance(error, CorruptError | PermissionError_):
            return error
    if all(isinstance(error, NotFoundError | MissingError) for error in search.failures.values()):
        return NotFoundError(
            f"nobody has version {version}",
            hint="it may have been removed, or collected by swarm gc; see `swarm tags NAME`",
        )
    reasons = "; ".join(f"{source}: {error.message}" for source, error in search.failures.items())
    return UnreachableError(f"nobody that answers has version {version}: {reasons}")
