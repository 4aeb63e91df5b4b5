"""Where a producer without a store keeps what he has published: records, roots and pages, under `$SWARM_HOME`.

It is a directory store that never gets a data block, so it is read, written and synced like any other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from swarm.protocol.ids import Realm
from swarm.store import Store, open_store

DIRECTORY = "history"
OWN = "own"


@asynccontextmanager
async def open_history(home: Path, realm: Realm | None = None) -> AsyncIterator[Store]:
    """The history kept in `home` for `realm` (a tracker's), or for this machine's own realm, which is drawn once.

    Raises PermissionError_ and what else a directory store does.
    """
    async with open_store(str(home / DIRECTORY / (realm.hex() if realm else OWN))) as store:
        await store.initialise(realm)
        yield store
