"""A word to a producer whose data would move less with smaller blocks: one sentence, or none.

It speaks only where it has seen something: an SQLite database that is published for the first time, or files that
changed in scattered places and, where the old bytes can be had, by little in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import trio

from swarm.dataset.average import AVERAGE_MIN
from swarm.dataset.difference import compare, new_blocks
from swarm.dataset.entries import show
from swarm.errors import SwarmError
from swarm.protocol.ids import BlockId
from swarm.protocol.manifest import Root, encode_root, version_of
from swarm.protocol.version import Version
from swarm.seeder.draft import Draft
from swarm.seeder.known import load_draft
from swarm.seeder.scatter import FileChange, Saving, best_saving
from swarm.store import Store

SQLITE_MAGIC = b"SQLite format 3\0"

BLOCKS_MIN = 16
"""Of a file that is looked at: one of fewer blocks costs little however it changes."""

DATABASE_SHARE_MIN = 0.25
"""Of a dataset's bytes, in databases: else most of it would be cut small for the sake of a little."""

DATABASES_READ_MAX = 64
"""Files whose first bytes are looked at, the largest first."""

MANIFEST_BYTES_MAX = 16 * 1024 * 1024
"""Of the version before: reading more than this would be felt."""

SAMPLES = 6
"""Changed blocks that are held against the old bytes: one old block or two is read for each."""

PAGE_BYTES = 4096
"""What databases write at a time."""

CHANGED_SHARE_MAX = 0.3
"""Of the pages of a changed block that changed: more, and smaller blocks would move nearly as much."""


async def advise(records: Store, draft: Draft, last: Root | None, *, has_store: bool) -> str | None:
    """The sentence. Raises nothing: advice is no reason to fail."""
    average = draft.version.root.cutter.average
    if average <= AVERAGE_MIN or draft.version.root.totals.bytes < BLOCKS_MIN * average:
        return None
    try:
        if last is None:
            return await trio.to_thread.run_sync(_about_databases, draft)
        if last.cutter != draft.version.root.cutter or last.content == draft.version.root.content:
            return None
        return await _about_changes(records, draft, last, has_store=has_store)
    except SwarmError:
        return None


def _about_databases(draft: Draft) -> str | None:
    """In a thread. Before the second version nothing was seen to change, but what a database is, is known."""
    version = draft.version
    found = [number for number in _large_files(version)[:DATABASES_READ_MAX] if _is_database(draft, number)]
    size = sum(version.entries.sizes[number] for number in found)
    if not found or size < DATABASE_SHARE_MIN * version.root.totals.bytes:
        return None
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    name = show(version.entries.path(found[0]))
    return (
        f"{name}{more} is an SQLite database: if pages all over it change from version to version, --block-size "
        f"{AVERAGE_MIN // 1024}KiB moves less; chosen now that costs nothing, later (--rechunk) everything moves once"
    )


def _large_files(version: Version) -> list[int]:
    least = BLOCKS_MIN * version.root.cutter.average
    sizes = version.entries.sizes
    return sorted((number for number, size in enumerate(sizes) if size >= least), key=lambda one: -sizes[one])


def _is_database(draft: Draft, number: int) -> bool:
    return draft.source.read(draft.version.entries.offsets[number], len(SQLITE_MAGIC)) == SQLITE_MAGIC


async def _about_changes(records: Store, draft: Draft, last: Root, *, has_store: bool) -> str | None:
    if sum(ref.length for ref in (*last.tree, *last.blocks)) > MANIFEST_BYTES_MAX:
        return None
    before = await load_draft(records, draft, version_of(encode_root(last)))
    if before is None:
        return None
    found = await trio.to_thread.run_sync(lambda: list(_scattered(before.version, draft.version)))
    saving = best_saving([one.change for one in found], last.cutter.average)
    if saving is None or not await _changed_by_little(records, draft, before.version, found, has_store=has_store):
        return None
    return _sentence(draft.version, found, saving)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that changed in scattered places: its entries before and now, and where in the stream its blocks begin."""

    old: int
    new: int
    first: int
    change: FileChange


def _scattered(old: Version, new: Version) -> Iterator[_Found]:
    fresh = set(new_blocks(new, (old,)))
    for old_number, number in compare(old, new).changed:
        size = new.entries.sizes[number]
        if size < BLOCKS_MIN * new.root.cutter.average:
            continue
        start = new.entries.offsets[number]
        first, last = new.position_at(start), new.position_at(start + size - 1)
        places = new.stream[first : last + 1]
        flags = tuple([place in fresh for place in places])
        bytes_new = sum(new.block_lengths[place] for place in {*places} & fresh)
        change = FileChange(size, flags, min(bytes_new, size))
        if change.is_scattered:
            yield _Found(old_number, number, first, change)


async def _changed_by_little(
    records: Store, draft: Draft, old: Version, found: list[_Found], *, has_store: bool
) -> bool:
    """Some changed blocks of the file that moved most, held against the same places of the file before. Without a store
    the old bytes are gone: then only a database is believed to write pages."""
    file = max(found, key=lambda one: one.change.bytes_new)
    if not has_store:
        return await trio.to_thread.run_sync(_is_database, draft, file.new)
    places = [place for place, flag in enumerate(file.change.flags) if flag]
    shares = [
        await _share_changed(records, draft, old, file, file.first + place)
        for place in places[:: max(1, len(places) // SAMPLES)][:SAMPLES]
    ]
    return sum(shares) / len(shares) <= CHANGED_SHARE_MAX


async def _share_changed(records: Store, draft: Draft, old: Version, file: _Found, position: int) -> float:
    """Of the pages of the block at a stream position, how many differ from what the file had there before."""
    new = draft.version
    start, end = new.entries.offsets[file.new], new.entries.offsets[file.new] + new.entries.sizes[file.new]
    low, high = max(start, new.offsets[position]), min(end, new.offsets[position + 1])
    now = await trio.to_thread.run_sync(draft.source.read, low, high - low)
    then = await _read_old(records, old, file.old, low - start, high - low)
    pages = range(0, len(now), PAGE_BYTES)
    return sum(now[at : at + PAGE_BYTES] != then[at : at + PAGE_BYTES] for at in pages) / len(pages)


async def _read_old(records: Store, old: Version, number: int, offset: int, length: int) -> bytes:
    """Bytes of a file of the version before, fewer where it was shorter."""
    begin = old.entries.offsets[number]
    low = begin + offset
    high = min(low + length, begin + old.entries.sizes[number])
    data = bytearray()
    position = old.position_at(low) if low < high else len(old.stream)
    while position < len(old.stream) and old.offsets[position] < high:
        block = await records.get_block(BlockId(old.block_ids[old.stream[position]]))
        at = old.offsets[position]
        data += block[max(0, low - at) : high - at]
        position += 1
    return bytes(data)


def _sentence(version: Version, found: list[_Found], saving: Saving) -> str:
    file = max(found, key=lambda one: one.change.bytes_new)
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    name = show(version.entries.path(file.new))
    return (
        f"{name}{more} changed in {sum(one.change.runs for one in found):,} scattered places, which moves "
        f"{saving.moved_bytes:,} bytes; with --block-size {saving.average // 1024}KiB it would have been about "
        f"{saving.saved_bytes:,} fewer. To change it (--rechunk) moves all {version.root.totals.bytes:,} bytes once"
    )
