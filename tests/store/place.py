"""Somewhere a store can be: what the contract suite runs on, and values to put there."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace

from swarm.protocol.ids import BlockId, Realm, VersionId, digest
from swarm.protocol.keys import SigningKey
from swarm.protocol.records import NameRecord, TagRecord, record_id, sign_name_record, sign_tag_record
from swarm.protocol.tags import is_immutable
from swarm.store._objects import Objects
from swarm.store.options import StoreOptions, options_of, parse_store_url
from swarm.store.store import Store, _adapter, open_store

KEY = SigningKey.from_seed(bytes(32))
OTHER_KEY = SigningKey.from_seed(bytes([1]) * 32)
NAME, TAG = "@maps/europe", "latest"


@dataclass(frozen=True)
class Place:
    """An empty place of its own for one test."""

    kind: str
    url: str
    options: StoreOptions = field(default_factory=lambda: StoreOptions(attempts=3))

    def open(self, **options: object) -> AbstractAsyncContextManager[Store]:
        return open_store(self.url, replace(self.options, **options), rng=random.Random(1))  # type: ignore[arg-type]

    @asynccontextmanager
    async def store(self, realm: Realm | None = None, **options: object) -> AsyncIterator[Store]:
        """Opened, and begun."""
        async with self.open(**options) as store:
            await store.initialise(realm)
            yield store

    @asynccontextmanager
    async def objects(self) -> AsyncIterator[Objects]:
        """The raw objects: what somebody sees who goes round the store."""
        place = parse_store_url(self.url)
        objects = await _adapter(place, options_of(place, self.options))
        try:
            yield objects
        finally:
            await objects.aclose()


def block(seed: int, size: int = 1000) -> tuple[BlockId, bytes]:
    """A block's id and bytes."""
    data = random.Random(seed).randbytes(size)
    return BlockId(digest(data)), data


def version(text: str) -> VersionId:
    return VersionId(digest(text.encode()))


def tag_record(
    realm: Realm, seq: int, prev: bytes | None, *, root: str = "root", key: SigningKey = KEY, tag: str = TAG
) -> bytes:
    prev_id = record_id(prev) if prev is not None else None
    record = TagRecord(realm, NAME, tag, 1000, seq, prev_id, version(root), 5, key.public_key, is_immutable(tag))
    return sign_tag_record(record, key)


def tag_records(realm: Realm, count: int) -> list[bytes]:
    """A history from its beginning."""
    records: list[bytes] = []
    for seq in range(count):
        records.append(tag_record(realm, seq, records[-1] if records else None, root=f"root {seq}"))
    return records


def name_record(realm: Realm, n: int, prev: bytes | None, *keys: SigningKey, name: str = NAME) -> bytes:
    prev_id = record_id(prev) if prev is not None else None
    public = tuple(key.public_key for key in keys or (KEY,))
    return sign_name_record(NameRecord(realm, name, n, public, prev_id, 5, KEY.public_key), KEY)
