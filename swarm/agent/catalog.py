"""Questions about what exists: asked of peers and trackers over links, and handed on to who answers them.

An answer comes with the number of its question on the same connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from swarm.agent.answering import Answering, RootOf
from swarm.agent.link import Link
from swarm.agent.recordbook import Recordbook
from swarm.errors import NotFoundError, TransportError, UnreachableError
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId

ANSWER_TIMEOUT_S = 10.0
"""A catalog question costs the other side one disk or store read."""

Question = Callable[[int], m.Message]
"""Makes the message that asks, given the number of the question."""


@dataclass(slots=True)
class _Pending:
    is_answered: trio.Event = field(default_factory=trio.Event)
    answer: m.CatalogMessage | None = None


class Catalog:
    """Asks and answers catalog questions over links."""

    def __init__(self, recordbook: Recordbook, root_of: RootOf, nursery: trio.Nursery) -> None:
        self._answering = Answering(recordbook, root_of, nursery)
        self._pending: dict[tuple[ConnectionId, int], _Pending] = {}
        self._next_request = 0
        self.on_tag_moved: Callable[[Link, m.TagMoved], None] | None = None
        """Hears what a tracker pushes; whoever subscribed sets it. Nothing in it is verified yet."""

    async def ask(self, link: Link, question: Question, *, timeout_s: float = ANSWER_TIMEOUT_S) -> m.CatalogMessage:
        """The answer to a question. Raises UnreachableError where none comes, NotFoundError where it is "missing"."""
        self._next_request += 1
        key = (link.connection.id, self._next_request)
        pending = self._pending[key] = _Pending()
        try:
            link.connection.send_nowait(question(self._next_request))
            with trio.fail_after(timeout_s):
                await pending.is_answered.wait()
        except (TransportError, trio.TooSlowError) as error:
            raise UnreachableError(
                f"{link.connection.remote.peer_id} did not answer: {error or 'time ran out'}"
            ) from error
        finally:
            del self._pending[key]
        match pending.answer:
            case m.Failed(code="missing", text=text):
                raise NotFoundError(text)
            case m.Failed(text=text):
                raise UnreachableError(text)
            case None:
                raise UnreachableError(f"{link.connection.remote.peer_id} went away before it answered")
            case answer:
                return answer

    def forget(self, connection: ConnectionId) -> None:
        """The connection is gone: whoever waits for an answer on it is told at once."""
        for (asked, _), pending in self._pending.items():
            if asked == connection:
                pending.is_answered.set()

    def handle(self, link: Link, message: m.CatalogMessage) -> None:
        """Routes a catalog message: answers to who asked, questions to a task that answers."""
        match message:
            case m.Resolved() | m.Listing() | m.RootReply() | m.Published() | m.Redirect() | m.Failed():
                if pending := self._pending.get((link.connection.id, message.request)):
                    pending.answer = message
                    pending.is_answered.set()
            case m.Resolve() | m.ListDatasets() | m.RootRequest():
                self._answering.start(link, message)
            case m.Publish() | m.Subscribe():
                link.send(m.Failed(message.request, "bad", "this is an agent: ask a tracker"))
            case m.TagMoved():
                if self.on_tag_moved is not None:
                    self.on_tag_moved(link, message)
