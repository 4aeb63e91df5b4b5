"""Asks every source what a name and tag mean, and finds the root of a version.

All configured sources are asked at once. The answer is complete as soon as tracker and store (those that are
configured) have spoken or failed, at most one second after the first that knew the tag; the LAN is waited for only
where neither of them answered. Who is right is decided by `trust`, without I/O.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import trio

from swarm.agent.catalog import Catalog
from swarm.agent.lan import Lan
from swarm.agent.recordbook import Recordbook
from swarm.agent.tracker_link import TrackerLink
from swarm.agent.trust import Answer
from swarm.errors import (
    CorruptError,
    MissingError,
    NotFoundError,
    PermissionError_,
    SwarmError,
    UnreachableError,
)
from swarm.protocol.ids import VersionId, digest
from swarm.protocol.messages import CatalogMessage, Resolve, Resolved, RootReply, RootRequest
from swarm.protocol.names import nearest

STRAGGLER_S = 1.0
"""After the first answer that knows the tag the others have this long (DESIGN 3)."""

LAN_S = 3.0
"""How long neighbours are waited for where nobody else answered: discovery, a dial and an answer."""

LAN_POLL_S = 0.25


class RecordStore(Protocol):
    """What resolving needs of a store."""

    async def newest_tag(self, name: str, tag: str) -> bytes | None: ...
    async def name_chain(self, name: str) -> tuple[bytes, ...]: ...
    async def names(self) -> list[str]: ...
    async def tags(self, name: str) -> list[str]: ...
    async def get_root(self, version: VersionId) -> bytes: ...


@dataclass(slots=True)
class _Round:
    """The answers of one question, while they come in."""

    answers: list[Answer] = field(default_factory=list)
    failures: dict[str, SwarmError] = field(default_factory=dict)
    came: trio.Event = field(default_factory=trio.Event)

    def add(self, answer: Answer) -> None:
        self.answers.append(answer)
        if answer.tag_records:
            self.came.set()


class Resolver:
    """Asks tracker, store, neighbours and the own record book."""

    def __init__(
        self,
        catalog: Catalog,
        recordbook: Recordbook,
        tracker: TrackerLink,
        store: Callable[[], Awaitable[RecordStore]] | None,
        lan: Lan | None,
    ) -> None:
        self._catalog = catalog
        self._recordbook = recordbook
        self._tracker = tracker
        self._store = store
        self._lan = lan

    async def ask(self, name: str, tag: str | None) -> list[Answer]:
        """Every source's answer. Raises UnreachableError (with each reason) where no source could be asked at all."""
        found = _Round()
        sources: list[tuple[str, Callable[[_Round, str, str | None], Awaitable[None]]]] = []
        if self._tracker.is_configured:
            sources.append(("tracker", self._ask_tracker))
        if self._store is not None:
            sources.append(("store", self._ask_store))
        await self._ask_configured(found, sources, name, tag)
        if not found.answers:
            await self._ask_neighbours(found, name, tag)
        if not any(answer.tag_records for answer in found.answers):
            await self._ask_self(found, name, tag)
        if not found.answers:
            raise _unreachable(found, has_lan=self._lan is not None)
        return found.answers

    async def find_root(self, version: VersionId) -> bytes:
        """The root of a version, from whoever has it.

        Raises NotFoundError, UnreachableError, and what says more: CorruptError, PermissionError_ (the store).
        """
        failures: dict[str, SwarmError] = {}
        for source, ask in (
            ("tracker", self._root_of_tracker),
            ("store", self._root_of_store),
            ("lan", self._root_of_lan),
        ):
            try:
                root = await ask(version)
            except SwarmError as error:
                failures[source] = error
                continue
            if root is not None and digest(root) == version:
                return root
        for failure in failures.values():
            if isinstance(failure, CorruptError | PermissionError_):
                raise failure
        if any(not isinstance(error, NotFoundError | MissingError) for error in failures.values()):
            raise UnreachableError(
                f"nobody that answers has version {version.hex()}: "
                + "; ".join(f"{source}: {error.message}" for source, error in failures.items())
            )
        raise NotFoundError(f"nobody has version {version.hex()}", hint="it may have been removed; see `swarm ls NAME`")

    # --- tags -----------------------------------------------------------------------------------

    async def _ask_configured(
        self,
        found: _Round,
        sources: list[tuple[str, Callable[[_Round, str, str | None], Awaitable[None]]]],
        name: str,
        tag: str | None,
    ) -> None:
        async with trio.open_nursery() as nursery:

            async def limit_stragglers() -> None:
                await found.came.wait()
                await trio.sleep(STRAGGLER_S)
                nursery.cancel_scope.cancel()

            async def ask_all() -> None:
                async with trio.open_nursery() as asking:
                    for source, ask in sources:
                        asking.start_soon(self._ask_one, found, source, ask, name, tag)
                nursery.cancel_scope.cancel()

            nursery.start_soon(limit_stragglers)
            nursery.start_soon(ask_all)

    async def _ask_one(
        self,
        found: _Round,
        source: str,
        ask: Callable[[_Round, str, str | None], Awaitable[None]],
        name: str,
        tag: str | None,
    ) -> None:
        try:
            await ask(found, name, tag)
        except SwarmError as error:
            found.failures[source] = error

    async def _ask_tracker(self, found: _Round, name: str, tag: str | None) -> None:
        await self._tracker.wait_tried()
        if self._tracker.link is None:
            reasons = "; ".join(f"{url}: {reason}" for url, reason in self._tracker.failures.items())
            raise UnreachableError(f"no tracker answers ({reasons})")
        answer = await self._catalog.ask(self._tracker.link, lambda request: Resolve(request, name, tag))
        _add_resolved(found, "tracker", answer)

    async def _ask_store(self, found: _Round, name: str, tag: str | None) -> None:
        assert self._store is not None
        found.add(await answer_of_store(await self._store(), name, tag))

    async def _ask_neighbours(self, found: _Round, name: str, tag: str | None) -> None:
        if self._lan is None:
            return
        with trio.move_on_after(LAN_S):
            while not found.came.is_set():
                await self._lan.ask(
                    lambda request: Resolve(request, name, tag), lambda answer: _add_resolved(found, "lan", answer)
                )
                await trio.sleep(LAN_POLL_S)

    async def _ask_self(self, found: _Round, name: str, tag: str | None) -> None:
        book = self._recordbook
        tags = book.tags(name) if tag is None else [tag]
        records = tuple(record for t in tags if (record := book.newest(name, t)) is not None)
        if records:
            found.add(Answer("local", records, book.chain(name)))

    # --- roots ----------------------------------------------------------------------------------

    async def _root_of_tracker(self, version: VersionId) -> bytes | None:
        if not self._tracker.is_configured:
            return None
        await self._tracker.wait_tried()
        if self._tracker.link is None:
            raise UnreachableError("no tracker answers")
        answer = await self._catalog.ask(self._tracker.link, lambda request: RootRequest(request, version))
        return answer.root if isinstance(answer, RootReply) else None

    async def _root_of_store(self, version: VersionId) -> bytes | None:
        return await (await self._store()).get_root(version) if self._store is not None else None

    async def _root_of_lan(self, version: VersionId) -> bytes | None:
        if self._lan is None:
            return None
        roots: list[bytes] = []

        def take(answer: CatalogMessage) -> None:
            if isinstance(answer, RootReply) and answer.root is not None:
                roots.append(answer.root)

        with trio.move_on_after(LAN_S):
            while not roots:
                await self._lan.ask(lambda request: RootRequest(request, version), take)
                await trio.sleep(LAN_POLL_S)
        return roots[0] if roots else None


