"""`swarm fetch` as a function."""

from __future__ import annotations

import time

from swarm.agent.fetch import FetchOrder
from swarm.agent.fetch import fetch as run_fetch
from swarm.agent.notices import Observer, Ready, Receipt
from swarm.agent.unwrapping import unwrapped
from swarm.config.configs import FetchConfig
from swarm.dataset.selection import Selection
from swarm.errors import UsageError
from swarm.service.assembly import fresh_key, open_parts
from swarm.service.pinning import pinned, rememberer


@unwrapped
async def fetch(config: FetchConfig, observer: Observer) -> Receipt:
    """Makes the version present at `dest`. Raises SwarmError; what has come is kept for the next run."""
    started_at = time.monotonic()
    _check_sources(config)
    order = FetchOrder(
        reference=config.dataset,
        dest=config.dest,
        pin=pinned(config.common, config.dataset.name, config.publisher),
        remember=rememberer(config.common),
        selection=Selection(config.include, config.exclude),
        linger_s=config.linger,
        repair=config.repair,
        atomic=config.atomic,
        in_place=config.in_place,
        dry_run=config.dry_run,
        started_at=started_at,
        price_per_gb=config.price_per_gb,
    )
    async with open_parts(config.common, key=fresh_key()) as parts:
        transport = parts.agent.parts.transport
        observer.notify(Ready("fetch", transport.addresses, None, transport.peer_id, None))
        receipt = await run_fetch(parts.agent, parts.holdings, order, observer)
        await parts.agent.leave()
        return receipt


def _check_sources(config: FetchConfig) -> None:
    common = config.common
    if not common.tracker and common.store is None and not common.lan:
        raise UsageError(
            "there is nobody to ask: no --tracker, no --store, and --no-lan",
            hint="name the tracker that `swarm seed` prints, or a store",
        )
