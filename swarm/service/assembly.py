"""Opens what an agent is made of: identity, transport, holdings, store, discovery; and closes it in the right order."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import trio

from swarm.agent.agent import Agent, AgentParts, Self, open_agent
from swarm.agent.library import open_held
from swarm.agent.pacing import Limits, Pacer
from swarm.agent.tracker_link import TrackerAddress
from swarm.config.configs import CommonConfig
from swarm.config.store_options import options_of
from swarm.errors import PermissionError_, UnavailableError
from swarm.exchange.events import BlocksLost
from swarm.holdings.holdings import Holdings, open_holdings
from swarm.protocol.ids import BlockId, Runs, VersionId
from swarm.protocol.keys import SigningKey
from swarm.protocol.messages import LostReason
from swarm.service.lazy_store import LazyStore
from swarm.service.live_limits import follow_limits
from swarm.service.tracker_pins import TrackerPins
from swarm.store.http import HttpBlocks
from swarm.transport.discovery import open_discovery
from swarm.transport.libp2p_host import TransportConfig, open_transport
from swarm.transport.nursery_of_one import nursery_of_one


@dataclass(slots=True)
class Parts:
    """An agent and what it stands on."""

    agent: Agent
    holdings: Holdings
    store: LazyStore | None
    me: Self


def fresh_key() -> SigningKey:
    """A peer key for one process."""
    return SigningKey.generate(os.urandom(32))


@asynccontextmanager
async def open_parts(
    config: CommonConfig, *, key: SigningKey, is_origin: bool = False, trackers: tuple[str, ...] | None = None
) -> AsyncIterator[Parts]:
    """A running agent. `trackers` None: those of the configuration.

    Raises UsageError and PermissionError_ (cannot listen), RefusedError (home), and what the agent itself raises.
    """
    store = LazyStore(config.store, options_of(config)) if config.store is not None else None
    me = Self(key.agent_id, config.site, is_origin=is_origin, reads_store=store is not None)
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(nursery_of_one())
        if store is not None:
            nursery.start_soon(store.run)
        holdings = await stack.enter_async_context(open_holdings(config.home))
        listen = tuple((each.ip, each.port) for each in config.listen)
        transport = await stack.enter_async_context(
            open_transport(TransportConfig(key, me.hello(), listen, config.secret))
        )
        me.addresses = lambda: transport.addresses
        discovery = None
        if config.lan:
            discovery = await stack.enter_async_context(open_discovery(transport.peer_id, lambda: transport.addresses))
        web = await stack.enter_async_context(HttpBlocks(options_of(config)))
        parts = AgentParts(
            me=me,
            transport=transport,
            home=config.home,
            trackers=config.tracker if trackers is None else trackers,
            find_tracker=TrackerFinder(config.home).find,
            store=store.get if store is not None else None,
            read_block=StoreReader(store, web).read,
            load_version=partial(open_held, holdings, reads_store=me.reads_store),
            root_of=holdings.root,
            discovery=discovery,
            limits=Limits(Pacer(config.upload_limit), Pacer(config.download_limit), Pacer(config.origin_limit)),
        )
        agent = await stack.enter_async_context(open_agent(parts))
        nursery.start_soon(follow_limits, config.home, config.live_limits, agent.driver)
        holdings.on_lost = _withdraw(agent)
        yield Parts(agent, holdings, store, me)


def _withdraw(agent: Agent) -> Callable[[VersionId, Runs], None]:
    """Blocks whose files were edited are no longer offered."""
    return lambda version, runs: agent.driver.submit(BlocksLost(version, runs, LostReason.EDITED))


class StoreReader:
    """Reads leased blocks: with this machine's own credentials, else by the URL that came with the lease."""

    def __init__(self, store: LazyStore | None, web: HttpBlocks) -> None:
        self._store = store
        self._web = web

    async def read(self, block: BlockId, length: int, url: str | None, moved: Callable[[int], None]) -> bytes:
        """The verified bytes of a block. Raises what the store raises."""
        if self._store is not None:
            try:
                store = await self._store.get()
                return await store.get_block(block, max_length=length, moved=moved, is_retried=False)
            except PermissionError_:
                if url is None:
                    raise
        if url is None:
            raise UnavailableError("no store is configured here, and the lease came without a URL")
        try:
            return await self._web.get(url, block, max_length=length, moved=moved)
        except PermissionError_ as error:
            # It has expired, most likely: the lease goes back, and the next one comes with another URL.
            raise UnavailableError(error.message, hint=error.hint) from error


class TrackerFinder:
    """Turns `--tracker` into addresses, and holds each URL to the peer id that it had first."""

    def __init__(self, home: os.PathLike[str]) -> None:
        self._pins = TrackerPins(home)

    async def find(self, url: str) -> TrackerAddress:
        """Raises SwarmError where nothing answers, RefusedError where somebody else does."""
        from swarm.tracker.http.client import find_tracker  # noqa: PLC0415  # only where a tracker is configured

        found = await find_tracker(url)
        await trio.to_thread.run_sync(self._pins.check, url, found.peer_id)
        return TrackerAddress(found.addresses, found.peer_id)
