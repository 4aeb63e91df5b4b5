"""A producer for tests: a key, a directory of data, a directory store, and a clock that stands still until told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from swarm.protocol.index_space import IndexSpace
from swarm.protocol.keys import SigningKey
from swarm.protocol.manifest import decode_root
from swarm.protocol.names import parse_reference
from swarm.protocol.records import TagRecord, decode_tag_record
from swarm.protocol.version import Version, assemble
from swarm.seeder.publication import Publication, PublishOptions
from swarm.seeder.publish import publish
from swarm.store import Store, open_store

KEY = SigningKey.from_seed(bytes(range(32)))
OTHER_KEY = SigningKey.from_seed(bytes(32))


@dataclass
class Watcher:
    """Keeps what it is told."""

    notes: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    uploaded: list[tuple[int, int | None]] = field(default_factory=list)

    def progress(self, phase: str, done: int, total: int | None, /) -> None:
        if phase not in self.phases:
            self.phases.append(phase)
        if phase == "upload":
            self.uploaded.append((done, total))

    def note(self, text: str, /) -> None:
        self.notes.append(text)


@dataclass
class Producer:
    """Publishes `data` to `store` (or only into `history`)."""

    data: Path
    store: Store | None
    history: Store | None = None
    key: SigningKey = KEY
    now_ms: int = 1_000
    watcher: Watcher = field(default_factory=Watcher)

    async def publish(self, *names: str, options: PublishOptions | None = None) -> Publication:
        self.now_ms += 1
        self.watcher = Watcher()
        return await publish(
            self.data,
            [parse_reference(name) for name in names],
            store=self.store,
            history=self.history,
            key=self.key,
            options=options,
            observer=self.watcher,
            now_ms=lambda: self.now_ms,
        )

    @property
    def records(self) -> Store:
        records = self.store or self.history
        assert records is not None
        return records

    async def newest(self, name: str, tag: str) -> TagRecord | None:
        data = await self.records.newest_tag(name, tag)
        return decode_tag_record(data) if data else None


@asynccontextmanager
async def producing(tmp_path: Path) -> AsyncIterator[Producer]:
    """`tmp_path/data` to a store in `tmp_path/store`."""
    (tmp_path / "data").mkdir(exist_ok=True)
    async with open_store(str(tmp_path / "store")) as store:
        yield Producer(tmp_path / "data", store)


async def read_back(store: Store, record: TagRecord) -> tuple[Version, bytes]:
    """What a consumer with nothing but the store gets: the version, and its whole stream."""
    assert record.root is not None
    root_bytes = await store.get_root(record.root)
    refs = IndexSpace(decode_root(root_bytes)).page_refs
    version = assemble(root_bytes, {number: await store.get_block(ref.id) for number, ref in enumerate(refs)})
    blocks = [await store.get_block(block) for block in version.block_ids]
    return version, b"".join(blocks[place] for place in version.stream)
