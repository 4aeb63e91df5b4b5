"""The durable home of blocks, roots and tag history, verified by construction. `open_store` is its only door.

What it hands out was checked: blocks and roots against their BLAKE3, records against signature, realm and place. What
it does not decide: who is trusted, which tag record of several sources is the newest, when to publish or to collect.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from swarm.errors import UnavailableError, UsageError
from swarm.protocol.bounds import BLOCK_BYTES_MAX
from swarm.protocol.ids import BlockId, Realm, VersionId
from swarm.store._objects import Objects
from swarm.store._reading import Moved
from swarm.store._workers import for_each
from swarm.store.blocks import Blocks
from swarm.store.collected import Collected, Request
from swarm.store.collected import Progress as CollectProgress
from swarm.store.collection import Collection
from swarm.store.commit import Commit
from swarm.store.condemned import Run, in_the_way, load_runs
from swarm.store.history import HISTORY_RECORDS_MAX, TagHistory
from swarm.store.identity import CreateClass, Identity, begin_identity, check_realm, load_identity, no_store
from swarm.store.layout import block_key
from swarm.store.marker import Marker, marked
from swarm.store.names import Names
from swarm.store.options import StoreOptions, StoreUrl, options_of, parse_store_url
from swarm.store.presence import Presence, Progress
from swarm.store.retry import Backoff, Retrying
from swarm.store.sweep import Rules

SWEEP_POLL_S = 5.0
SWEEP_WAIT_MAX_S = 1800.0
"""A publisher waits so long for the end of a collection of garbage that deletes what he needs: a million deletions."""


class Store:
    """One realm's store. Every method may raise UnavailableError and PermissionError_, and NotFoundError while there is
    no store at `url` yet."""

    def __init__(self, objects: Retrying, options: StoreOptions, identity: Identity | None) -> None:
        self.url = objects.url
        self._objects = objects
        self._options = options
        self._identity = identity
        self._blocks = Blocks(objects)
        self._blocks_once = Blocks(objects.once)
        self._presence = Presence(objects, options.concurrency)
        self._runs: list[Run] | None = None
        self._marker: Marker | None = None

    @property
    def is_initialised(self) -> bool:
        """Whether there is a store at `url`."""
        return self._identity is not None

    @property
    def realm(self) -> Realm:
        """Raises NotFoundError where there is no store yet."""
        return self._known().realm

    @property
    def create_class(self) -> CreateClass:
        """Whether two producers at once are prevented or only detected."""
        return self._known().create_class

    async def initialise(self, realm: Realm | None = None, *, only_empty: bool = False) -> Realm:
        """Makes a store where there is none; one that is there is left as it is. Returns its realm.

        `realm` begins a lost store anew, but with `only_empty` nothing but an empty place. Raises RefusedError for a
        place that holds other things (nothing is touched), or that cannot create atomically without `single_writer`;
        ConflictError if the store there has another realm.
        """
        if self._identity is None:
            self._identity = await load_identity(self._objects)
        if self._identity is None:
            single = self._options.single_writer
            self._identity = await begin_identity(self._objects, realm, is_single_writer=single, only_empty=only_empty)
        return check_realm(self._identity, realm, self.url).realm

    # --- blocks and roots

    async def get_block(
        self, block: BlockId, *, max_length: int = BLOCK_BYTES_MAX, moved: Moved | None = None, is_retried: bool = True
    ) -> bytes:
        """The bytes of `block`, verified. `moved` hears how many have come; a leased read is not retried.

        Raises MissingError, CorruptError (it names the key), UnavailableError: three different things.
        """
        self._known()
        blocks = self._blocks if is_retried else self._blocks_once
        return await blocks.get(block, max_length=max_length, moved=moved)

    async def put_block(self, block: BlockId, data: bytes, *, is_missing: bool = False) -> bool:
        """Writes a block unless the store has it; True if it was written. `is_missing`: `missing_blocks` named it, so
        there is no second look."""
        self._known()
        if not is_missing:
            is_missing = await self._may_be_condemned(block)
        return await self._blocks.put(block, data, is_missing=is_missing)

    async def missing_blocks(self, blocks: Iterable[BlockId], progress: Progress | None = None) -> set[BlockId]:
        """Which of `blocks` are to be written: those that are not there, and those that are condemned.

        Asks one by one or lists, whichever is less work. `progress(settled, asked)` is called after each request.
        """
        self._known()
        wanted = set(blocks)
        missing = await self._presence.missing(wanted, progress)
        return missing | await self.condemned(wanted - missing)

    async def condemned(self, blocks: Iterable[BlockId]) -> set[BlockId]:
        """Which of `blocks` a collection of garbage has condemned, and nobody has written since. Reads `gc/` anew: a
        publisher asks again before it commits, naming its root too, and writes these again.

        Waits while any of them is being deleted. Raises UnavailableError where that lasts half an hour.
        """
        self._known()
        wanted = set(blocks)
        runs = await self._settled_runs(wanted)
        times_ms: dict[BlockId, int] = {}
        for run in runs:
            for block in run.condemnation.among(wanted):
                times_ms[block] = max(run.condemnation.time_ms, times_ms.get(block, 0))
        found: set[BlockId] = set()

        async def look(block: BlockId) -> None:
            stat = await self._objects.stat(block_key(block))
            if stat is None or stat.modified_s * 1000 <= times_ms[block]:
                found.add(block)

        await for_each(sorted(times_ms), look, concurrency=self._options.concurrency)
        return found

    async def get_root(self, version: VersionId) -> bytes:
        """A version's root, verified. Raises as `get_block` does."""
        self._known()
        return await self._blocks.get_root(version)

    async def put_root(self, version: VersionId, data: bytes) -> None:
        """After the blocks and pages, before the tag record."""
        self._known()
        await self._blocks.put_root(version, data)

    async def presign_block(self, block: BlockId, seconds: int) -> str | None:
        """A URL by which anybody can GET the block's object for so long; None where the store has none."""
        self._known()
        return await self._objects.presign(block_key(block), seconds)

    # --- records

    async def newest_tag(self, name: str, tag: str) -> bytes | None:
        """The newest record of a tag, None if there never was one. Raises CorruptError, TrustError (realm)."""
        return await self._history().newest(name, tag)

    async def tag_history(self, name: str, tag: str, *, limit: int = HISTORY_RECORDS_MAX) -> list[bytes]:
        """The newest `limit` records of a tag, oldest first. Raises CorruptError where the chain is broken."""
        return await self._history().records(name, tag, limit)

    async def commit_tag(self, record: bytes) -> None:
        """Makes `record` the tag's newest; may be repeated. Raises ConflictError (`.newest`), TrustError (realm)."""
        await self._history().commit(record)

    async def adopt_tag(self, record: bytes, before: Mapping[int, bytes]) -> bool:
        """Makes a record of another store of this realm the tag's newest, with those `before` it, by number, that are
        known. False where what is here is as new. Raises ConflictError (histories have parted), TrustError (realm)."""
        return await self._history().adopt(record, before)

    async def name_chain(self, name: str) -> tuple[bytes, ...]:
        """The name's records, n = 0 first; empty if nobody claimed it. Raises CorruptError, ForkError, TrustError."""
        return await self._names().chain(name)

    async def commit_name_record(self, record: bytes) -> None:
        """Adds a record to its name's chain; may be repeated. Raises ConflictError (`.newest`), TrustError."""
        await self._names().commit(record)

    async def names(self) -> list[str]:
        """Every dataset's name, sorted."""
        return await self._names().names()

    async def tags(self, name: str) -> list[str]:
        """The tags of a name, sorted; those that were untagged are among them, their newest record says so."""
        return await self._history().tags(name)

    async def has_tag_record(self, name: str, tag: str, seq: int) -> bool:
        """Whether a tag has had its record number `seq`: one HEAD, for who polls whether `seq - 1` is still the newest.

        Raises PermissionError_ where "missing" cannot be told from "forbidden" (no s3:ListBucket).
        """
        return await self._history().has(name, tag, seq)

    async def tags_state(self, name: str) -> bytes:
        """32 bytes that change when a tag of a name is made or moves (its pointer's time in the store): one listing,
        for who polls many tags. Two moves within the resolution of the store's times may look like one."""
        return await self._history().tags_state(name)

    # --- publishing

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[Marker]:
        """A publisher's marker, kept while the block runs: entered before the first look at what is there. Its
        `check_age` is called right before the commit, and `is_kept` after it."""
        self._commit().check()
        async with marked(self._objects) as marker:
            before, self._marker = self._marker, marker
            try:
                yield marker
            finally:
                self._marker = before

    async def collect(
        self, request: Request, rules: Rules | None = None, progress: CollectProgress = lambda *_: None
    ) -> Collected:
        """Removes what no kept version needs (`collection`). Raises CorruptError where a kept version cannot be read:
        nothing was deleted then. ConflictError, RefusedError."""
        return await Collection(self._objects, self._known(), request, rules or Rules(), progress).run()

    async def server_time(self) -> float:
        """Unix seconds by the store's own clock: S3 refuses signatures made 15 min off it."""
        return await self._objects.server_time()

    async def aclose(self) -> None:
        await self._objects.aclose()

    # --- inside

    def _known(self) -> Identity:
        if self._identity is None:
            raise no_store(self.url)
        return self._identity

    def _commit(self) -> Commit:
        return Commit(self._objects, self._known(), is_single_writer=self._options.single_writer)

    def _history(self) -> TagHistory:
        return TagHistory(self._objects, self._known(), self._commit())

    def _names(self) -> Names:
        return Names(self._objects, self._known(), self._commit())

    async def _may_be_condemned(self, block: BlockId) -> bool:
        if self._runs is None:
            self._runs = await load_runs(self._objects)
        return any(run.condemnation.among({block}) for run in self._runs)

    async def _settled_runs(self, wanted: set[BlockId]) -> list[Run]:
        """The runs, none of which is deleting what is `wanted`."""
        marker = self._marker.run if self._marker is not None else None
        deadline = trio.current_time() + SWEEP_WAIT_MAX_S
        while True:
            self._runs = await load_runs(self._objects)
            if not any(run.condemnation.is_swept_now for run in self._runs):
                return self._runs
            if not in_the_way(self._runs, wanted, marker, await self._objects.server_time()):
                return self._runs
            if trio.current_time() > deadline:
                message = f"a collection of garbage in {self.url} is deleting what this version needs"
                raise UnavailableError(message, hint="swarm gc --store URL finishes it; then publish again")
            await trio.sleep(SWEEP_POLL_S)


