"""The durable home of blocks, roots and tag history, verified by construction. `open_store` is its only door.

What it hands out was checked: blocks and roots against their BLAKE3, records against signature, realm and place. What
it does not decide: who is trusted, which tag record of several sources is the newest, when to publish or to collect.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import trio

from swarm.errors import UsageError
from swarm.protocol.bounds import BLOCK_BYTES_MAX
from swarm.protocol.ids import BlockId, Realm, VersionId
from swarm.store._objects import Objects
from swarm.store._reading import Moved
from swarm.store.blocks import Blocks
from swarm.store.commit import Commit
from swarm.store.condemned import load_condemned
from swarm.store.history import HISTORY_RECORDS_MAX, TagHistory
from swarm.store.identity import CreateClass, Identity, begin_identity, check_realm, load_identity, no_store
from swarm.store.layout import block_key
from swarm.store.marker import Marker, marked
from swarm.store.names import Names
from swarm.store.options import StoreOptions, StoreUrl, options_of, parse_store_url
from swarm.store.presence import Presence, Progress
from swarm.store.retry import Backoff, Retrying


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
        self._condemned: dict[BlockId, int] | None = None

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

    async def initialise(self, realm: Realm | None = None) -> Realm:
        """Makes a store where there is none; one that is there is left as it is. Returns its realm.

        `realm` begins a lost store anew. Raises RefusedError for a place that holds other things (nothing is touched),
        or that cannot create atomically without `single_writer`; ConflictError if the store there has another realm.
        """
        if self._identity is None:
            self._identity = await load_identity(self._objects)
        if self._identity is None:
            single = self._options.single_writer
            self._identity = await begin_identity(self._objects, realm, is_single_writer=single)
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
            is_missing = block in await self._known_condemned()
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
        publisher asks again before it commits, and writes these again."""
        self._known()
        self._condemned = await load_condemned(self._objects)
        return {block for block in self._condemned.keys() & set(blocks) if await self._is_condemned(block)}

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

    # --- publishing

    def publishing(self) -> AbstractAsyncContextManager[Marker]:
        """A publisher's marker, kept while the block runs: entered before the first look at what is there. Its
        `check_age` is called right before the commit."""
        self._commit().check()
        return marked(self._objects)

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

    async def _known_condemned(self) -> dict[BlockId, int]:
        if self._condemned is None:
            self._condemned = await load_condemned(self._objects)
        return self._condemned

    async def _is_condemned(self, block: BlockId) -> bool:
        stat = await self._objects.stat(block_key(block))
        return stat is None or stat.modified_s * 1000 <= (self._condemned or {}).get(block, 0)


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
