"""Brings a bundle into a store: verified, and in the order of a publish, so that nothing half-way is ever visible.

Blocks that the store has are not written again. Records are merged: the newer wins, a history that has parted is a
conflict. Who is trusted is not asked here, as a store never asks; whoever fetches from it asks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

import trio

from swarm.errors import ConflictError, CorruptError, RefusedError
from swarm.protocol.bounds import BLOCK_BYTES_MAX
from swarm.protocol.ids import BlockId, Realm, VersionId, digest
from swarm.protocol.records import TagRecord, decode_name_record, decode_tag_record, describe, record_id
from swarm.seeder.committing import commit_whole
from swarm.seeder.presence import hold, load_kept
from swarm.store import Store
from swarm.store.blocks import decode_block
from swarm.store.bundle import Member, read_members
from swarm.store.identity import decode_identity
from swarm.store.layout import (
    BLOCKS,
    HISTORY,
    IDENTITY_KEY,
    NAMES,
    VERSIONS,
    block_of,
    name_of,
    number_of,
    version_of_key,
)

WRITES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Imported:
    """What a bundle brought. `tags`: those that moved, `kept`: those that were here and as new."""

    realm: Realm
    versions: tuple[VersionId, ...]
    tags: tuple[str, ...]
    kept: tuple[str, ...]
    blocks_new: int
    bytes_new: int
    blocks: int


@dataclass(slots=True)
class _Content:
    """A bundle's members, by what they are."""

    identity: Member
    blocks: dict[BlockId, Member] = field(default_factory=dict)
    roots: dict[VersionId, Member] = field(default_factory=dict)
    names: dict[str, list[Member]] = field(default_factory=dict)
    histories: dict[str, list[Member]] = field(default_factory=dict)


async def import_bundle(file: BinaryIO, store: Store, progress: Callable[[int, int], object]) -> Imported:
    """`file` is seekable, and stands at its beginning. `progress(bytes of blocks done, to be written)`.

    The whole bundle is looked through before anything is written. Raises RefusedError and CorruptError (the bundle),
    ConflictError (another realm, or records that have parted), and what the store does.
    """
    content = await trio.to_thread.run_sync(_look_through, file)
    reader = _Reader(file)
    realm = decode_identity(await reader.read(content.identity)).realm
    records = await _read_records(reader, content, realm)
    if store.is_initialised and store.realm != realm:
        raise ConflictError(
            f"{store.url} is of realm {store.realm.hex()}, and the bundle of {realm.hex()}", hint="name another place"
        )
    # A store that has lost its swarm.cbor was of a realm that the bundle cannot know.
    await store.initialise(realm, only_empty=True)

    async def commit() -> list[tuple[TagRecord, bool]]:
        for chain in records.chains:
            await _merge_chain(store, chain)
        return [await _merge_tag(store, history) for history in records.histories]

    send = partial(_put_versions, reader, content, store, progress)
    async with store.publishing() as marker:
        sizes = await send()
        moved = await commit_whole(store, marker, commit, send)
    tags = [(f"{tag.name}:{tag.tag}", is_moved) for tag, is_moved in moved]
    return Imported(
        realm=realm,
        versions=tuple(content.roots),
        tags=tuple(label for label, is_moved in tags if is_moved),
        kept=tuple(label for label, is_moved in tags if not is_moved),
        blocks_new=len(sizes),
        bytes_new=sum(sizes),
        blocks=len(content.blocks),
    )


class _Reader:
    """Reads members by their places, from several tasks."""

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()

    async def read(self, member: Member) -> bytes:
        data = await trio.to_thread.run_sync(os.pread, self._descriptor, member.size, member.offset)
        if len(data) != member.size:
            raise CorruptError(f"the bundle changed while it was read ({member.key})", hint="import it again")
        return data


def _look_through(file: BinaryIO) -> _Content:
    """Every name and size, to the end of the archive."""
    content: _Content | None = None
    for member in read_members(file):
        key = member.key
        if content is None:
            content = _Content(member)
        elif key.startswith(BLOCKS) and (block := block_of(key)) is not None:
            content.blocks[block] = member
        elif key.startswith(VERSIONS) and (version := version_of_key(key)) is not None:
            content.roots[version] = member
        elif key.startswith(NAMES):
            content.names.setdefault(name_of(key) or "", []).append(member)
        elif key.startswith(HISTORY):
            content.histories.setdefault(key.rpartition("/")[0], []).append(member)
    assert content is not None, f"read_members refuses a bundle without {IDENTITY_KEY}"
    return content