@asynccontextmanager
async def open_store(
    url: str, options: StoreOptions | None = None, *, rng: random.Random | None = None
) -> AsyncIterator[Store]:
    """The store at `url`: `s3://bucket/prefix`, `file:///path` or a path, `https://host/prefix` (reads only).

    A place without a store opens too, so that `initialise` can make one; everything else then raises NotFoundError.
    Raises UsageError, UnavailableError, PermissionError_, NotFoundError (no such bucket), CorruptError.
    """
    place = parse_store_url(url)
    options = options_of(place, options or StoreOptions())
    objects = Retrying(await _adapter(place, options), Backoff(options.attempts), rng or random.Random())
    try:
        yield Store(objects, options, await load_identity(objects))
    finally:
        with trio.CancelScope(shield=True):  # closing never waits for the network
            await objects.aclose()


async def _adapter(place: StoreUrl, options: StoreOptions) -> Objects:
    match place.scheme:
        case "s3":
            # boto3 takes 0.2 s to import; in a thread, the loop goes on meanwhile.
            s3 = await trio.to_thread.run_sync(_import_s3)
            return s3(place, options)
        case "http" | "https":
            from swarm.store.http import HttpObjects  # noqa: PLC0415

            return HttpObjects(place, options)
        case "memory":
            from swarm.store.memory import MemoryObjects  # noqa: PLC0415

            return MemoryObjects(f"memory://{place.place}/{place.prefix}")
        case "file":
            from swarm.store.directory import DirectoryObjects  # noqa: PLC0415

            return DirectoryObjects(Path(place.place))
    raise UsageError(f"no store speaks {place.scheme!r}")


def _import_s3() -> Callable[[StoreUrl, StoreOptions], Objects]:
    from swarm.store.s3 import S3Objects  # noqa: PLC0415

    return S3Objects