async def answer_of_store(store: RecordStore, name: str, tag: str | None) -> Answer:
    """What a store says of a tag, or of all tags of a name; the nearest words where it knows nothing."""
    tags = [tag] if tag is not None else await store.tags(name)
    records = [record for each in tags if (record := await store.newest_tag(name, each)) is not None]
    if records:
        return Answer("store", tuple(records), await store.name_chain(name))
    known = await store.tags(name)
    if known and tag is not None:
        return Answer("store", (), (), near=tuple(f"{name}:{each}" for each in nearest(tag, known)))
    return Answer("store", (), (), near=nearest(name, await store.names()))


def _add_resolved(found: _Round, source: str, answer: CatalogMessage) -> None:
    if isinstance(answer, Resolved):
        found.add(Answer(source, answer.tag_records, answer.name_records, answer.root, answer.near))


def _unreachable(found: _Round, *, has_lan: bool) -> SwarmError:
    if len(found.failures) == 1 and not has_lan:
        return next(iter(found.failures.values()))
    reasons = [f"{source}: {error.message}" for source, error in found.failures.items()]
    if has_lan:
        reasons.append("LAN: nobody answers")
    hint = "name a --tracker or a --store, or look at `swarm doctor`"
    return UnreachableError("no source can be reached: " + "; ".join(reasons or ["none is configured"]), hint=hint)
