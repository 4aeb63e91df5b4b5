"""Asks every source what a name and tag mean.

All are asked at once. The answer is complete as soon as tracker and store (those that are configured) have spoken or
failed, at most one second after the first that may be believed; neighbours count if they are in time, and are waited
for only where nobody else can answer. Who is right is decided by `trust`, without I/O.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

import trio

from swarm.agent.answers import RecordStore, answer_of_book, answer_of_store
from swarm.agent.asking import Asking
from swarm.agent.catalog import Catalog
from swarm.agent.claims import Answer
from swarm.agent.lan import Lan
from swarm.agent.link import Link
from swarm.agent.listing import NEIGHBOUR_BYTES_MAX, TRACKER_BYTES_MAX, in_range, with_every_tag
from swarm.agent.recordbook import Recordbook
from swarm.agent.roots import LAN_S, RootSources
from swarm.agent.tracker_link import TrackerLink
from swarm.errors import RefusedError, SwarmError, UnreachableError, most_telling
from swarm.protocol.ids import VersionId
from swarm.protocol.messages import CatalogMessage, Redirect, Resolve, Resolved
from swarm.protocol.names import is_query

STRAGGLER_S = 1.0
"""After the first answer that may be believed the others have this long (DESIGN 3)."""

LISTING_STRAGGLER_S = 10.0
"""The same where every tag is asked for: pages follow one another, and nobody waits to fetch."""

LAN_ANSWERS_MAX = 8
"""Different answers of neighbours that are kept: each may be 4 MiB, and honest neighbours say the same."""

LAN_DOUBTS_MAX = 1
"""The same of those that cannot be believed: one tells the user why."""

IsBelievable = Callable[[Answer], bool]


@dataclass(slots=True)
class _Round:
    """The answers of one question, while they come in. `query`: the range that is asked for; then `tag` is None."""

    name: str
    tag: str | None
    is_believable: IsBelievable
    every_tag: bool = False
    query: str | None = None
    answers: list[Answer] = field(default_factory=list)
    failures: dict[str, SwarmError] = field(default_factory=dict)
    is_known: trio.Event = field(default_factory=trio.Event)

    def add(self, answer: Answer) -> None:
        """A tracker's, a store's or this machine's own word."""
        answer = self._narrowed(answer)
        self.answers.append(answer)
        if self.is_believable(answer):
            self.is_known.set()

    def add_of_neighbour(self, answer: Answer) -> None:
        """Bounded: there may be many neighbours, and any number of strangers among them."""
        answer = self._narrowed(answer)
        if answer in self.answers:
            return
        is_believable = self.is_believable(answer)
        others = [other for other in self.answers if other.source == answer.source]
        if sum(self.is_believable(other) is is_believable for other in others) < (
            LAN_ANSWERS_MAX if is_believable else LAN_DOUBTS_MAX
        ):
            self.add(answer)

    def _narrowed(self, answer: Answer) -> Answer:
        """Who knows the name and nothing in the range says so with one of his records: others may know more."""
        if self.query is None or not answer.tag_records:
            return answer
        return replace(answer, tag_records=in_range(self.query, answer.tag_records) or answer.tag_records[:1])

    @property
    def is_unsure(self) -> bool:
        """Only neighbours have answered, they know nothing, and who might know could not be asked."""
        knows = any(answer.tag_records for answer in self.answers)
        return bool(self.failures) and not knows and not self.has_answer_of("tracker", "store")

    def has_answer_of(self, *sources: str) -> bool:
        return any(answer.source in sources for answer in self.answers)


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
        self.asking = Asking()
        """Whose answer is waited for."""
        self._roots = RootSources(catalog, tracker, store, lan, self.asking)
        self.failures: dict[str, SwarmError] = {}
        """Of the last question: why tracker or store could not answer it, where others did."""

    async def ask(
        self,
        name: str,
        tag: str | None,
        is_believable: IsBelievable = lambda answer: bool(answer.tag_records),
        *,
        every_tag: bool = False,
    ) -> list[Answer]:
        """Every source's answer; `tag` None asks for the tags' newest records: as many as fit one answer, among them
        those that are wanted most, or with `every_tag` all of them, page by page. For a range all tags are looked
        through, and what this machine has seen counts too: a source that leaves a release out cannot take it back.

        Raises UnreachableError (with each reason) where no source could be asked at all, RefusedError where all were
        refused.
        """
        query = tag if tag is not None and is_query(tag) else None
        if query is None:
            found = _Round(name, tag, is_believable, every_tag and tag is None)
        else:
            found = _Round(name, None, partial(_has_release, query, is_believable), every_tag=True, query=query)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_neighbours, found)
            nursery.start_soon(_limit_stragglers, found, nursery.cancel_scope)
            began_at = trio.current_time()
            await self._ask_configured(found)
            if self._lan is not None and not found.has_answer_of("tracker", "store"):
                await trio.sleep_until(began_at + LAN_S)
            nursery.cancel_scope.cancel()
        self.failures = found.failures
        if found.query is not None or (not found.has_answer_of("store") and not found.is_known.is_set()):
            await self._ask_self(found)
        if not found.answers or found.is_unsure:
            raise _unreachable(found, has_lan=self._lan is not None)
        return found.answers

    async def find_root(self, version: VersionId) -> bytes:
        """The root of a version, from whoever has it. Raises NotFoundError, UnreachableError."""
        return await self._roots.find(version)

    async def _ask_configured(self, found: _Round) -> None:
        async with trio.open_nursery() as asking:
            if self._tracker.is_configured:
                asking.start_soon(_note_failure, found, "tracker", self._ask_tracker)
            if self._store is not None:
                asking.start_soon(_note_failure, found, "store", self._ask_store)

    async def _ask_tracker(self, found: _Round) -> None:
        with self.asking.of("tracker"):
            link = await self._tracker.wait_tried()
            answer = await self._catalog.ask(link, lambda request: Resolve(request, found.name, found.tag))
        if found.every_tag:
            ask = partial(self._catalog.ask, link)
            answer = await with_every_tag(ask, found.name, answer, bytes_max=TRACKER_BYTES_MAX)
        if isinstance(answer, Redirect):
            raise UnreachableError(f"the tracker keeps no {found.name}: ask {', '.join(answer.trackers)}")
        if isinstance(answer, Resolved):
            found.add(_answer("tracker", answer))

    async def _ask_store(self, found: _Round) -> None:
        assert self._store is not None
        with self.asking.of("store"):
            found.add(await answer_of_store(await self._store(), found.name, found.query or found.tag))

    async def _ask_neighbours(self, found: _Round) -> None:
        def take(answer: CatalogMessage) -> None:
            if isinstance(answer, Resolved):
                found.add_of_neighbour(_answer("lan", answer))

        async def follow(link: Link, answer: CatalogMessage) -> CatalogMessage:
            ask = partial(self._catalog.ask, link)
            return await with_every_tag(ask, found.name, answer, bytes_max=NEIGHBOUR_BYTES_MAX)

        if self._lan is not None:
            question = partial(Resolve, name=found.name, tag=found.tag)
            await self._lan.ask(question, take, follow=follow if found.every_tag else None)

    async def _ask_self(self, found: _Round) -> None:
        """What was seen before: where the store cannot say otherwise, a site goes on with what it has."""
        answer = answer_of_book(self._recordbook, found.name, found.query or found.tag)
        if answer is not None:
            found.add(answer)