@dataclass(frozen=True, slots=True)
class _Records:
    """Verified, of the bundle's realm, and what their keys say; each list in the order of its numbers."""

    chains: list[list[bytes]]
    histories: list[list[bytes]]


async def _read_records(reader: _Reader, content: _Content, realm: Realm) -> _Records:
    chains = [[await reader.read(one) for one in sorted(chain, key=_number)] for chain in content.names.values()]
    for name, chain in zip(content.names, chains, strict=True):
        for n, data in enumerate(chain):
            record = decode_name_record(data)
            _check(record.realm == realm and (record.name, record.n) == (name, n), f"name record {n} of {name}")
    histories = []
    for path, members in content.histories.items():
        history = []
        for member in sorted(members, key=_number):
            data = await reader.read(member)
            tag = decode_tag_record(data)
            is_right = (
                tag.realm == realm and f"{HISTORY}{tag.name}/{tag.tag}" == path and tag.seq == number_of(member.key)
            )
            _check(is_right, describe(tag))
            history.append(data)
        root = decode_tag_record(history[-1]).root
        _check(root is None or root in content.roots, f"{path}, whose version it lacks")
        histories.append(_linked(history))
    return _Records(chains, histories)


def _linked(history: list[bytes]) -> list[bytes]:
    """The newest record and those that it follows: it vouches for them, and for nothing below a gap."""
    linked = history[-1:]
    for data in reversed(history[:-1]):
        after, record = decode_tag_record(linked[-1]), decode_tag_record(data)
        if record.seq + 1 != after.seq:
            break
        _check(record_id(data) == after.prev, f"{describe(after)} does not follow {describe(record)}")
        linked.append(data)
    return linked[::-1]


def _number(member: Member) -> int:
    return number_of(member.key)


def _check(is_right: bool, what: str) -> None:
    if not is_right:
        raise RefusedError(f"the bundle does not fit together: {what}", hint="nothing was written; export it again")


async def _put_versions(
    reader: _Reader, content: _Content, store: Store, progress: Callable[[int, int], object]
) -> list[int]:
    """All but the records. Returns the length of each block that was missing."""
    sizes = await _put_blocks(reader, content, store, progress)
    for version, member in content.roots.items():
        root = await reader.read(member)
        if digest(root) != version:
            raise CorruptError(f"{member.key} of the bundle is corrupt", hint="copy it again")
        await store.put_root(version, root)
    for version in content.roots:
        await hold(store, await load_kept(store, version), has_blocks=True)
    return sizes


async def _put_blocks(
    reader: _Reader, content: _Content, store: Store, progress: Callable[[int, int], object]
) -> list[int]:
    """Writes what the store lacks; returns the length of each."""
    missing = await store.missing_blocks(content.blocks)
    queue = iter(sorted(missing, key=lambda block: content.blocks[block].offset))
    total = sum(content.blocks[block].size for block in missing)
    done, sizes = 0, list[int]()
    failures: list[Exception] = []

    async def work(scope: trio.CancelScope) -> None:
        nonlocal done
        try:
            for block in queue:
                member = content.blocks[block]
                data = decode_block(await reader.read(member), key=member.key, max_length=BLOCK_BYTES_MAX)
                if await trio.to_thread.run_sync(digest, data) != block:
                    raise CorruptError(f"{member.key} of the bundle is corrupt", hint="copy it again")
                await store.put_block(block, data, is_missing=True)
                sizes.append(len(data))
                done += member.size
                progress(done, total)
        except Exception as error:  # carried past the nursery, which would wrap it in a group
            failures.append(error)
            scope.cancel()

    async with trio.open_nursery() as nursery:
        for _ in range(min(WRITES_AT_ONCE, len(missing))):
            nursery.start_soon(work, nursery.cancel_scope)
    if failures:
        raise failures[0]
    return sizes


async def _merge_chain(store: Store, chain: list[bytes]) -> None:
    """Raises ConflictError where the two chains are not one."""
    name = decode_name_record(chain[0]).name
    here = await store.name_chain(name)
    if any(ours != theirs for ours, theirs in zip(chain, here, strict=False)):
        hint = "two stores of one realm claim it with different keys: find out which is right"
        raise ConflictError(f"the keys of '{name}' in the bundle are not those of {store.url}", hint=hint)
    for record in chain[len(here) :]:
        await store.commit_name_record(record)


async def _merge_tag(store: Store, history: list[bytes]) -> tuple[TagRecord, bool]:
    record = decode_tag_record(history[-1])
    before = {decode_tag_record(data).seq: data for data in history[:-1]}
    return record, await store.adopt_tag(history[-1], before)
