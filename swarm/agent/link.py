"""One connection and the tasks that live on it: messages in, frames in, frames out.

A link routes and never decides: catalog messages go to the catalog, everything else to the node.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from swarm.agent.receiving import Receiver
from swarm.agent.sending import Sender
from swarm.errors import TransportError
from swarm.exchange.events import Event, MessageReceived
from swarm.protocol.messages import CatalogMessage, Direction, Message
from swarm.transport.transport import Connection

CatalogHandler = Callable[["Link", CatalogMessage], None]


class Link:
    """Runs one connection until it ends; `run` returns the reason."""

    def __init__(
        self,
        connection: Connection,
        submit: Callable[[Event], None],
        handle_catalog: CatalogHandler,
        receiver: Receiver | None,
        sender: Sender | None,
    ) -> None:
        self.connection = connection
        self.receiver = receiver
        self.sender = sender
        self._submit = submit
        self._handle_catalog = handle_catalog
        self.ended = trio.Event()
        self._last_heard_at = connection.statistics().last_received_at

    def send(self, message: Message) -> None:
        """Queues a message; on a connection that has ended it is dropped, its end is reported anyway."""
        try:
            self.connection.send_nowait(message)
        except TransportError:
            return

    def take_heard(self) -> bool:
        """Whether any byte came since the last call."""
        heard_at = self.connection.statistics().last_received_at
        is_heard, self._last_heard_at = heard_at > self._last_heard_at, heard_at
        return is_heard

    async def run(self) -> str:
        """Reads until the connection ends, and says why it did."""
        reason = "closed"
        try:
            async with trio.open_nursery() as nursery:
                if self.receiver is not None:
                    nursery.start_soon(self.receiver.run)
                if self.sender is not None:
                    nursery.start_soon(self.sender.run)
                await self._read_messages()
        except* TransportError as group:
            reason = _first(group).message
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 3):
            await self.connection.aclose(reason)
        self.ended.set()
        return reason

    async def _read_messages(self) -> None:
        while True:
            message = await self.connection.receive()
            if isinstance(message, CatalogMessage):
                self._handle_catalog(self, message)
            else:
                self._submit(MessageReceived(self.connection.id, message))  # type: ignore[arg-type]


def _first(group: BaseExceptionGroup[TransportError]) -> TransportError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def carries_blocks(connection: Connection) -> bool:
    """Whether blocks flow on it at all."""
    return connection.direction is not Direction.CONTROL
