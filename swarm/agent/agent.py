"""One agent: node, driver, tracker, neighbours, catalog and library, wired together over parts that are already open.

`fetch`, `serve` and seeding are use cases over this. The agent owns no resource: the transport, the holdings and the
store are opened and closed by `swarm.service`.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import trio

from swarm.agent.answers import RecordStore
from swarm.agent.catalog import Catalog
from swarm.agent.driver import Driver, Trace
from swarm.agent.lan import Lan
from swarm.agent.pacing import Limits
from swarm.agent.recordbook import Recordbook
from swarm.agent.resolve import Resolver
from swarm.agent.shelves import LoadVersion
from swarm.agent.store_reads import ReadBlock
from swarm.agent.tracker_link import FindTracker, TrackerLink
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.config import NodeConfig
from swarm.exchange.node import Node
from swarm.protocol.ids import AgentId, Realm, VersionId
from swarm.protocol.messages import Hello, PeerInfo
from swarm.transport.nursery_of_one import nursery_of_one
from swarm.transport.transport import HelloMaker, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from swarm.transport.discovery import Discovery

LEAVE_S = 5.0
"""How long saying goodbye may take: what is being sent is finished, leases are returned."""


@dataclass(slots=True)
class Self:
    """What this agent says of itself in every hello; some of it is learned after the first connection."""

    agent_id: AgentId
    site: str = ""
    """What its user says; the tracker may know better: `site_now`."""
    realm: Realm | None = None
    is_origin: bool = False
    reads_store: bool = False
    addresses: Callable[[], tuple[str, ...]] = tuple
    site_now: Callable[[], str] | None = None
    """Asked for every hello, once there is an agent that may have been told."""

    def hello(self) -> HelloMaker:
        """The transport fills in peer id, nonce and direction."""
        return lambda direction, dial_nonce: Hello(
            realm=self.realm,
            agent_id=self.agent_id,
            agent_proof=None,
            peer_id="",  # type: ignore[arg-type]
            site=self.site if self.site_now is None else self.site_now(),
            direction=direction,
            is_origin=self.is_origin,
            reads_store=self.reads_store,
            is_tracker=False,
            nonce=b"",
            addresses=self.addresses(),
            dial_nonce=dial_nonce,
        )


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What an agent is made of."""

    me: Self
    transport: Transport
    home: Path
    trackers: tuple[str, ...]
    find_tracker: FindTracker
    store: Callable[[], Awaitable[RecordStore]] | None
    read_block: ReadBlock | None
    load_version: LoadVersion
    root_of: Callable[[VersionId], Awaitable[bytes | None]]
    discovery: Discovery | None = None
    limits: Limits = field(default_factory=Limits)
    trace: Trace | None = None
    rng: Random = field(default_factory=lambda: Random(os.urandom(16)))
    """Decides who is served next, and guards nothing. A recorded run replays with the same one."""

    @property
    def reads_store(self) -> bool:
        """Whether a store of its own can be read here."""
        return self.me.reads_store


Watcher = Callable[[e.Event, list[c.Command]], None]


class Agent:
    """A running agent; made by `open_agent`."""

    def __init__(self, parts: AgentParts, nursery: trio.Nursery) -> None:
        self.parts = parts
        self.recordbook = Recordbook(parts.home)
        self.catalog = Catalog(self.recordbook, parts.root_of, nursery)
        self.driver = Driver(
            self._make_node(),
            parts.transport,
            handle_catalog=self.catalog.handle,
            load_version=parts.load_version,
            read_block=parts.read_block,
            limits=parts.limits,
            realm_of=lambda: parts.me.realm,
            trace=self._watch,
        )
        self.tracker = TrackerLink(parts.trackers, self.driver, parts.find_tracker)
        self.lan = Lan(parts.discovery, self.driver, self.catalog) if parts.discovery is not None else None
        self.resolver = Resolver(self.catalog, self.recordbook, self.tracker, parts.store, self.lan)
        self._watchers: list[Watcher] = []
        self._fetching: dict[VersionId, trio.Lock] = {}

    @contextmanager
    def watched_by(self, watcher: Watcher) -> Iterator[None]:
        """`watcher` hears every event and what came of it, for as long as the context."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    @asynccontextmanager
    async def fetching(self, version: VersionId) -> AsyncIterator[None]:
        """One fetch of a version at a time: the second, to another place, finds everything here."""
        lock = self._fetching.setdefault(version, trio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._fetching.pop(version, None)

    def is_near(self, peer: PeerInfo) -> bool:
        """Whether zeroconf has found a peer, that is, whether it is on this machine's own network."""
        return self.lan is not None and self.lan.has_seen(peer.peer_id)

    async def leave(self) -> None:
        """Finishes what is being sent and says goodbye, bounded."""
        self.driver.submit(e.LeaveAsked())
        with trio.move_on_after(LEAVE_S):
            await self.driver.wait_alone()

    def _make_node(self) -> Node:
        parts = self.parts
        config = NodeConfig(
            peer_id=parts.transport.peer_id,
            addresses=parts.transport.addresses,
            has_tracker=bool(parts.trackers),
            waits_for_lan=parts.discovery is not None,
        )
        node = Node(config, parts.rng, parts.me.agent_id, parts.me.site)
        parts.me.site_now = lambda: node.site
        return node

    def _watch(self, event: e.Event, now: float, commands: list[c.Command]) -> None:
        if isinstance(event, e.PeerDisconnected):
            self.catalog.forget(event.connection)
        for watcher in self._watchers:
            watcher(event, commands)
        if self.parts.trace is not None:
            self.parts.trace(event, now, commands)


@asynccontextmanager
async def open_agent(parts: AgentParts) -> AsyncIterator[Agent]:
    """Runs an agent for as long as the context. Raises InternalError into it where the node itself has failed."""
    async with nursery_of_one() as nursery:
        agent = Agent(parts, nursery)
        await nursery.start(agent.driver.run)
        limits = parts.limits
        agent.driver.set_limits(upload=limits.upload.rate, download=limits.download.rate, origin=limits.origin.rate)
        nursery.start_soon(agent.tracker.run)
        if agent.lan is not None:
            nursery.start_soon(agent.lan.run)
        yield agent
