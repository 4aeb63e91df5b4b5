"""Every tag of a name from one source, page by page: one answer holds as many records as fit a message. And what of
them says what a range means.

What a page holds is believed no more than any other answer: `claims` judges each record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from swarm.agent.catalog import Question
from swarm.errors import SwarmError
from swarm.protocol.messages import CatalogMessage, ListDatasets, Listing, Message, Resolved
from swarm.protocol.ranges import ranked
from swarm.protocol.records import TagRecord, decode_tag_record

PAGES_MAX = 256
"""Of 256 records: as many tags as a tracker keeps of one name."""

TRACKER_BYTES_MAX = 64 << 20
"""Of one tracker's listing: 65,536 records of a usual kilobyte."""

NEIGHBOUR_BYTES_MAX = 4 << 20
"""Of one neighbour's: several are asked at once, and any of them may be a stranger."""

ALIVE_MAX = 8
"""Releases of a range that are taken from one source: the greatest may be one that this machine does not believe."""

Ask = Callable[[Question], Awaitable[CatalogMessage]]


async def with_every_tag(ask: Ask, name: str, answer: CatalogMessage, *, bytes_max: int) -> CatalogMessage:
    """An answer to `Resolve` without a tag, with the records that did not fit it. Raises what `ask` raises."""
    if not isinstance(answer, Resolved) or not answer.tag_records:
        return answer
    found = dict.fromkeys(answer.tag_records)
    after: str | None = None
    for _ in range(PAGES_MAX):
        page = await ask(_question(name, after))
        if not isinstance(page, Listing):
            break
        found |= dict.fromkeys(page.tag_records)
        last = _last_tag(page)
        # Who repeats itself, or says nothing and that there is more, is not asked for ever.
        if page.is_complete or last is None or last <= (after or "") or sum(map(len, found)) > bytes_max:
            break
        after = last
    return replace(answer, tag_records=tuple(found))


def in_range(query: str, records: Iterable[bytes]) -> tuple[bytes, ...]:
    """What of a source's records says what a range means: the releases in it, greatest first, down to the
    `ALIVE_MAX`th that was not removed. Judging costs a signature each, and there may be 65,536."""
    by_tag: dict[str, list[tuple[bytes, TagRecord]]] = {}
    for data in records:
        with suppress(SwarmError):  # what is no record says nothing
            record = decode_tag_record(data)
            by_tag.setdefault(record.tag, []).append((data, record))
    found: list[bytes] = []
    alive = 0
    for tag in ranked(query, by_tag):
        found += [data for data, _ in by_tag[tag]]
        alive += any(record.root is not None for _, record in by_tag[tag])
        if alive == ALIVE_MAX:
            break
    return tuple(found)


def _question(name: str, after: str | None) -> Question:
    def ask(request: int) -> Message:
        return ListDatasets(request, name, after)

    return ask


def _last_tag(page: Listing) -> str | None:
    try:
        return decode_tag_record(page.tag_records[-1]).tag if page.tag_records else None
    except SwarmError:
        return None
