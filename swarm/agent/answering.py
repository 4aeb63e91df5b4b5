"""Answers what peers ask this machine: which records it has seen, and the roots that it keeps.

Whatever cannot be answered is answered with `Failed`, and ends nothing. Answers fit their messages: a list that is too
long is cut at a name (or a tag), from where the other side can go on.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

import trio

from swarm.agent.link import Link
from swarm.agent.recordbook import Recordbook
from swarm.errors import SwarmError, TransportError
from swarm.protocol import bounds
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, VersionId
from swarm.protocol.names import nearest
from swarm.protocol.records import decode_tag_record

ANSWERS_MAX = 16
"""Questions of one peer answered at the same time; the next are told to come back."""

READS_AT_ONCE = 4
"""Threads for all answers together: strangers must not take those of a fetch."""

PAGE_BYTES_MAX = bounds.LISTING_BYTES_MAX - bounds.RECORD_BYTES_MAX
"""Of tag records in one answer: the rest of the message fits beside them."""

Question = m.Resolve | m.ListDatasets | m.RootRequest
RootOf = Callable[[VersionId], Awaitable["bytes | None"]]

log = logging.getLogger(__name__)


class Answering:
    """Answers are read from disk by tasks of `nursery`, a bounded number per connection at once."""

    def __init__(self, recordbook: Recordbook, root_of: RootOf, nursery: trio.Nursery) -> None:
        self._recordbook = recordbook
        self._root_of = root_of
        self._nursery = nursery
        self._threads = trio.CapacityLimiter(READS_AT_ONCE)
        self._busy: dict[ConnectionId, int] = {}

    def start(self, link: Link, message: Question) -> None:
        """Begins to answer, or says that there are too many questions."""
        connection = link.connection.id
        if self._busy.get(connection, 0) >= ANSWERS_MAX:
            link.send(m.Failed(message.request, "unavailable", "too many questions at once"))
            return
        self._busy[connection] = self._busy.get(connection, 0) + 1
        self._nursery.start_soon(self._run, link, message)

    async def _run(self, link: Link, message: Question) -> None:
        try:
            answer = await self._answer(message)
            # Not `link.send`: an answer that turns out too long ends the question, not the connection.
            link.connection.send_nowait(answer)
        except TransportError:
            pass  # whoever asked is gone
        except Exception as error:  # a task's outer edge: what one stranger asks must not end the agent
            level = logging.WARNING if isinstance(error, SwarmError) else logging.ERROR
            log.log(level, "a %s could not be answered", type(message).__name__, exc_info=error)
            link.send(m.Failed(message.request, "unavailable", "this machine cannot say now"))
        finally:
            self._busy[link.connection.id] -= 1
            if not self._busy[link.connection.id]:
                del self._busy[link.connection.id]

    async def _answer(self, message: Question) -> m.Message:
        match message:
            case m.Resolve():
                resolved = await trio.to_thread.run_sync(self._read_records, message, limiter=self._threads)
                root = await self._root(resolved)
                return m.Resolved(message.request, resolved.tag_records, resolved.name_records, root, resolved.near)
            case m.ListDatasets():
                return await trio.to_thread.run_sync(self._list, message, limiter=self._threads)
            case m.RootRequest():
                return m.RootReply(message.request, await self._root_of(message.version))

    async def _root(self, resolved: m.Resolved) -> bytes | None:
        """Of the only record: it spares who asks a round trip."""
        if len(resolved.tag_records) != 1:
            return None
        version = decode_tag_record(resolved.tag_records[0]).root
        return await self._root_of(version) if version is not None else None

    # --- in a thread ----------------------------------------------------------------------------

    def _read_records(self, message: m.Resolve) -> m.Resolved:
        book, name, tag = self._recordbook, message.name, message.tag
        records, _is_whole = _page(self._newest(name, book.tags(name) if tag is None else [tag]))
        if records:
            return m.Resolved(message.request, tuple(records), book.chain(name), None)
        tags = book.tags(name)
        near = [f"{name}:{each}" for each in nearest(tag or "", tags)] if tags else nearest(name, book.names())
        return m.Resolved(message.request, (), (), None, tuple(near))

    def _list(self, message: m.ListDatasets) -> m.Listing:
        after, book, name = message.after or "", self._recordbook, message.name
        if name is not None:
            records, is_whole = _page(self._newest(name, [tag for tag in book.tags(name) if tag > after]))
            return m.Listing(message.request, tuple(records), is_whole)
        found: list[bytes] = []
        for each in (name for name in book.names() if name > after):
            # A name goes with all its tags or not at all: the next question says after which name to go on.
            records, is_whole = _page([*found, *self._newest(each, book.tags(each))])
            if not is_whole:
                return m.Listing(message.request, tuple(found or records), False)
            found = records
        return m.Listing(message.request, tuple(found), True)

    def _newest(self, name: str, tags: Iterable[str]) -> list[bytes]:
        return [record for tag in tags if (record := self._recordbook.newest(name, tag)) is not None]


def _page(records: Iterable[bytes]) -> tuple[list[bytes], bool]:
    """As many as fit one answer, and whether that is all."""
    page: list[bytes] = []
    size = 0
    for record in records:
        size += len(record)
        if len(page) == bounds.LISTING_RECORDS_MAX or size > PAGE_BYTES_MAX:
            return page, False
        page.append(record)
    return page, True