def _has_release(query: str, is_believable: IsBelievable, answer: Answer) -> bool:
    """A question for a range does not end with an answer that knows nothing in it."""
    return is_believable(answer) and bool(in_range(query, answer.tag_records))


async def _limit_stragglers(found: _Round, scope: trio.CancelScope) -> None:
    await found.is_known.wait()
    await trio.sleep(LISTING_STRAGGLER_S if found.every_tag and found.query is None else STRAGGLER_S)
    scope.cancel()


async def _note_failure(found: _Round, source: str, ask: Callable[[_Round], Awaitable[None]]) -> None:
    try:
        await ask(found)
    except* SwarmError as group:
        error = most_telling(group)
        assert isinstance(error, SwarmError)
        found.failures[source] = error


def _answer(source: str, answer: Resolved) -> Answer:
    return Answer(source, answer.tag_records, answer.name_records, answer.root, answer.near)


def _unreachable(found: _Round, *, has_lan: bool) -> SwarmError:
    errors = list(found.failures.values())
    if (errors and all(isinstance(error, RefusedError) for error in errors)) or (len(errors) == 1 and not has_lan):
        return errors[0]
    reasons = [f"{source}: {error.message}" for source, error in found.failures.items()]
    if has_lan:
        reasons.append("LAN: nobody answers")
    hint = "name a --tracker or a --store, or look at `swarm doctor`"
    return UnreachableError("no source can be reached: " + "; ".join(reasons or ["none is configured"]), hint=hint)
