"""Objects that are in S3 already, published without a copy on this machine.

They are read once, in the order of the stream: several at a time and large ones in ranges, so that latency does not
bound it; cut and hashed; and every block that the store lacks is sent there while the next is cut. Memory: what is
read ahead, the windows of the cutter, and the blocks on their way, whatever the sizes. ETag and length of every object
are those of the first listing at every read, and in a second listing at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import trio

from swarm.dataset.entries import Scan, ScanOptions, SourceEntry, source_changed
from swarm.dataset.keys import Listed, scan_listing
from swarm.dataset.layout import Layout
from swarm.dataset.source import Fill
from swarm.errors import InternalError, NotFoundError, SourceChangedError, UsageError, most_telling
from swarm.protocol.ids import BlockId
from swarm.protocol.manifest import Cutter
from swarm.protocol.pages import Kind
from swarm.seeder.draft import make_draft
from swarm.seeder.material import Drafted
from swarm.seeder.observer import PublishObserver, ThreadProgress
from swarm.seeder.upload import uploads_at_once
from swarm.store import Store
from swarm.store.ahead import Job, ReadAhead
from swarm.store.bucket import Bucket, BucketObject, ChangedError

RANGE_BYTES = 8 * 1024 * 1024
"""Of a large object at a time: a first byte takes as long as some MiB, and 16 of them are read at once."""

READ_AHEAD_BYTES = 64 * 1024 * 1024
"""Being read, or read and not cut yet; one range more at most."""

READS_MAX = 16
"""Ranges at once; small objects are bound by their number, not by bytes."""

PREFIX_HINT = "s3://bucket/prefix publishes what is below prefix/; s3://bucket/key one object"


class BucketMaterial:
    """What lies at a prefix of a bucket, or one object."""

    is_streamed = True

    def __init__(self, bucket: Bucket) -> None:
        self.shown = bucket.url
        self._bucket = bucket
        self._is_single = False
        self._objects: dict[bytes, BucketObject] = {}
        """By path, those that are published."""

    async def scan(self, options: ScanOptions, observer: PublishObserver) -> Scan:
        listed = await self._list(observer)
        if not listed:
            single = await self._bucket.find_single()
            if single is None:
                raise NotFoundError(f"there is nothing at {self.shown}", hint=PREFIX_HINT)
            self._is_single, listed = True, [single]
        return self._scan_of(listed, options)

    async def check_apart(self, found: Scan, store_url: str) -> None:  # noqa: ARG002
        """By the URLs alone; which endpoint they are at is not looked at."""
        data, place = f"{self.shown}/", f"{store_url}/"
        if data.startswith(place) or place.startswith(data):
            raise UsageError(
                f"{store_url} and the data in {self.shown} lie inside each other",
                hint="give the store a prefix beside the data's",
            )

    async def draft(self, found: Scan, cutter: Cutter, observer: PublishObserver, store: Store | None) -> Drafted:
        source = BucketSource(self._bucket, found, self._objects, is_single=self._is_single)
        ahead = ReadAhead(
            source.jobs(), bytes_max=READ_AHEAD_BYTES, concurrency=min(READS_MAX, self._bucket.concurrency)
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ahead.run)
                sending = None if store is None else _Sending(store, nursery, uploads_at_once(cutter.maximum))
                draft = await trio.to_thread.run_sync(
                    partial(
                        make_draft,
                        found,
                        cutter,
                        source,
                        ThreadProgress(observer, "prepare", found.total_bytes),
                        open_entry=_InOrder(ahead).open,
                        found_block=sending.offer_from_thread if sending is not None else None,
                    )
                )
        except BaseExceptionGroup as group:
            raise most_telling(group) from None
        return Drafted(draft, frozenset(sending.sent if sending else ()))

    async def check_unchanged(self, found: Scan, observer: PublishObserver) -> None:
        before = self._objects
        now = [one] if self._is_single and (one := await self._bucket.find_single()) else await self._list(observer)
        try:
            after = BucketMaterial(self._bucket)
            after._is_single = self._is_single
            after._scan_of(now, found.options)
        except UsageError as error:
            raise SourceChangedError(f"the data changed while it was being published: {error.message}") from error
        paths = before.keys() | after._objects.keys()
        differing = sorted(path for path in paths if _facts(before.get(path)) != _facts(after._objects.get(path)))
        if differing:
            raise source_changed(differing)

    async def _list(self, observer: PublishObserver) -> list[BucketObject]:
        found: list[BucketObject] = []
        is_last = False
        while not is_last:
            page, is_last = await self._bucket.list_page(found[-1].key if found else "")
            found += page
            observer.progress("scan", len(found), None)
            is_last = is_last or not page
        return found

    def _scan_of(self, listed: list[BucketObject], options: ScanOptions) -> Scan:
        by_path = {_path(one): one for one in listed}
        rows = [Listed(path, one.size, round(one.modified_s * 1000) * 1_000_000) for path, one in by_path.items()]
        found = scan_listing(self.shown.encode(), rows, options, is_single=self._is_single)
        self._objects = {entry.path: by_path[entry.path] for entry in found.entries if entry.kind is Kind.FILE}
        return found


class BucketSource:
    """The stream of what was listed."""

    def __init__(self, bucket: Bucket, scan: Scan, objects: dict[bytes, BucketObject], *, is_single: bool) -> None:
        self._bucket = bucket
        self._scan = scan
        self._objects = objects
        self._is_single = is_single
        self._layout: Layout = scan.layout()

    def read(self, offset: int, length: int) -> bytes:
        """In a thread that trio started: a block that has to be sent again."""
        pieces = self._layout.pieces(offset, length)
        return b"".join(
            [trio.from_thread.run(self._read, self._scan.entries[one.number], one.offset, one.length) for one in pieces]
        )

    def paths(self, offset: int, length: int) -> list[bytes]:
        """The objects that these stream bytes are of."""
        return [self._scan.entries[piece.number].path for piece in self._layout.pieces(offset, length)]

    def jobs(self) -> Iterator[Job]:
        """The whole stream in ranges, in its order."""
        for entry in self._scan.entries:
            for offset in range(0, entry.size, RANGE_BYTES):
                length = min(RANGE_BYTES, entry.size - offset)
                yield Job(length, partial(self._read, entry, offset, length))

    async def _read(self, entry: SourceEntry, offset: int, length: int) -> bytearray:
        try:
            return await self._bucket.read(self._objects[entry.path], offset, length, is_single=self._is_single)
        except ChangedError as error:
            raise source_changed([entry.path]) from error


class _InOrder:
    """Gives what is read ahead to the cutter, which opens entry after entry and reads each to its end."""

    def __init__(self, ahead: ReadAhead) -> None:
        self._ahead = ahead
        self._piece = memoryview(b"")

    @contextmanager
    def open(self, entry: SourceEntry) -> Iterator[Fill]:  # noqa: ARG002  # the next bytes are its
        yield self._fill

    def _fill(self, _offset: int, view: memoryview) -> None:
        done = 0
        while done < len(view):
            if not self._piece:
                self._piece = self._next()
            count = min(len(view) - done, len(self._piece))
            view[done : done + count] = self._piece[:count]
            self._piece = self._piece[count:]
            done += count

    def _next(self) -> memoryview:
        data = trio.from_thread.run(self._ahead.take)
        if data is None:
            raise InternalError("the objects ended before their stream")
        return memoryview(data)


class _Sending:
    """Sends blocks while the next are cut, so many at once; the cutter waits where they do not get away."""

    def __init__(self, store: Store, nursery: trio.Nursery, uploads: int) -> None:
        self.sent: set[BlockId] = set()
        self._store = store
        self._nursery = nursery
        self._room = trio.Semaphore(uploads)
        self._seen: set[BlockId] = set()

    def offer_from_thread(self, block: BlockId, data: memoryview) -> None:
        """Copies `data` if it is the first of its kind."""
        if block not in self._seen:
            self._seen.add(block)
            trio.from_thread.run(self._offer, block, bytes(data))

    async def _offer(self, block: BlockId, data: bytes) -> None:
        await self._room.acquire()
        self._nursery.start_soon(self._send, block, data)

    async def _send(self, block: BlockId, data: bytes) -> None:
        try:
            if await self._store.put_block(block, data):
                self.sent.add(block)
        finally:
            self._room.release()


def _path(found: BucketObject) -> bytes:
    return found.key.encode("utf-8", "surrogateescape")


def _facts(found: BucketObject | None) -> tuple[str, int] | None:
    return None if found is None else (found.etag, found.size)
