"""Where a producer without a store keeps what he has published: records, roots and pages, under `$SWARM_HOME`.

It is a directory store that never gets a data block, so it is read, written and synced like any other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from swarm.protocol.ids import Realm
from swarm.store import Store, open_store

DIRECTORY = "history"
OWN = "own"


@asynccontextmanager
async def open_history(home: Path, realm: Realm | None = None) -> AsyncIterator[Store]:
    """The history kept in `home`: this machine's own, whose realm is drawn once, or taken from the first tracker that
    it publishes to. A tracker of another `realm` has one beside it.

    Raises PermissionError_ and what else a directory store does.
    """
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(open_store(str(home / DIRECTORY / OWN)))
        if realm is None or not own.is_initialised or own.realm == realm:
            await own.initialise(realm)
            yield own
        else:
            other = await stack.enter_async_context(open_store(str(home / DIRECTORY / realm.hex())))
            await other.initialise(realm)
            yield other
