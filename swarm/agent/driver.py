"""The trio driver of one node: facts in, commands out. It performs and never decides.

Between two awaits the driver owns the node: `submit` is synchronous and handles events one after the other, also
those that performing a command brings about at once. Everything slow is a task whose result is a new event. See
docs/agent.md.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import trio

from swarm.agent.link import CatalogHandler, Link
from swarm.agent.links import Links
from swarm.agent.pacing import Limits
from swarm.agent.shelves import LoadVersion, Shelves
from swarm.agent.store_reads import ReadBlock, StoreReads
from swarm.errors import InternalError, TransportError
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.node import Node
from swarm.protocol.ids import Realm
from swarm.transport.transport import Connection, Transport

if TYPE_CHECKING:
    from trio_typing import TaskStatus  # the stubs that libp2p brings along hide trio's own

PROGRESS_INTERVAL_S = 0.1
"""How often the node hears what moved: its own tick (DESIGN 5) is as long."""

Trace = Callable[[e.Event, float, list[c.Command]], None]
"""Hears every event with the commands that came of it."""

log = logging.getLogger(__name__)


class Driver:
    """Performs a node's commands over a transport; `run` lives as long as the agent."""

    def __init__(
        self,
        node: Node,
        transport: Transport,
        *,
        handle_catalog: CatalogHandler,
        load_version: LoadVersion,
        read_block: ReadBlock | None,
        limits: Limits,
        realm_of: Callable[[], Realm | None],
        trace: Trace | None = None,
    ) -> None:
        self.node = node
        self.transport = transport
        self.limits = limits
        self.shelves = Shelves(load_version, self.submit)
        self.links = Links(
            transport,
            shelf_of=self.shelves.find,
            submit=self.submit,
            handle_catalog=handle_catalog,
            limits=limits,
            realm_of=realm_of,
        )
        self.store_reads = StoreReads(read_block, self.shelves.find, self.submit, limits)
        self._trace = trace
        self._failure: InternalError | None = None
        self._failed = trio.Event()
        self._events: deque[e.Event] = deque()
        self._is_handling = False
        self._deadline_moved = trio.Event()
        self._sleeps_until = float("inf")
        self._nursery: trio.Nursery | None = None

    # --- for the use cases ----------------------------------------------------------------------

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
        deadline = self.node.next_deadline()
        if deadline is not None and deadline < self._sleeps_until:
            self._deadline_moved.set()

    def set_limits(self, *, upload: float | None, download: float | None, origin: float | None) -> None:
        """Changes the rate limits, in bytes per second; None for no limit."""
        self.limits.upload.set_rate(upload)
        self.limits.download.set_rate(download)
        self.limits.origin.set_rate(origin)
        self.submit(e.LimitsChanged(*(None if rate is None else int(rate) for rate in (upload, download, origin))))

    async def adopt(self, connection: Connection, *, as_tracker: bool = False) -> Link:
        """Takes over a connection that a use case has dialled itself (a neighbour to ask, a tracker).

        Raises TransportError where a tracker was looked for and it is none, or the other way round.
        """
        assert self._nursery is not None
        if connection.remote.is_tracker != as_tracker:
            await connection.aclose("you are not what was looked for")
            raise TransportError("what answers there is " + ("not a tracker" if as_tracker else "a tracker"))
        link: Link = await self._nursery.start(self.links.run, connection)
        return link

    async def wait_failed(self) -> None:
        """Waits until the node met a defect of its own, and raises InternalError."""
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure

    async def wait_alone(self) -> None:
        """Waits until each connection that there is now has ended."""
        for link in self.links:
            await link.ended.wait()

    async def run(self, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Accepts, ticks and reports until cancelled. Raises InternalError where the node has failed."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for task in (self._keep_deadlines, self._report_progress, self.wait_failed):
                nursery.start_soon(task)
            nursery.start_soon(self.links.accept, nursery)
            task_status.started()

    # --- the loop -------------------------------------------------------------------------------

    def _handle(self, event: e.Event) -> None:
        if self._failure is not None:
            return
        now = trio.current_time()
        try:
            commands = self.node.handle(event, now)
        except Exception as error:  # the node's edge: see `_on_defect`
            self._on_defect(event, error)
            return
        if self._trace is not None:
            self._trace(event, now, commands)
        for command in commands:
            self._perform(command)

    def _on_defect(self, event: e.Event, error: Exception) -> None:
        """What a stranger's message has brought about ends its connection; anything else is the end of the agent: a
        node that contradicts itself would go on in silence."""
        log.error("the node failed on %s", type(event).__name__, exc_info=error)
        link = self.links.find(event.connection) if isinstance(event, e.MessageReceived) else None
        if link is not None:
            link.break_off("internal error")
            return
        self._failure = InternalError(f"the exchange failed on {type(event).__name__}: {error!r}")
        self._failed.set()

    async def _keep_deadlines(self) -> None:
        while self._failure is None:
            self._deadline_moved = trio.Event()
            deadline = self.node.next_deadline()
            if deadline is not None and deadline <= trio.current_time():
                self.submit(e.Ticked())
                # The node may want to be called again at once; others must have their turn in between.
                await trio.lowlevel.checkpoint()
                continue
            # A deadline that moves away wakes nobody: most events move it, and each would cost a task's turn.
            self._sleeps_until = deadline if deadline is not None else float("inf")
            with trio.move_on_at(self._sleeps_until):
                await self._deadline_moved.wait()
            self._sleeps_until = float("-inf")

    async def _report_progress(self) -> None:
        while True:
            await trio.sleep(PROGRESS_INTERVAL_S)
            event = replace(self.links.progress(), store_reads=self.store_reads.progress())
            if event.received or event.sent or event.heard or event.store_reads:
                self.submit(event)

    # --- performing -----------------------------------------------------------------------------

    def _perform(self, command: c.Command) -> None:  # noqa: PLR0912  (one line a command)
        match command:
            case c.Send():
                if link := self.links.find(command.connection):
                    link.send(command.message)
            case c.Dial():
                self._start(self.links.dial, command)
            case c.Disconnect():
                if link := self.links.find(command.connection):
                    self._start(self.links.disconnect, link, command)
            case c.SendBlock():
                self._send_block(command)
            case c.CancelSend():
                if (link := self.links.find(command.connection)) and link.sender:
                    link.sender.cancel(command.request, command.index)
            case c.ExpectBlocks():
                if (link := self.links.find(command.connection)) and link.receiver:
                    link.receiver.expect(command)
            case c.ForgetRequest():
                if (link := self.links.find(command.connection)) and link.receiver:
                    link.receiver.forget(command.request)
            case c.ReadStore():
                self._start(self.store_reads.run, command)
            case c.CancelStoreRead():
                self.store_reads.cancel(command.version, command.index)
            case c.LoadVersion():
                self._start(self.shelves.load, command.version)
            case c.Released():
                self.shelves.release(command.version)
            case c.Completed() | c.BlockUnavailable() | c.Banned():
                pass  # for the use cases, which listen through `trace`
            case _:
                assert_never(command)

    def _start(self, task: Callable[..., Awaitable[object]], *args: object) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(task, *args)

    def _send_block(self, command: c.SendBlock) -> None:
        link = self.links.find(command.connection)
        if link is not None and link.sender is not None:
            link.sender.send(command)
            return
        self._events.append(e.SendFailed(command.connection, command.request, command.version, command.index, False))
