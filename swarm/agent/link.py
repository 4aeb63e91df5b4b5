"""One connection and the tasks that live on it: messages in, frames in, frames out.

A link routes and never decides: catalog messages go to the catalog, everything else to the node. Whatever goes wrong
on it ends it, and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from swarm.agent.receiving import ProtocolBreachError, Receiver
from swarm.agent.sending import Sender
from swarm.errors import SwarmError, TransportError
from swarm.exchange.events import Event, MessageReceived
from swarm.protocol.messages import CatalogMessage, Direction, Message, Unsupported
from swarm.transport.transport import Connection

CLOSE_S = 3.0
"""How long closing may take where the agent itself ends."""

CatalogHandler = Callable[["Link", CatalogMessage], None]

log = logging.getLogger(__name__)


class Link:
    """Runs one connection until it ends; `run` returns the reason, `breach` says what of the protocol was broken."""

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
        self.breach: str | None = None
        self.ended = trio.Event()
        self._submit = submit
        self._handle_catalog = handle_catalog
        self._broken_off: str | None = None
        self._must_end = trio.Event()
        self._last_heard_at = connection.statistics().last_received_at

    def send(self, message: Message) -> None:
        """Queues a message; on a connection that has ended it is dropped, its end is reported anyway."""
        try:
            self.connection.send_nowait(message)
        except TransportError:
            return
        except SwarmError as error:  # longer than the wire allows: a defect of ours, and the other side would wait
            log.error("a %s could not be sent: %s", type(message).__name__, error)
            self.break_off("internal error")

    def break_off(self, reason: str) -> None:
        """Ends the link soon."""
        self._broken_off = self._broken_off or reason
        self._must_end.set()

    def take_heard(self) -> bool:
        """Whether any byte came since the last call."""
        heard_at = self.connection.statistics().last_received_at
        is_heard, self._last_heard_at = heard_at > self._last_heard_at, heard_at
        return is_heard

    async def run(self) -> str:
        """Reads until the connection ends, and says why it did; what has come whole by then is still kept."""
        reason = "closed"
        try:
            async with trio.open_nursery() as keeping:
                reason = await self._converse(keeping)
                await self._close(reason)
        finally:
            if not self.ended.is_set():
                await self._close(reason)
        return reason

    async def _converse(self, keeping: trio.Nursery) -> str:
        reason = "closed"
        try:
            async with trio.open_nursery() as nursery:
                if self.receiver is not None:
                    nursery.start_soon(self.receiver.run, keeping)
                if self.sender is not None:
                    nursery.start_soon(self.sender.run)
                nursery.start_soon(self._end_when_broken_off)
                self.connection.hand_to(self._hear, self.receiver.take if self.receiver is not None else None)
                await self._read_messages()
        except* TransportError as group:
            reason = self._reason(group)
        except* Exception as group:  # a link's outer edge: what one peer brings about must not end the agent
            log.error("the connection with %s failed", self.connection.remote.peer_id, exc_info=group)
            reason = "internal error"
        finally:
            self.connection.hand_to(None)
        return reason

    async def _read_messages(self) -> None:
        """What came before it could be handed over, and the end."""
        while True:
            self._hear(await self.connection.receive())

    def _hear(self, message: Message) -> bool:
        if isinstance(message, CatalogMessage):
            self._handle_catalog(self, message)
        elif isinstance(message, Unsupported):
            log.info("%s does not know messages of type %d", self.connection.remote.peer_id, message.type)
        else:
            self._submit(MessageReceived(self.connection.id, message))  # type: ignore[arg-type]
        return True

    async def _end_when_broken_off(self) -> None:
        await self._must_end.wait()
        raise TransportError(self._broken_off or "closed")

    async def _close(self, reason: str) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_S):
            await self.connection.aclose(reason)
        self.ended.set()

    def _reason(self, group: BaseExceptionGroup[TransportError]) -> str:
        found = _first(group)
        if isinstance(found, ProtocolBreachError):
            self.breach = found.message
        return found.message


def _first(group: BaseExceptionGroup[TransportError]) -> TransportError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def carries_blocks(connection: Connection) -> bool:
    """Whether blocks flow on it at all."""
    return connection.direction is not Direction.CONTROL
