"""Writes a version with its signed records into a bundle: from what is held here, else from a store. Streaming.

Every block is verified when it is read, so what is in the bundle is right; in the order of a publish, records last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import trio

from swarm.errors import most_telling
from swarm.protocol.ids import BlockId, Realm
from swarm.protocol.records import decode_tag_record
from swarm.protocol.version import Version
from swarm.store.blocks import encode_block
from swarm.store.bundle import END, Writer, header, padding
from swarm.store.identity import CreateClass, Identity, encode_identity
from swarm.store.layout import IDENTITY_KEY, block_key, history_key, name_key, tag_key, version_key

AHEAD = 8
"""Blocks that are read while one is written: 128 MiB at the most."""

Read = Callable[[BlockId, int], Awaitable[bytes]]
"""The verified bytes of a block or page of at most so many bytes."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes into a bundle. `tag_records` are of one tag, oldest first, the newest last; empty for a version alone.
    `time_s`: the members' time, Unix seconds."""

    realm: Realm
    version: Version
    pages: tuple[bytes, ...]
    name_records: tuple[bytes, ...]
    tag_records: tuple[bytes, ...]
    name: str
    time_s: int


async def write_bundle(parcel: Parcel, read: Read, file: Writer, progress: Callable[[int, int], object]) -> int:
    """Returns the bytes written. `progress(bytes of blocks done, in all)`. Raises what `read` and the file do."""
    written = 0

    async def put(key: str, data: bytes) -> None:
        nonlocal written
        member = b"".join((header(key, len(data), parcel.time_s), data, padding(len(data))))
        await trio.to_thread.run_sync(file.write, member)
        written += len(member)

    await put(IDENTITY_KEY, encode_identity(Identity(parcel.realm, CreateClass.ATOMIC)))
    try:
        await _put_blocks(parcel.version, read, put, progress)
    except BaseExceptionGroup as group:
        raise most_telling(group) from None
    for page, ref in zip(parcel.pages, parcel.version.space.page_refs, strict=True):
        await put(block_key(ref.id), encode_block(page))
    await put(version_key(parcel.version.id), parcel.version.root_bytes)
    for key, record in _records(parcel):
        await put(key, record)
    await trio.to_thread.run_sync(file.write, END)
    return written + len(END)


async def _put_blocks(
    version: Version,
    read: Read,
    put: Callable[[str, bytes], Awaitable[None]],
    progress: Callable[[int, int], object],
) -> None:
    """In the order of the table, some read ahead."""
    total, done = sum(version.block_lengths), 0
    pages = {ref.id for ref in version.space.page_refs}  # a block with a page's bytes is that page
    table = [pair for pair in zip(version.block_ids, version.block_lengths, strict=True) if pair[0] not in pages]
    async with trio.open_nursery() as nursery:
        waiting: list[_Read] = []
        for place in range(len(table) + AHEAD):
            if place < len(table):
                waiting.append(_Read(*table[place]))
                nursery.start_soon(waiting[-1].run, read)
            if place >= AHEAD:
                first = waiting.pop(0)
                await first.done.wait()
                await put(block_key(first.block), encode_block(first.data))
                done += first.length
                progress(done, total)


class _Read:
    """One block that is being read."""

    def __init__(self, block: BlockId, length: int) -> None:
        self.block = block
        self.length = length
        self.data = b""
        self.done = trio.Event()

    async def run(self, read: Read) -> None:
        self.data = await read(self.block, self.length)
        self.done.set()


def _records(parcel: Parcel) -> Iterator[tuple[str, bytes]]:
    for n, record in enumerate(parcel.name_records):
        yield name_key(parcel.name, n), record
    for data in parcel.tag_records:
        tag = decode_tag_record(data)
        yield history_key(tag.name, tag.tag, tag.seq), data
    if parcel.tag_records:
        yield tag_key(tag.name, tag.tag), parcel.tag_records[-1]
