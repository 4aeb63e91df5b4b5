"""The store: can it be reached, what may we do there, does it create atomically, does its clock agree."""

from __future__ import annotations

import time

from cli.checks.check import Checks, ok, warn
from cli.checks.network import clock_check
from cli.ui.wording import plural
from swarm.config.configs import CommonConfig
from swarm.config.store_options import options_of
from swarm.errors import PermissionError_, RefusedError, SwarmError
from swarm.store import Store, open_store
from swarm.store.identity import CreateClass


async def check_store(config: CommonConfig) -> Checks:
    """Reads, then writes and removes a publisher's marker. Raises SwarmError where it cannot even be read."""
    if config.store is None:
        return [ok("store", "none configured: what peers have is all there is")]
    started = time.monotonic()
    async with open_store(config.store, options_of(config)) as store:
        if not store.is_initialised:
            hint = "swarm seed PATH NAME --store URL begins one there"
            return [warn("store", f"{store.url} can be reached, and there is no store yet", hint)]
        names = await store.names()
        taken = (time.monotonic() - started) * 1000
        found = [ok("store", f"{store.url}: {plural(len(names), 'name')}, realm {store.realm.hex()}, {taken:.0f} ms")]
        return found + _atomic(store) + await _rights(store) + await _clock(store)


def _atomic(store: Store) -> Checks:
    if store.create_class is CreateClass.ATOMIC:
        return [ok("store's commits", "atomic: of two producers one is refused")]
    hint = "let one machine publish (--single-writer), or use a store with conditional writes"
    return [warn("store's commits", "not atomic: two producers at once are noticed, not prevented", hint)]


async def _rights(store: Store) -> Checks:
    try:
        async with store.publishing():
            pass
    except PermissionError_ as error:
        return [warn("store's rights", f"reading only: {error.message}", "fine for consumers; a producer must write")]
    except RefusedError:
        return [warn("store's rights", "reading, and publishing with --single-writer only", "see store's commits")]
    except SwarmError as error:
        return [warn("store's rights", f"reading; writing failed: {error.message}", error.hint or "try again")]
    return [ok("store's rights", "reading and publishing")]


async def _clock(store: Store) -> Checks:
    try:
        return [clock_check("store's clock", await store.server_time())]
    except SwarmError:
        return []
