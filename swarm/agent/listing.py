"""Every tag of a name from one source, page by page: one answer holds as many records as fit a message.

What a page holds is believed no more than any other answer: `claims` judges each record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from swarm.agent.catalog import Question
from swarm.errors import SwarmError
from swarm.protocol.messages import CatalogMessage, ListDatasets, Listing, Message, Resolved
from swarm.protocol.records import decode_tag_record

PAGES_MAX = 256
"""Of 256 records: as many tags as a tracker keeps of one name."""

TRACKER_BYTES_MAX = 64 << 20
"""Of one tracker's listing: 65,536 records of a usual kilobyte."""

NEIGHBOUR_BYTES_MAX = 4 << 20
"""Of one neighbour's: several are asked at once, and any of them may be a stranger."""

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


def _question(name: str, after: str | None) -> Question:
    def ask(request: int) -> Message:
        return ListDatasets(request, name, after)

    return ask


def _last_tag(page: Listing) -> str | None:
    try:
        return decode_tag_record(page.tag_records[-1]).tag if page.tag_records else None
    except SwarmError:
        return None
