"""A store that is opened in the background: boto3 alone takes 0.2 s to import, and peers may answer sooner."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

import trio

from swarm.errors import InternalError, SwarmError, UnavailableError

if TYPE_CHECKING:
    from swarm.store import Store, StoreOptions

RETRY_FIRST_S, RETRY_LAST_S = 1.0, 30.0
"""A store that is away when a fetch begins may be back while it lasts; doubling, with jitter."""

log = logging.getLogger(__name__)


class LazyStore:
    """`run` is a task that opens the store and keeps it open; `get` waits for the first attempt."""

    def __init__(self, url: str, options: StoreOptions) -> None:
        self.url = url
        self._options = options
        self._store: Store | None = None
        self._error: SwarmError | None = None
        self._settled = trio.Event()

    async def run(self) -> None:
        """For as long as the store is needed."""
        pause_s = RETRY_FIRST_S
        while True:
            try:
                await self._keep_open()
            except UnavailableError as error:
                self._fail(error)
            except SwarmError as error:
                self._fail(error)
                return
            except Exception as error:  # a task's outer edge: a fetch can do without its store
                log.exception("the store at %s", self.url)
                self._fail(InternalError(f"the store could not be opened: {error!r}"))
                return
            await trio.sleep(pause_s * random.uniform(0.75, 1.25))
            pause_s = min(RETRY_LAST_S, 2 * pause_s)

    async def get(self) -> Store:
        """The open store. Raises what opening it raised last."""
        await self._settled.wait()
        if self._store is not None:
            return self._store
        assert self._error is not None
        raise self._error

    async def _keep_open(self) -> None:
        from swarm.store import open_store  # noqa: PLC0415  # with it come threads and adapters

        async with open_store(self.url, self._options) as store:
            self._store = store
            self._settled.set()
            await trio.sleep_forever()

    def _fail(self, error: SwarmError) -> None:
        self._error = error
        self._settled.set()
