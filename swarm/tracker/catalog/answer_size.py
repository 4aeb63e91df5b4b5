"""How much fits one answer: a listing goes on with the next question."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from swarm.protocol import bounds
from swarm.tracker.catalog.records import KnownTag

PAGE_BYTES_MAX = bounds.LISTING_BYTES_MAX - 64 * bounds.KIB
"""Records of one answer: with a chain and a root of 1 MiB each it still fits a message."""


def whole_groups(groups: Iterable[list[KnownTag]]) -> tuple[list[KnownTag], bool]:
    """As many whole groups as fit one answer, and whether that is all. One that alone is too long is cut."""
    listed: list[KnownTag] = []
    size = 0
    for group in groups:
        size += sum(len(tag.data) for tag in group)
        if size > PAGE_BYTES_MAX or len(listed) + len(group) > bounds.LISTING_RECORDS_MAX:
            return listed or first_tags(group), False
        listed += group
    return listed, True


def first_tags(tags: Iterable[KnownTag]) -> list[KnownTag]:
    """As many as fit one answer."""
    page: list[KnownTag] = []
    size = 0
    for tag in islice(tags, bounds.LISTING_RECORDS_MAX):
        size += len(tag.data)
        if size > PAGE_BYTES_MAX:
            break
        page.append(tag)
    return page
