"""A store in memory for the service's tests: what a tracker asks of one, counted, and breakable."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from swarm.errors import MissingError, SwarmError
from swarm.protocol.ids import BlockId, Realm, VersionId
from swarm.protocol.records import decode_tag_record
from tests.tracker.publisher import REALM, Publisher
from tests.tracker.versions import SmallVersion


class MemoryStore:
    """`failure` is raised by everything; `delay_s` is how long an answer takes."""

    def __init__(self) -> None:
        self.is_initialised = True
        self.realm: Realm = REALM
        self.failure: SwarmError | None = None
        self.opening_failure: SwarmError | None = None
        self.delay_s = 0.05
        self.presigns = True
        self.calls: Counter[str] = Counter()
        self.opened = 0
        self._tags: dict[str, dict[str, bytes]] = {}
        self._chains: dict[str, tuple[bytes, ...]] = {}
        self._roots: dict[VersionId, bytes] = {}
        self._blocks: dict[BlockId, bytes] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[MemoryStore]:
        self.opened += 1
        await trio.sleep(self.delay_s)
        if self.opening_failure is not None:
            raise self.opening_failure
        yield self

    def publish(self, publisher: Publisher, tag: str, version: SmallVersion) -> bytes:
        record = publisher.tag(tag, version.id)
        self._tags.setdefault(publisher.name, {})[tag] = record
        self._chains[publisher.name] = publisher.chain
        self._roots[version.id] = version.root
        self._blocks |= version.data
        return record

    async def newest_tag(self, name: str, tag: str) -> bytes | None:
        await self._answer("newest_tag")
        return self._tags.get(name, {}).get(tag)

    async def name_chain(self, name: str) -> tuple[bytes, ...]:
        await self._answer("name_chain")
        return self._chains.get(name, ())

    async def names(self) -> list[str]:
        await self._answer("names")
        return sorted(self._tags)

    async def tags(self, name: str) -> list[str]:
        await self._answer("tags")
        return sorted(self._tags.get(name, {}))

    async def has_tag_record(self, name: str, tag: str, seq: int) -> bool:
        await self._answer("has_tag_record")
        record = self._tags.get(name, {}).get(tag)
        return record is not None and decode_tag_record(record).seq >= seq

    async def tags_state(self, name: str) -> bytes:
        await self._answer("tags_state")
        return b"".join(self._tags.get(name, {}).values())

    async def get_root(self, version: VersionId) -> bytes:
        await self._answer("get_root")
        if version not in self._roots:
            raise MissingError("no such root")
        return self._roots[version]

    async def get_block(self, block: BlockId, *, max_length: int) -> bytes:
        await self._answer("get_block")
        assert len(self._blocks[block]) <= max_length
        return self._blocks[block]

    async def presign_block(self, block: BlockId, seconds: int) -> str | None:
        await self._answer("presign_block")
        return f"https://store/{block.hex()}?for={seconds}" if self.presigns else None

    async def _answer(self, what: str) -> None:
        self.calls[what] += 1
        await trio.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure
