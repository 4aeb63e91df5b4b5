"""What is published: where it is listed, read, and looked at again. A directory here; `bucket_material` is the other.

A material that is streamed has no copy on this machine: its blocks go to the store while they are cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from swarm.dataset.entries import Scan, ScanOptions
from swarm.dataset.scan import check_unchanged, scan
from swarm.dataset.source import Source
from swarm.protocol.ids import BlockId
from swarm.protocol.manifest import Cutter
from swarm.seeder.apart import check_apart
from swarm.seeder.draft import Draft, make_draft
from swarm.seeder.observer import PublishObserver, ThreadProgress
from swarm.store import Store


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, and the blocks that were sent to the store while it was made."""

    draft: Draft
    sent: frozenset[BlockId] = frozenset()


class Material(Protocol):
    """One publish's data. Everything is called from trio, in this order, each once."""

    @property
    def shown(self) -> str:
        """What a user calls it."""

    @property
    def is_streamed(self) -> bool:
        """Whether `draft` sends blocks, so that a publisher's marker must be there before."""

    async def scan(self, options: ScanOptions, observer: PublishObserver) -> Scan:
        """What there is. Raises NotFoundError, UsageError, PermissionError_, SourceChangedError."""

    async def check_apart(self, found: Scan, store_url: str) -> None:
        """Raises UsageError where data and store lie inside each other."""

    async def draft(self, found: Scan, cutter: Cutter, observer: PublishObserver, store: Store | None) -> Drafted:
        """Reads everything once; a streamed one sends what `store` lacks. Raises SourceChangedError, StoreError."""

    async def check_unchanged(self, found: Scan, observer: PublishObserver) -> None:
        """Looks again. Raises SourceChangedError, naming what is not as it was."""


class LocalMaterial:
    """A directory or a file of this machine."""

    is_streamed = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shown = str(path)

    async def scan(self, options: ScanOptions, observer: PublishObserver) -> Scan:
        return await trio.to_thread.run_sync(scan, self._path, options, ThreadProgress(observer, "scan"))

    async def check_apart(self, found: Scan, store_url: str) -> None:
        await trio.to_thread.run_sync(check_apart, found, store_url)

    async def draft(self, found: Scan, cutter: Cutter, observer: PublishObserver, store: Store | None) -> Drafted:  # noqa: ARG002
        progress = ThreadProgress(observer, "prepare", found.total_bytes)
        return Drafted(await trio.to_thread.run_sync(make_draft, found, cutter, Source(found), progress))

    async def check_unchanged(self, found: Scan, observer: PublishObserver) -> None:
        await trio.to_thread.run_sync(check_unchanged, found, ThreadProgress(observer, "commit"))
