"""Questions about what exists: asked of peers and trackers, and answered to peers from what this machine knows.

An answer comes with the number of its question on the same connection. Answers are read from disk by tasks of their
own, a bounded number per connection at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from swarm.agent.link import Link
from swarm.agent.recordbook import Recordbook
from swarm.errors import NotFoundError, TransportError, UnreachableError
from swarm.protocol import bounds
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, VersionId
from swarm.protocol.names import nearest

ANSWERS_MAX = 16
"""Questions of one peer answered at the same time; the next are told to come back."""

LISTING_MAX = bounds.LISTING_RECORDS_MAX
"""Tag records in one `Listing`."""

ANSWER_TIMEOUT_S = 10.0
"""A catalog question costs the other side one disk or store read."""

Question = Callable[[int], m.Message]
RootOf = Callable[[VersionId], Awaitable["bytes | None"]]


@dataclass(slots=True)
class _Pending:
    is_answered: trio.Event = field(default_factory=trio.Event)
    answer: m.CatalogMessage | None = None


class Catalog:
    """Asks and answers catalog questions over links."""

    def __init__(self, recordbook: Recordbook, root_of: RootOf, nursery: trio.Nursery) -> None:
        self._recordbook = recordbook
        self._root_of = root_of
        self._nursery = nursery
        self._pending: dict[tuple[ConnectionId, int], _Pending] = {}
        self._answering: dict[ConnectionId, int] = {}
        self._next_request = 0
        self.on_tag_moved: Callable[[m.TagMoved], None] = lambda _moved: None

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
            case m.TagMoved():
                self.on_tag_moved(message)
            case m.Resolved() | m.Listing() | m.RootReply() | m.Published() | m.Redirect() | m.Failed():
                if pending := self._pending.get((link.connection.id, message.request)):
                    pending.answer = message
                    pending.is_answered.set()
            case m.Publish() | m.Subscribe():
                link.send(m.Failed(message.request, "bad", "this is an agent: ask a tracker"))
            case m.Resolve() | m.ListDatasets() | m.RootRequest():
                self._start_answer(link, message)

    def _start_answer(self, link: Link, message: m.Resolve | m.ListDatasets | m.RootRequest) -> None:
        connection = link.connection.id
        if self._answering.get(connection, 0) >= ANSWERS_MAX:
            link.send(m.Failed(message.request, "unavailable", "too many questions at once"))
            return
        self._answering[connection] = self._answering.get(connection, 0) + 1
        self._nursery.start_soon(self._answer, link, message)

    async def _answer(self, link: Link, message: m.Resolve | m.ListDatasets | m.RootRequest) -> None:
        try:
            match message:
                case m.Resolve():
                    link.send(await self._resolved(message))
                case m.ListDatasets():
                    link.send(await trio.to_thread.run_sync(self._listing, message))
                case m.RootRequest():
                    link.send(m.RootReply(message.request, await self._root_of(message.version)))
        finally:
            self._answering[link.connection.id] -= 1
            if not self._answering[link.connection.id]:
                del self._answering[link.connection.id]

    async def _resolved(self, message: m.Resolve) -> m.Resolved:
        return await trio.to_thread.run_sync(self._read_records, message)

    def _read_records(self, message: m.Resolve) -> m.Resolved:
        book = self._recordbook
        tags = book.tags(message.name) if message.tag is None else [message.tag]
        records = [record for tag in tags[:LISTING_MAX] if (record := book.newest(message.name, tag)) is not None]
        near = () if records else nearest(message.name, book.names())
        chain = book.chain(message.name) if records else ()
        return m.Resolved(message.request, tuple(records), chain, None, tuple(near))

    def _listing(self, message: m.ListDatasets) -> m.Listing:
        book = self._recordbook
        names = book.names() if message.name is None else [message.name]
        records = [
            record for name in names for tag in book.tags(name) if (record := book.newest(name, tag)) is not None
        ]
        return m.Listing(message.request, tuple(records[:LISTING_MAX]), len(records) <= LISTING_MAX)
