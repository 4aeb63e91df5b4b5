"""Puts a catalog's question to the store. What comes back is not believed yet: `records` and `roots` verify."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio

from swarm.errors import MissingError, NotFoundError, SwarmError
from swarm.protocol.bounds import LISTING_RECORDS_MAX
from swarm.protocol.ids import VersionId
from swarm.protocol.records import decode_tag_record
from swarm.protocol.tags import parse_release
from swarm.tracker.commands import NamesQuestion, Question, RootQuestion, TagQuestion, TagsQuestion
from swarm.tracker.events import LookedUp
from swarm.tracker.origin.link import StoreLink, TrackerStore

LOOK_UP_S = 20.0
"""Agents wait 10 s; what comes later still serves the next one who asks."""

READS_MAX = 16
"""Requests of one question at once."""

T = TypeVar("T")
Item = TypeVar("Item")


async def look_up(link: StoreLink, question: Question) -> LookedUp:
    """The store's answer, or why there is none. Raises nothing of its own."""
    try:
        with trio.fail_after(LOOK_UP_S):
            return await _answer(await link.get(), question)
    except NotFoundError:
        return LookedUp(question)  # nobody has made the store yet: it holds nothing
    except SwarmError as error:
        return LookedUp(question, failure=str(error))
    except trio.TooSlowError:
        return LookedUp(question, failure=f"the store did not answer within {LOOK_UP_S:.0f} s")


async def _answer(store: TrackerStore, question: Question) -> LookedUp:
    match question:
        case TagQuestion():
            return await _tag(store, question)
        case TagsQuestion():
            return await _tags(store, question)
        case NamesQuestion():
            return await _names(store, question)
        case RootQuestion():
            return LookedUp(question, root=await _root(store, question.version))


async def _tag(store: TrackerStore, question: TagQuestion) -> LookedUp:
    record = await store.newest_tag(question.name, question.tag)
    if record is None:
        tags = tuple(await store.tags(question.name))
        return LookedUp(question, tags=tags, names=() if tags else tuple(await store.names()))
    version = decode_tag_record(record).root

    async def read_root() -> tuple[bytes, ...]:
        root = await _root(store, version)
        return (root,) if root is not None else ()

    async def read_chain() -> tuple[bytes, ...]:
        return await store.name_chain(question.name)

    roots, chain = await _each((read_root, read_chain), lambda read: read())
    return LookedUp(question, (record,), ((question.name, chain),), roots[0] if roots else None)


async def _tags(store: TrackerStore, question: TagsQuestion) -> LookedUp:
    found, after = await store.tags(question.name), question.after
    if not found:
        return LookedUp(question, names=tuple(await store.names()))
    tags, cut_at = (_most_wanted(found), "") if after is None else _first([tag for tag in found if tag > after])
    records = await _each(tags, lambda tag: store.newest_tag(question.name, tag))
    chain = await store.name_chain(question.name)
    return LookedUp(question, tuple(filter(None, records)), ((question.name, chain),), cut_at=cut_at)


async def _names(store: TrackerStore, question: NamesQuestion) -> LookedUp:
    names, cut_at = _first([name for name in await store.names() if name > question.after])
    wanted: list[tuple[str, str]] = []
    for count, tags in enumerate(await _each(names, store.tags)):
        some = _most_wanted(tags)
        # A name goes with all its tags or not at all, so that the next question says after which one to go on.
        if wanted and len(wanted) + len(some) > LISTING_RECORDS_MAX:
            names, cut_at = names[:count], names[count - 1]
            break
        wanted += [(names[count], tag) for tag in some]
    records = await _each(wanted, lambda each: store.newest_tag(*each))
    chains = await _each(names, store.name_chain)
    return LookedUp(question, tuple(filter(None, records)), tuple(zip(names, chains, strict=True)), cut_at=cut_at)


async def _root(store: TrackerStore, version: VersionId | None) -> bytes | None:
    if version is None:
        return None
    try:
        return await store.get_root(version)
    except MissingError:
        return None


def _most_wanted(tags: Sequence[str]) -> list[str]:
    """As many tags as one answer holds: channels, then releases from the newest."""
    releases = [((release.scheme, release.order), tag) for tag in tags if (release := parse_release(tag)) is not None]
    newest_first = [tag for _, tag in sorted(releases, reverse=True)]
    return [*sorted(set(tags) - set(newest_first)), *newest_first][:LISTING_RECORDS_MAX]


def _first(words: Sequence[str]) -> tuple[list[str], str]:
    """As many words as one answer has records, and the last of them where there are more."""
    found = sorted(words)
    page = found[:LISTING_RECORDS_MAX]
    return page, page[-1] if len(page) < len(found) else ""


async def _each(items: Sequence[Item], ask: Callable[[Item], Awaitable[T]]) -> list[T]:
    """The answers in order, asked some at once. Raises the first error as it is."""
    answers: dict[int, T] = {}
    errors: list[SwarmError] = []
    limiter = trio.CapacityLimiter(READS_MAX)

    async def one(place: int, item: Item) -> None:
        async with limiter:
            try:
                answers[place] = await ask(item)
            except SwarmError as error:
                errors.append(error)
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for place, item in enumerate(items):
            nursery.start_soon(one, place, item)
    if errors:
        raise errors[0]
    return [answers[place] for place in range(len(items))]
