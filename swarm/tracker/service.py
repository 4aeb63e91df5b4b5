"""The tracker as a service: takes connections, hands events to the core, performs its commands. It decides nothing.

    async with open_tracker(settings, transport, open_store) as tracker:
        print(tracker.urls, tracker.addresses)
        await trio.sleep_forever()

The transport is the caller's and must greet with `TrackerHello`. One task per connection; look-ups and closings are
tasks of their own. The store is asked when somebody asks, and looked at for tags that somebody has subscribed to.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import assert_never

import trio

from swarm.errors import SwarmError, TransportError
from swarm.protocol.ids import ConnectionId, Realm
from swarm.protocol.lease import sign_lease, verify_lease
from swarm.protocol.messages import Direction, Hello, LeaseGrant, Message, PeerInfo
from swarm.tracker import commands as c
from swarm.tracker import events as e
from swarm.tracker.agents.sites import SiteTable
from swarm.tracker.agents.uses import VersionUse
from swarm.tracker.catalog.catalog import Catalog
from swarm.tracker.core import Tracker
from swarm.tracker.http.pages import pages_of
from swarm.tracker.http.server import open_http
from swarm.tracker.origin.link import OpenStore, StoreLink
from swarm.tracker.origin.presigning import Presigner
from swarm.tracker.origin.questions import look_up
from swarm.tracker.origin.watching import watch_store
from swarm.tracker.rules import TrackerRules
from swarm.tracker.settings import TrackerHello, TrackerSettings
from swarm.tracker.statistics import TrackerStatistics
from swarm.transport.nursery_of_one import nursery_of_one
from swarm.transport.transport import Connection, Transport

FIRST_NUMBER_BITS = 48
"""Leases are numbered from a random place: two starts' numbers meet with no probability worth a thought."""

END_S = 2.0
"""How long saying goodbye to everybody may take."""

IDLE_S = 3600.0
"""How long the timer sleeps when there is nothing to wait for; any event sets it anew."""

log = logging.getLogger(__name__)


class TrackerService:
    """A running tracker. Only `open_tracker` makes one."""

    def __init__(
        self, settings: TrackerSettings, transport: Transport, open_store: OpenStore | None, nursery: trio.Nursery
    ) -> None:
        self.urls: tuple[str, ...] = ()
        self.settings = settings
        self.transport = transport
        self._nursery = nursery
        self._connections: dict[ConnectionId, Connection] = {}
        self._catalog = Catalog(settings.realm, has_store=open_store is not None)
        self._core = Tracker(_rules(settings), Random(os.urandom(16)), trio.current_time(), self._catalog)
        self._is_due = trio.Event()
        self._due_at = trio.current_time()
        self.store = StoreLink(open_store, nursery, self._catalog.adopt_realm) if open_store is not None else None
        self._presigner = Presigner(self.store, self._catalog.root) if self.store is not None else None

    @property
    def realm(self) -> Realm | None:
        """Whose records are taken; None until it is known."""
        return self._catalog.realm

    @property
    def addresses(self) -> tuple[str, ...]:
        """Full multiaddrs."""
        return tuple(f"{address}/p2p/{self.transport.peer_id}" for address in self.transport.addresses)

    @property
    def tag_count(self) -> int:
        """Tags known."""
        return self._catalog.tag_count

    def statistics(self) -> TrackerStatistics:
        """A snapshot."""
        return self._core.statistics()

    def uses(self) -> tuple[VersionUse, ...]:
        """Who takes part in which version now."""
        return self._core.uses()

    def check(self) -> None:
        """AssertionError where the core contradicts itself."""
        self._core.check()

    # --- tasks --------------------------------------------------------------------------------------

    async def accept(self) -> None:
        """Takes connections, for ever."""
        while True:
            connection = await self.transport.accept()
            self._nursery.start_soon(self._converse, connection)

    async def keep_time(self) -> None:
        """Gives the core its ticks when they are due, for ever."""
        while True:
            deadline = self._core.next_deadline()
            self._due_at = deadline if deadline is not None else trio.current_time() + IDLE_S
            self._is_due = trio.Event()
            with trio.move_on_at(self._due_at):
                await self._is_due.wait()
            if trio.current_time() >= self._due_at:
                self._handle(e.Ticked())
                # One second's signs of life for thousands of agents are one tick: let others run before the next.
                await trio.lowlevel.checkpoint()

    async def warm_up(self) -> None:
        """Opens the store, so that the realm is known and the first question need not wait."""
        if self.store is not None:
            try:
                await self.store.get()
            except SwarmError as error:
                log.warning("the store cannot be opened yet: %s", error)

    async def watch_store(self) -> None:
        """Notices tags that move in the store without anybody telling us, as far as somebody wants to hear of them."""
        if self.store is not None:
            await watch_store(self.store, self._catalog.watched, self._look_up)

    async def say_goodbye(self) -> None:
        """Closes every connection in order, within `END_S`."""
        with trio.move_on_after(END_S):
            async with trio.open_nursery() as nursery:
                for connection in self._connections.values():
                    nursery.start_soon(_close, connection, "the tracker is ending", True)

    async def _converse(self, connection: Connection) -> None:
        refusal = _refusal(connection.remote)
        if refusal:
            await _close(connection, refusal, True)
            return
        self._connections[connection.id] = connection
        self._handle(_connected(connection, self.realm))
        reason = "it ended"
        connection.hand_to(partial(self._hear, connection))
        try:
            while True:
                self._hear(connection, await connection.receive())
        except TransportError as error:
            reason = error.message
        except Exception:  # a task's outer edge: one agent's message must not end the others' tracker
            log.exception("a tracker's connection failed")
            reason = "internal error"
        finally:
            connection.hand_to(None)
            del self._connections[connection.id]
        self._handle(e.AgentGone(connection.id, reason))
        await _close(connection, reason, False)

    def _hear(self, connection: Connection, message: Message) -> bool:
        self._handle(e.MessageReceived(connection.id, message))
        return True

    # --- events and commands ------------------------------------------------------------------------

    def _handle(self, event: e.Event) -> None:
        for command in self._core.handle(event, trio.current_time()):
            self._perform(command)
        deadline = self._core.next_deadline()
        if deadline is not None and deadline < self._due_at:
            self._is_due.set()

    def _perform(self, command: c.Command) -> None:
        match command:
            case c.Send():
                self._send(command.connection, command.message)
            case c.Disconnect():
                if connection := self._connections.get(command.connection):
                    self._nursery.start_soon(_close, connection, command.reason, False)
            case c.LookUp():
                self._nursery.start_soon(self._look_up, command.question)
            case c.PresignAndSend():
                self._nursery.start_soon(self._presign, command)
            case _:
                assert_never(command)

    def _send(self, connection_id: ConnectionId, message: Message) -> None:
        connection = self._connections.get(connection_id)
        if connection is not None:
            try:
                connection.send_nowait(message)
            except TransportError as error:
                log.info("an agent is gone: %s", error)  # its own task will say so

    async def _look_up(self, question: c.Question) -> None:
        assert self.store is not None
        self._handle(await look_up(self.store, question))

    async def _presign(self, command: c.PresignAndSend) -> None:
        assert self._presigner is not None
        try:
            url = await self._presigner.url(command.version, command.index, command.seconds)
        except SwarmError as error:
            log.warning("no URL for a leased block: %s", error)
            self._handle(e.PresignFailed(command.agent, command.number, str(error)))
            return
        self._send(command.connection, LeaseGrant(command.lease, url))


