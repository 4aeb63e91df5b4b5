"""The tracker's connection to its store: opened when first needed, and again when that failed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, Protocol

import trio

from swarm.errors import NotFoundError, SwarmError, UnavailableError
from swarm.protocol.ids import BlockId, Realm, VersionId

if TYPE_CHECKING:
    from trio_typing import TaskStatus  # the stubs that libp2p brings along hide trio's own

RETRY_S = 1.0
"""A store that could not be opened is tried again by the first question after this long."""

OPEN_S = 15.0
"""A store that has not answered by then is called unavailable."""


class TrackerStore(Protocol):
    """What a tracker asks of a store. `swarm.store.Store` is one."""

    @property
    def is_initialised(self) -> bool: ...
    @property
    def realm(self) -> Realm: ...
    async def newest_tag(self, name: str, tag: str) -> bytes | None: ...
    async def name_chain(self, name: str) -> tuple[bytes, ...]: ...
    async def names(self) -> list[str]: ...
    async def tags(self, name: str) -> list[str]: ...
    async def has_tag_record(self, name: str, tag: str, seq: int) -> bool: ...
    async def tags_state(self, name: str) -> bytes: ...
    async def get_root(self, version: VersionId) -> bytes: ...
    async def get_block(self, block: BlockId, *, max_length: int) -> bytes: ...
    async def presign_block(self, block: BlockId, seconds: int) -> str | None: ...


OpenStore = Callable[[], AbstractAsyncContextManager[TrackerStore]]


class StoreLink:
    """`get` gives the open store, which a task of `nursery` holds. `on_open` hears of its realm."""

    def __init__(self, open_store: OpenStore, nursery: trio.Nursery, on_open: Callable[[Realm], None]) -> None:
        self._open_store = open_store
        self._nursery = nursery
        self._on_open = on_open
        self._store: TrackerStore | None = None
        self._opening = trio.Lock()
        self._failed_at = float("-inf")
        self._is_vacant = False
        self.failure: SwarmError | None = None

    @property
    def hindrance(self) -> str:
        """Why nobody can be answered from it; empty where it is open, or where there is no store to be opened yet."""
        if self._store is not None or self._is_vacant:
            return ""
        return str(self.failure or "the store is being opened")

    def poke(self) -> None:
        """Opens the store in the background, if it is not and was not tried a moment ago."""
        if self._store is None and not self._opening.locked():
            self._nursery.start_soon(self._try)

    async def _try(self) -> None:
        with suppress(SwarmError):
            await self.get()

    async def get(self) -> TrackerStore:
        """Raises what opening raised; NotFoundError while there is no store at its place yet."""
        async with self._opening:
            if self._store is None and trio.current_time() >= self._failed_at + RETRY_S:
                await self._open()
        if self._store is None:
            assert self.failure is not None
            raise self.failure
        return self._store

    async def _open(self) -> None:
        try:
            with trio.fail_after(OPEN_S):
                store: TrackerStore = await self._nursery.start(self._hold)
        except (SwarmError, trio.TooSlowError) as error:
            silent = UnavailableError(f"the store has not answered within {OPEN_S:.0f} s")
            self.failure = error if isinstance(error, SwarmError) else silent
            self._failed_at = trio.current_time()
            return
        self._store, self.failure = store, None
        self._on_open(store.realm)

    async def _hold(self, task_status: TaskStatus[TrackerStore]) -> None:
        async with self._open_store() as store:
            self._is_vacant = not store.is_initialised
            if self._is_vacant:
                raise NotFoundError("there is no store at its place yet", hint="`swarm seed --store …` makes one")
            task_status.started(store)
            await trio.sleep_forever()
