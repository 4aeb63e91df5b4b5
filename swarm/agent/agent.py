"""One agent: node, driver, tracker, neighbours, catalog and library, wired together over parts that are already open.

`fetch`, `serve` and seeding are use cases over this. The agent owns no resource: the transport, the holdings and the
store are opened and closed by `swarm.service`.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import trio

from swarm.agent.catalog import Catalog
from swarm.agent.driver import Driver, Limits, LoadVersion, ReadStore
from swarm.agent.lan import Lan
from swarm.agent.link import Link
from swarm.agent.recordbook import Recordbook
from swarm.agent.resolve import RecordStore, Resolver
from swarm.agent.tracker_link import FindTracker, TrackerLink
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.config import NodeConfig
from swarm.exchange.node import Node
from swarm.protocol.ids import AgentId, Realm, VersionId
from swarm.protocol.messages import CatalogMessage, Hello
from swarm.transport.transport import HelloMaker, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from swarm.transport.discovery import Discovery

LEAVE_S = 5.0
"""How long saying goodbye may take: what is being sent is finished, leases are returned."""


@dataclass(slots=True)
class Self:
    """What this agent says of itself in every hello; some of it is learned after the first connection."""

    agent_id: AgentId
    site: str = ""
    realm: Realm | None = None
    is_origin: bool = False
    reads_store: bool = False
    addresses: Callable[[], tuple[str, ...]] = tuple

    def hello(self) -> HelloMaker:
        """The transport fills in peer id, nonce and direction."""
        return lambda direction, dial_nonce: Hello(
            realm=self.realm,
            agent_id=self.agent_id,
            agent_proof=None,
            peer_id="",  # type: ignore[arg-type]
            site=self.site,
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
    read_store: ReadStore | None
    load_version: LoadVersion
    root_of: Callable[[VersionId], Awaitable[bytes | None]]
    discovery: Discovery | None = None
    limits: Limits = field(default_factory=Limits)
    trace: Callable[[e.Event, float, list[c.Command]], None] | None = None
    rng: Random = field(default_factory=lambda: Random(os.urandom(16)))
    """Decides who is served next, and guards nothing. A recorded run replays with the same one."""


class Agent:
    """A running agent; made by `open_agent`."""

    def __init__(self, parts: AgentParts, nursery: trio.Nursery) -> None:
        self.parts = parts
        self.recordbook = Recordbook(parts.home)
        self.catalog = Catalog(self.recordbook, parts.root_of, nursery)
        self.watchers: list[Callable[[e.Event, list[c.Command]], None]] = []
        self.driver = Driver(
            self._make_node(),
            parts.transport,
            handle_catalog=self._handle_catalog,
            load_version=parts.load_version,
            read_store=parts.read_store,
            limits=parts.limits,
            trace=self._watch,
        )
        self.tracker = TrackerLink(parts.trackers, self.driver, parts.find_tracker)
        self.lan = Lan(parts.discovery, self.driver, self.catalog) if parts.discovery is not None else None
        self.resolver = Resolver(self.catalog, self.recordbook, self.tracker, parts.store, self.lan)

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
        return Node(config, parts.rng, parts.me.agent_id, parts.me.site)

    def _handle_catalog(self, link: Link, message: CatalogMessage) -> None:
        self.catalog.handle(link, message)

    def _watch(self, event: e.Event, now: float, commands: list[c.Command]) -> None:
        if isinstance(event, e.PeerDisconnected):
            self.catalog.forget(event.connection)
        for watcher in self.watchers:
            watcher(event, commands)
        if self.parts.trace is not None:
            self.parts.trace(event, now, commands)


@asynccontextmanager
async def open_agent(parts: AgentParts) -> AsyncIterator[Agent]:
    """Runs an agent for as long as the context; a failure of its own (a full disk) is raised inside it."""
    async with trio.open_nursery() as nursery:
        agent = Agent(parts, nursery)
        await nursery.start(agent.driver.run)
        limits = parts.limits
        agent.driver.submit(
            e.LimitsChanged(*(int(p.rate) if p.rate else None for p in (limits.upload, limits.download, limits.origin)))
        )
        nursery.start_soon(agent.tracker.run)
        if agent.lan is not None:
            nursery.start_soon(agent.lan.run)
        try:
            yield agent
        finally:
            nursery.cancel_scope.cancel()
