"""Opening a `$SWARM_HOME`: its index, what is held, and commits that an earlier run began and did not end."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from swarm.errors import SwarmError
from swarm.holdings.catalog import Catalog
from swarm.holdings.home import Home, open_home
from swarm.holdings.index import open_index
from swarm.holdings.lock import try_lock
from swarm.holdings.manifests import Manifests
from swarm.holdings.oserror import shown
from swarm.holdings.recovery import recover

logger = logging.getLogger("swarm.holdings")


def open_catalog(directory: Path) -> tuple[Home, Catalog]:
    """Raises RefusedError (a network's file system, a newer swarm's index), PermissionError_, NoSpaceError."""
    home = open_home(directory)
    index = open_index(home.index, home.index_lock)
    catalog = Catalog(index, Manifests(home))
    try:
        _recover_all(home, catalog)
        for staging in index.stagings():
            if not os.path.isdir(staging.area):
                index.remove_staging(staging.area)
    except BaseException:
        catalog.close()
        index.close()
        raise
    return home, catalog


def _recover_all(home: Home, catalog: Catalog) -> None:
    """Commits whose process has died. One that cannot be ended now is tried again when its DEST is fetched to."""
    for pending in catalog.index.pending():
        lock = try_lock(home.destination_lock(pending.dest))
        if lock is None:
            continue
        with lock:
            try:
                recover(catalog, pending, _no_tick)
            except SwarmError as error:
                logger.warning("an interrupted update of %s waits: %s", shown(pending.dest), error)


def _no_tick(_bytes: int) -> None:
    pass
