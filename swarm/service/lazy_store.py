"""A store that is opened in the background: boto3 alone takes 0.3 s to import, and peers may answer sooner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from swarm.errors import SwarmError

if TYPE_CHECKING:
    from swarm.store import Store, StoreOptions


class LazyStore:
    """`run` is a task that opens the store and keeps it open; `get` waits for that. Each `get` raises a failure."""

    def __init__(self, url: str, options: StoreOptions) -> None:
        self.url = url
        self._options = options
        self._store: Store | None = None
        self._error: SwarmError | None = None
        self._settled = trio.Event()

    async def run(self) -> None:
        """For as long as the store is needed."""
        from swarm.store import open_store  # noqa: PLC0415  # with it come threads and adapters

        try:
            async with open_store(self.url, self._options) as store:
                self._store = store
                self._settled.set()
                await trio.sleep_forever()
        except SwarmError as error:
            self._error = error
            self._settled.set()

    async def get(self) -> Store:
        """The open store. Raises what opening it raised."""
        await self._settled.wait()
        if self._error is not None:
            raise self._error
        assert self._store is not None
        return self._store
