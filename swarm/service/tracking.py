"""`swarm tracker` as a function, and the tracker that a seeder runs inside itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from swarm.agent.notices import Observer, Ready
from swarm.agent.unwrapping import unwrapped
from swarm.config.configs import CommonConfig, SeedConfig, TrackerConfig
from swarm.config.key_file import load_or_make_identity
from swarm.config.store_options import options_of
from swarm.protocol.keys import SigningKey
from swarm.store import Store, open_store
from swarm.store.options import parse_store_url
from swarm.tracker.leasing.budget import OriginBudget as TrackerBudget
from swarm.tracker.service import TrackerService, open_tracker
from swarm.tracker.settings import TrackerHello, TrackerSettings
from swarm.transport.libp2p_host import TransportConfig, open_transport

IDENTITY_FILE = "tracker.key"


@dataclass(frozen=True, slots=True)
class EmbeddedTracker:
    """`addresses` are full multiaddrs, `http` the URL to hand to consumers."""

    addresses: tuple[str, ...]
    http: str | None


@unwrapped
async def run_tracker(config: TrackerConfig, observer: Observer) -> None:
    """Until cancelled. Raises UsageError and PermissionError_ (cannot listen), and what its key file raises."""
    identity = config.identity or config.common.home / IDENTITY_FILE
    async with _open(config, identity) as tracker:
        http = tracker.urls[0] if tracker.urls else None
        command = f"swarm fetch NAME[:TAG] --tracker {http or tracker.addresses[0]}"
        observer.notify(Ready("tracker", tracker.addresses, http, tracker.transport.peer_id, command))
        await trio.sleep_forever()


@asynccontextmanager
async def open_embedded_tracker(config: SeedConfig) -> AsyncIterator[EmbeddedTracker]:
    """A tracker for a seeder that was given none: a peer of its own in the same process, at a port of its own."""
    listen = tuple(replace(each, port=0) for each in config.common.listen)
    inside = TrackerConfig(replace(config.common, listen=listen), http=config.http)
    async with _open(inside, config.common.home / IDENTITY_FILE) as tracker:
        yield EmbeddedTracker(tracker.addresses, tracker.urls[0] if tracker.urls else None)


@asynccontextmanager
async def _open(config: TrackerConfig, identity: Path) -> AsyncIterator[TrackerService]:
    key, is_first_start = _load_key(identity)
    common, hello = config.common, TrackerHello(key)
    settings = TrackerSettings(
        key=key,
        http=tuple((each.ip, each.port) for each in config.http),
        trackers=common.tracker,
        sites=config.sites,
        presigns=common.store is not None and parse_store_url(common.store).scheme == "s3",
        is_first_start=is_first_start,
        shows_versions=common.secret is None,
        budget=budget_of(config),
    )
    listen = tuple((each.ip, each.port) for each in common.listen)
    async with (
        open_transport(TransportConfig(key, hello, listen, common.secret)) as transport,
        open_tracker(settings, transport, _store_opener(common), hello) as tracker,
    ):
        yield tracker


def _store_opener(config: CommonConfig) -> Callable[[], AbstractAsyncContextManager[Store]] | None:
    url = config.store
    return None if url is None else lambda: open_store(url, options_of(config))


def _load_key(identity: Path) -> tuple[SigningKey, bool]:
    """The tracker's key, and whether it is new: then no forerunner can have leases out."""
    is_new = not identity.exists()
    return load_or_make_identity(identity, "tracker key"), is_new


def budget_of(config: TrackerConfig) -> TrackerBudget:
    """What the tracker goes by. A bound in bytes comes on top of one copy."""
    budget = config.origin_budget
    return TrackerBudget(
        copies=budget.copies or 1,
        is_per_site=budget.is_per_site,
        total_bytes=budget.bytes,
        fails_closed=not config.origin_budget_fails_open,
    )
