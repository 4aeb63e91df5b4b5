"""A small HTTP server: GET and HEAD of a few short documents, nothing else.

h11 on trio (docs/decisions/ has why). Every connection has a bounded head, bounded times, and a place among a bounded
number; it serves no files and reads no bodies.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import h11
import trio

from swarm.errors import PermissionError_, UsageError
from swarm.transport.nursery_of_one import nursery_of_one

HEAD_BYTES_MAX = 16 * 1024
"""Of a request's line and headers: what proxies and browsers add stays below."""

BODY_BYTES_MAX = 64 * 1024
"""No document takes a body; one this small is read and dropped so that the connection can go on."""

REQUEST_S = 10.0
"""For a request to come whole, and for its answer to be taken."""

IDLE_S = 30.0
"""Between two requests of one connection."""

CONNECTIONS_MAX = 512
"""Connections at once; the next wait in the kernel's queue."""

READ_BYTES = 16 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Document:
    """An answer to GET."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


Pages = Mapping[str, Callable[[], Document]]
"""What is at each path. A page must not wait for anything."""


@asynccontextmanager
async def open_http(listen: tuple[tuple[str, int], ...], pages: Pages) -> AsyncIterator[tuple[str, ...]]:
    """Serves `pages` at (ip, port) pairs for as long as the context lives; yields the URLs, with the ports as bound.

    Raises UsageError where an address is taken or not this machine's, PermissionError_ where the port needs root.
    """
    listeners: list[trio.SocketListener] = []
    try:
        for ip, port in listen:
            listeners += await _bind(ip, port)
        async with nursery_of_one() as nursery:
            limiter = trio.CapacityLimiter(CONNECTIONS_MAX)
            for listener in listeners:
                nursery.start_soon(_listen, listener, pages, limiter)
            yield tuple(dict.fromkeys(_url(listener) for listener in listeners))
    finally:
        for listener in listeners:
            listener.socket.close()


async def _bind(ip: str, port: int) -> Sequence[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=ip)
    except PermissionError as error:
        raise PermissionError_(f"may not listen on {ip} port {port}", hint="use a port above 1023") from error
    except OSError as error:
        hint = "another program has it: stop that, or give --http another port (0: any)"
        raise UsageError(f"cannot listen on {ip} port {port}: {error.strerror or error}", hint=hint) from error


def _url(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _listen(listener: trio.SocketListener, pages: Pages, limiter: trio.CapacityLimiter) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            # A place is taken before the connection: past the limit nothing is accepted.
            token = object()
            await limiter.acquire_on_behalf_of(token)
            try:
                stream = await listener.accept()
            except OSError as error:
                limiter.release_on_behalf_of(token)
                log.warning("HTTP: cannot accept: %s", error)
                await trio.sleep(0.1)
                continue
            except BaseException:
                limiter.release_on_behalf_of(token)
                raise
            nursery.start_soon(_serve, stream, pages, limiter, token)


async def _serve(stream: trio.SocketStream, pages: Pages, limiter: trio.CapacityLimiter, token: object) -> None:
    try:
        async with stream:
            await _Conversation(stream, pages).run()
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
        pass
    except Exception:  # a task's outer edge: a stranger's bytes must not end the service
        log.exception("HTTP: a request failed")
    finally:
        limiter.release_on_behalf_of(token)


class _Conversation:
    """The requests of one connection, one after the other."""

    def __init__(self, stream: trio.SocketStream, pages: Pages) -> None:
        self._stream = stream
        self._pages = pages
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)

    async def run(self) -> None:
        while self._http.our_state is not h11.MUST_CLOSE:
            if not await self._wait_for_request():
                return
            try:
                with trio.fail_after(REQUEST_S):
                    await self._answer()
            except h11.RemoteProtocolError as error:
                await self._refuse(error)
                return
            if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                self._http.start_next_cycle()

    async def _wait_for_request(self) -> bool:
        """Whether there is anything of a next request: idling is allowed, dawdling in a request is not."""
        if self._http.trailing_data[0]:
            return True
        data: bytes | bytearray = b""
        with trio.move_on_after(IDLE_S):
            data = await self._stream.receive_some(READ_BYTES)
        if data:
            self._http.receive_data(data)
        return bool(data)

    async def _answer(self) -> None:
        request = await self._next_event()
        if not isinstance(request, h11.Request):
            raise h11.RemoteProtocolError("no request")
        await self._drop_body()
        document = self._document(request)
        await self._send(document, has_body=request.method != b"HEAD")

    async def _drop_body(self) -> None:
        size = 0
        while isinstance(event := await self._next_event(), h11.Data):
            size += len(event.data)
            if size > BODY_BYTES_MAX:
                raise h11.RemoteProtocolError("a body", error_status_hint=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) == h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                raise h11.RemoteProtocolError("a body", error_status_hint=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            self._http.receive_data(await self._stream.receive_some(READ_BYTES))
        return event

    def _document(self, request: h11.Request) -> Document:
        if request.method not in (b"GET", b"HEAD"):
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, ("allow", "GET, HEAD"))
        path = request.target.decode("ascii").partition("?")[0]
        page = self._pages.get(path)
        return page() if page is not None else _plain(HTTPStatus.NOT_FOUND)

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            with trio.move_on_after(1.0):
                await self._send(_plain(HTTPStatus(error.error_status_hint), ("connection", "close")), has_body=True)

    async def _send(self, document: Document, *, has_body: bool) -> None:
        headers = [
            ("content-type", document.content_type),
            ("content-length", str(len(document.body))),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            *document.headers,
        ]
        parts = [h11.Response(status_code=document.status, headers=headers, reason=document.status.phrase.encode())]
        data = b"".join(filter(None, (self._http.send(part) for part in parts)))
        if has_body:
            data += self._http.send(h11.Data(data=document.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        await self._stream.send_all(data)


def _plain(status: HTTPStatus, *headers: tuple[str, str]) -> Document:
    return Document(f"{status.value} {status.phrase}\n".encode(), status=status, headers=headers)
