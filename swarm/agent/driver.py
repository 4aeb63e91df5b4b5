"""The trio driver of one node: facts in, commands out. It performs and never decides.

Between two awaits the driver owns the node: `submit` is synchronous and handles events one after the other, also
those that performing a command brings about at once. Everything slow is a task whose result is a new event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import trio

from swarm.agent.link import CatalogHandler, Link, carries_blocks
from swarm.agent.pacing import Pacer
from swarm.agent.receiving import Receiver
from swarm.agent.sending import Sender
from swarm.agent.shelf import Shelf
from swarm.errors import CorruptError, InternalError, SwarmError, TransportError, UnavailableError, UnreachableError
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.node import Node
from swarm.protocol.ids import ConnectionId, Index, VersionId
from swarm.protocol.messages import Direction, PeerInfo
from swarm.transport.transport import Connection, Transport

if TYPE_CHECKING:
    from trio_typing import TaskStatus  # the stubs that libp2p brings along hide trio's own

PROGRESS_INTERVAL_S = 0.1
"""How often the node hears what moved: its own tick (DESIGN 5) is as long."""

DIAL_TIMEOUT_S = 10.0
"""A peer that has not answered by then is as good as dead; the hand-out names others."""

ReadStore = Callable[[VersionId, Index, "str | None", Callable[[int], None]], Awaitable[bytes]]
"""Reads a verified block from the store; the callable is told the bytes that came so far."""

LoadVersion = Callable[[VersionId], Awaitable["tuple[e.SessionOpened, Shelf] | None"]]
"""Opens a version that is held here; None where it is not."""


@dataclass(slots=True)
class Limits:
    """The three rate limits of an agent."""

    upload: Pacer = field(default_factory=Pacer)
    download: Pacer = field(default_factory=Pacer)
    origin: Pacer = field(default_factory=Pacer)


class Driver:
    """Performs a node's commands over a transport; `run` lives as long as the agent."""

    def __init__(
        self,
        node: Node,
        transport: Transport,
        *,
        handle_catalog: CatalogHandler,
        load_version: LoadVersion,
        read_store: ReadStore | None,
        limits: Limits,
        trace: Callable[[e.Event, float, list[c.Command]], None] | None = None,
    ) -> None:
        self.node = node
        self.transport = transport
        self.limits = limits
        self.links: dict[ConnectionId, Link] = {}
        self.on_command: Callable[[c.Command], None] = _ignore
        self.failure: SwarmError | None = None
        self.bytes_wasted_closed = 0
        self.store_trouble: SwarmError | None = None
        """What the store said last, if it was no block."""
        self.store_failures: dict[tuple[VersionId, Index], SwarmError] = {}
        """Why a block could not be read from the store; at most one for each block of the open versions."""
        self._failed = trio.Event()
        self._handle_catalog = handle_catalog
        self._load_version = load_version
        self._read_store_block = read_store
        self._trace = trace
        self._shelves: dict[VersionId, Shelf] = {}
        self._events: deque[e.Event] = deque()
        self._is_handling = False
        self._deadline_moved = trio.Event()
        self._store_reads: dict[tuple[VersionId, Index], tuple[trio.CancelScope, int]] = {}
        self._nursery: trio.Nursery | None = None

    # --- for the use cases ----------------------------------------------------------------------

    def put_shelf(self, version: VersionId, shelf: Shelf) -> None:
        """Blocks of `version` are read and kept there from now on."""
        self._shelves[version] = shelf

    def shelf_of(self, version: VersionId) -> Shelf | None:
        """Where the blocks of a version are, if it is one of ours."""
        return self._shelves.get(version)

    def fail(self, error: SwarmError) -> None:
        """Something of our own broke (a full disk): `wait_failed` raises it."""
        if self.failure is None:
            self.failure = error
        self._failed.set()

    @property
    def bytes_wasted(self) -> int:
        """Bytes that came and were of no use, of all connections so far."""
        return self.bytes_wasted_closed + sum(
            link.receiver.bytes_wasted for link in self.links.values() if link.receiver
        )

    async def wait_failed(self) -> None:
        """Waits until `fail` was called and raises what it was given."""
        await self._failed.wait()
        assert self.failure is not None
        raise self.failure

    async def wait_alone(self) -> None:
        """Waits until the last connection has ended."""
        for link in list(self.links.values()):
            await link.ended.wait()

    def submit(self, event: e.Event) -> None:
        """Tells the node a fact and performs what it wants; safe to call from anywhere in the trio thread."""
        self._events.append(event)
        if self._is_handling:
            return
        self._is_handling = True
        try:
            while self._events:
                self._handle(self._events.popleft())
        finally:
            self._is_handling = False
        self._deadline_moved.set()

    async def adopt(self, connection: Connection) -> Link:
        """Takes over a connection that a use case dialled itself (LAN peers asked for a tag, a tracker)."""
        assert self._nursery is not None
        link: Link = await self._nursery.start(self._run_link, connection)
        return link

    async def run(self, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Accepts, ticks and reports until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._accept)
            nursery.start_soon(self._keep_deadlines)
            nursery.start_soon(self._report_progress)
            task_status.started()

    # --- the loop -------------------------------------------------------------------------------

    def _handle(self, event: e.Event) -> None:
        now = trio.current_time()
        commands = self.node.handle(event, now)
        if self._trace is not None:
            self._trace(event, now, commands)
        for command in commands:
            self._perform(command)
            self.on_command(command)

    async def _keep_deadlines(self) -> None:
        while True:
            self._deadline_moved = trio.Event()
            deadline = self.node.next_deadline()
            if deadline is not None and deadline <= trio.current_time():
                self.submit(e.Ticked())
                # The node may want to be called again at once; others must have their turn in between.
                await trio.lowlevel.checkpoint()
                continue
            with trio.move_on_at(deadline if deadline is not None else float("inf")):
                await self._deadline_moved.wait()

    async def _report_progress(self) -> None:
        while True:
            await trio.sleep(PROGRESS_INTERVAL_S)
            links = list(self.links.values())
            received = tuple(t for link in links if link.receiver for t in link.receiver.take_moved())
            sent = tuple(t for link in links if link.sender for t in link.sender.take_moved())
            heard = tuple(link.connection.id for link in links if link.take_heard())
            reads = tuple((version, index, count) for (version, index), (_, count) in self._store_reads.items())
            rtts = tuple((link.connection.id, link.connection.statistics().rtt_s) for link in links if link.receiver)
            if received or sent or heard or reads:
                self.submit(e.Progressed(received, sent, heard, reads, rtts))

    async def _accept(self) -> None:
        assert self._nursery is not None
        while True:
            connection = await self.transport.accept()
            self._nursery.start_soon(self._run_link, connection)

    # --- performing -----------------------------------------------------------------------------

    def _perform(self, command: c.Command) -> None:  # noqa: PLR0912  (one line a command)
        match command:
            case c.Send():
                if link := self.links.get(command.connection):
                    link.send(command.message)
            case c.Dial():
                self._start(self._dial, command)
            case c.Disconnect():
                if link := self.links.get(command.connection):
                    self._start(self._disconnect, link, command)
            case c.SendBlock():
                self._send_block(command)
            case c.CancelSend():
                if (link := self.links.get(command.connection)) and link.sender:
                    link.sender.cancel(command.request, command.index)
            case c.ExpectBlocks():
                if (link := self.links.get(command.connection)) and link.receiver:
                    link.receiver.expect(command)
            case c.ForgetRequest():
                if (link := self.links.get(command.connection)) and link.receiver:
                    link.receiver.forget(command.request)
            case c.ReadStore():
                self._start(self._read_store, command)
            case c.CancelStoreRead():
                if read := self._store_reads.get((command.version, command.index)):
                    read[0].cancel()
            case c.LoadVersion():
                self._start(self._load, command.version)
            case c.Completed() | c.Released() | c.BlockUnavailable() | c.Banned():
                pass  # for the use case, which listens through `on_command`
            case _:
                assert_never(command)

    def _start(self, task: Callable[..., Awaitable[object]], *args: object) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(task, *args)

    def _send_block(self, command: c.SendBlock) -> None:
        link = self.links.get(command.connection)
        if link is not None and link.sender is not None:
            link.sender.send(command)
            return
        self._events.append(e.SendFailed(command.connection, command.request, command.version, command.index, False))

    async def _dial(self, command: c.Dial) -> None:
        peer = command.peer
        direction = Direction.TO_DIALER if command.dial_nonce is None else Direction.TO_ACCEPTOR
        try:
            with trio.fail_after(DIAL_TIMEOUT_S):
                connection = await self.transport.dial(
                    peer.addresses, direction, peer_id=peer.peer_id, dial_nonce=command.dial_nonce
                )
        except (TransportError, trio.TooSlowError) as error:
            self.submit(e.DialFailed(peer.agent_id, str(error) or "no answer"))
            return
        await self._run_link(connection)

    async def _run_link(self, connection: Connection, task_status: TaskStatus[Link] = trio.TASK_STATUS_IGNORED) -> None:
        link = self._make_link(connection)
        self.links[connection.id] = link
        self.submit(_connected(connection))
        task_status.started(link)
        reason = "closed"
        try:
            reason = await link.run()
        finally:
            del self.links[connection.id]
            if link.receiver is not None:
                link.receiver.abandon()
                self.bytes_wasted_closed += link.receiver.bytes_wasted
            self.submit(e.PeerDisconnected(connection.id, reason))

    def _make_link(self, connection: Connection) -> Link:
        receiver = sender = None
        if carries_blocks(connection) and connection.sends_blocks:
            sender = Sender(connection, self.shelf_of, self.submit, self.limits.upload)
        elif carries_blocks(connection):
            receiver = Receiver(connection, self.shelf_of, self.submit, self.fail, self.limits.download)
        return Link(connection, self.submit, self._handle_catalog, receiver, sender)

    async def _disconnect(self, link: Link, command: c.Disconnect) -> None:
        await link.connection.aclose(command.reason, is_graceful=command.is_graceful)

    async def _load(self, version: VersionId) -> None:
        loaded = await self._load_version(version)
        if version in self._shelves:
            return  # a fetch has begun meanwhile: its session answers whoever asked
        if loaded is None:
            self.submit(e.VersionUnknown(version))
            return
        event, self._shelves[version] = loaded
        self.submit(event)

    async def _read_store(self, command: c.ReadStore) -> None:
        key = (command.version, command.index)
        scope = trio.CancelScope()
        self._store_reads[key] = (scope, 0)
        event: e.Event = e.StoreFailed(*key, "cancelled", "the lease was taken back")
        try:
            with scope:
                event = await self._read_and_keep(command)
        finally:
            del self._store_reads[key]
        self.submit(event)

    async def _read_and_keep(self, command: c.ReadStore) -> e.Event:
        key = (command.version, command.index)
        shelf = self.shelf_of(command.version)
        if self._read_store_block is None or shelf is None:
            return e.StoreFailed(*key, "unavailable", "no store is configured")

        def moved(count: int) -> None:
            if key in self._store_reads:
                self._store_reads[key] = (self._store_reads[key][0], count)

        try:
            data = await self._read_store_block(command.version, command.index, command.url, moved)
        except SwarmError as error:
            self.store_trouble = self.store_failures[key] = error
            return e.StoreFailed(*key, _failure_kind(error), error.message)
        self.store_trouble = None
        self.store_failures.pop(key, None)
        try:
            is_kept = await shelf.keep(command.index, data)
        except SwarmError as error:
            self.fail(error)
            return e.StoreFailed(*key, "cancelled", error.message)
        return e.StoreRead(*key, len(data)) if is_kept else e.StoreFailed(*key, "corrupt", "these are other bytes")


def _failure_kind(error: SwarmError) -> str:
    """Whether asking again helps. Who may not read a store is given as little by it as where a block is missing."""
    match error:
        case CorruptError():
            return "corrupt"
        case UnavailableError(is_slow_down=True):
            return "slow_down"
        case UnavailableError() | UnreachableError() | TransportError() | InternalError():
            return "unavailable"
        case _:
            return "missing"


def _connected(connection: Connection) -> e.Event:
    hello, rtt_s = connection.remote, connection.statistics().rtt_s
    if hello.is_tracker:
        return e.TrackerConnected(connection.id, rtt_s)
    peer = PeerInfo(hello.agent_id, hello.peer_id, hello.addresses, hello.site, hello.is_origin)
    return e.PeerConnected(connection.id, peer, connection.direction, connection.sends_blocks, hello.reads_store, rtt_s)


def _ignore(_command: c.Command) -> None:
    """Nobody listens."""
