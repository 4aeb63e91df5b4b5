"""The connections of an agent: made, accepted and handed over, each run as a link until it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import trio

from swarm.agent.backlog import Backlog
from swarm.agent.link import CatalogHandler, Link, carries_blocks
from swarm.agent.pacing import Limits
from swarm.agent.receiving import Receiver
from swarm.agent.sending import Sender
from swarm.agent.shelf import Shelf
from swarm.errors import SwarmError, TransportError
from swarm.exchange.commands import Dial, Disconnect
from swarm.exchange.events import (
    DialFailed,
    Event,
    PeerConnected,
    PeerDisconnected,
    PeerOffended,
    Progressed,
    TrackerConnected,
)
from swarm.protocol.ids import AgentId, ConnectionId, Realm, VersionId
from swarm.protocol.messages import Direction, PeerInfo
from swarm.transport.transport import Connection, Transport

if TYPE_CHECKING:
    from trio_typing import TaskStatus  # the stubs that libp2p brings along hide trio's own

DIAL_TIMEOUT_S = 10.0
"""A peer that has not answered by then is as good as dead; the hand-out names others."""

log = logging.getLogger(__name__)


class Links:
    """By connection. `wasted` counts bytes of each version that came and were of no use."""

    def __init__(
        self,
        transport: Transport,
        *,
        shelf_of: Callable[[VersionId], Shelf | None],
        submit: Callable[[Event], None],
        handle_catalog: CatalogHandler,
        limits: Limits,
        realm_of: Callable[[], Realm | None],
    ) -> None:
        self.wasted: dict[VersionId, int] = {}
        self._transport = transport
        self._shelf_of = shelf_of
        self._submit = submit
        self._handle_catalog = handle_catalog
        self._limits = limits
        self._realm_of = realm_of
        self.backlog = Backlog()
        self._links: dict[ConnectionId, Link] = {}

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._links.values()))

    def find(self, connection: ConnectionId) -> Link | None:
        """The link of a connection that has not ended."""
        return self._links.get(connection)

    def agents(self) -> set[AgentId]:
        """Who is connected now, trackers not counted."""
        return {link.connection.remote.agent_id for link in self if not link.connection.remote.is_tracker}

    def progress(self) -> Progressed:
        """What has moved on all of them since the last call."""
        links = list(self._links.values())
        return Progressed(
            received=tuple(moved for link in links if link.receiver for moved in link.receiver.take_moved()),
            sent=tuple(moved for link in links if link.sender for moved in link.sender.take_moved()),
            heard=tuple(link.connection.id for link in links if link.take_heard()),
            rtts=tuple((link.connection.id, link.connection.statistics().rtt_s) for link in links if link.receiver),
        )

    # --- tasks ----------------------------------------------------------------------------------

    async def accept(self, nursery: trio.Nursery) -> None:
        """Takes what others open, for ever."""
        while True:
            connection = await self._transport.accept()
            nursery.start_soon(self._welcome, connection)

    async def dial(self, command: Dial) -> None:
        """Connects, and runs the link; or says that it could not."""
        try:
            connection = await self._connect(command)
        except (SwarmError, trio.TooSlowError) as error:
            self._submit(DialFailed(command.peer.agent_id, str(error) or "no answer"))
        except Exception:  # a task's outer edge: addresses come from strangers
            log.exception("dialling %s failed", command.peer.peer_id)
            self._submit(DialFailed(command.peer.agent_id, "internal error"))
        else:
            await self.run(connection)

    async def disconnect(self, link: Link, command: Disconnect) -> None:
        """Closes a connection as the node wants it."""
        await link.connection.aclose(command.reason, is_graceful=command.is_graceful)

    async def run(self, connection: Connection, task_status: TaskStatus[Link] = trio.TASK_STATUS_IGNORED) -> None:
        """From the hello to the end of a connection, which the node hears of when all that came is kept."""
        link = self._links[connection.id] = self._make(connection)
        reason = "closed"
        try:
            self._submit(self._connected(connection))
            task_status.started(link)
            reason = await link.run()
        finally:
            if link.receiver is not None:
                link.receiver.abandon()
            if link.breach is not None:
                self._submit(PeerOffended(connection.id, link.breach))
            self._submit(PeerDisconnected(connection.id, reason))
            del self._links[connection.id]

    # --- parts ----------------------------------------------------------------------------------

    async def _welcome(self, connection: Connection) -> None:
        if connection.remote.is_tracker:
            # Whoever is obeyed as a tracker was dialled as one: anybody can say that it is.
            await connection.aclose("trackers do not dial")
            return
        await self.run(connection)

    async def _connect(self, command: Dial) -> Connection:
        peer = command.peer
        direction = Direction.TO_DIALER if command.dial_nonce is None else Direction.TO_ACCEPTOR
        with trio.fail_after(DIAL_TIMEOUT_S):
            connection = await self._transport.dial(
                peer.addresses, direction, peer_id=peer.peer_id or None, dial_nonce=command.dial_nonce
            )
        if connection.remote.is_tracker or connection.remote.agent_id != peer.agent_id:
            await connection.aclose("you are somebody else")
            raise TransportError(f"{connection.remote.peer_id} is not the agent that was looked for")
        return connection

    def _make(self, connection: Connection) -> Link:
        receiver = sender = None
        if carries_blocks(connection) and connection.sends_blocks:
            sender = Sender(connection, self._shelf_of, self._submit, self._limits.upload)
        elif carries_blocks(connection):
            limits = self._limits
            is_origin = connection.remote.is_origin
            receiver = Receiver(
                connection,
                self._shelf_of,
                self._submit,
                waste=self._waste,
                pacers=(limits.download, limits.origin) if is_origin else (limits.download,),
                backlog=self.backlog,
            )
        return Link(connection, self._submit, self._handle_catalog, receiver, sender)

    def _connected(self, connection: Connection) -> Event:
        hello, rtt_s = connection.remote, connection.statistics().rtt_s
        if hello.is_tracker:
            return TrackerConnected(connection.id, rtt_s)
        # Only who reads the store of our realm can be the owner of a block of it.
        reads_store = hello.reads_store and (hello.realm or self._realm_of()) == (self._realm_of() or hello.realm)
        return PeerConnected(
            connection.id, peer_of(connection), connection.direction, connection.sends_blocks, reads_store, rtt_s
        )

    def _waste(self, version: VersionId, count: int) -> None:
        self.wasted[version] = self.wasted.get(version, 0) + count


def peer_of(connection: Connection) -> PeerInfo:
    """Whom a connection is with, as its hello says."""
    hello = connection.remote
    return PeerInfo(hello.agent_id, hello.peer_id, hello.addresses, hello.site, hello.is_origin)