@asynccontextmanager
async def open_tracker(
    settings: TrackerSettings,
    transport: Transport,
    open_store: OpenStore | None = None,
    hello: TrackerHello | None = None,
) -> AsyncIterator[TrackerService]:
    """A tracker that lives as long as the context.

    `hello`, if it is the transport's, is told the realm as soon as it is known. Raises what `open_http` raises.
    """
    async with nursery_of_one() as nursery:
        tracker = TrackerService(settings, transport, open_store, nursery)
        if hello is not None:
            hello.realm_of = lambda: tracker.realm
        async with open_http(settings.http, pages_of(tracker)) as tracker.urls:
            for task in (tracker.accept, tracker.keep_time, tracker.warm_up, tracker.watch_store):
                nursery.start_soon(task)
            try:
                yield tracker
            finally:
                with trio.CancelScope(shield=True):  # bounded; a tracker that is told to end says so to its agents
                    await tracker.say_goodbye()


async def _close(connection: Connection, reason: str, is_graceful: bool) -> None:
    await connection.aclose(reason, is_graceful=is_graceful)


def _refusal(hello: Hello) -> str:
    if hello.is_tracker:
        return "this is a tracker, and so are you"
    return "this is a tracker: it has no blocks" if hello.direction is not Direction.CONTROL else ""


def _connected(connection: Connection, realm: Realm | None) -> e.AgentConnected:
    """What an agent says of itself. Only a reader of our own store can use leases."""
    hello = connection.remote
    peer = PeerInfo(hello.agent_id, hello.peer_id, hello.addresses, hello.site, hello.is_origin)
    is_ours = hello.realm is None or realm is None or hello.realm == realm
    return e.AgentConnected(connection.id, peer, hello.reads_store and is_ours)


def _rules(settings: TrackerSettings) -> TrackerRules:
    started_at = time.time()
    random = Random(os.urandom(16))
    return TrackerRules(
        epoch=int(started_at * 1000),
        key=settings.key.public_key,
        sign=lambda lease: sign_lease(lease, settings.key),
        verify=lambda token: verify_lease(token, settings.key.public_key),
        first_number=random.getrandbits(FIRST_NUMBER_BITS),
        unix_s=started_at - trio.current_time(),
        presigns=settings.presigns,
        site_of=SiteTable(settings.sites).site_of,
        is_first_start=settings.is_first_start,
        degree=settings.degree,
        budget=settings.budget,
        pace=settings.pace,
    )
