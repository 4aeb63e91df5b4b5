"""A reverse proxy that misbehaves as told: answers in the server's place, hangs, loses answers, cuts them.

The `Host` header goes through as it came, so signatures still hold behind it. One thread a connection, HTTP/1.1 kept
open, everything counted.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Request:
    """One request as it came in. A rule may change `headers` and `body`."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer in the server's place."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hang:
    """Never answers; the connection stays open until the proxy ends."""


@dataclass(frozen=True)
class LoseAnswer:
    """Does it, and then drops the connection without a word."""


@dataclass(frozen=True)
class Cut:
    """The server's answer, but the connection drops after so many bytes of the body."""

    after_bytes: int


@dataclass(frozen=True)
class Trickle:
    """The server's answer, but the body stops after so many bytes and the connection stays open."""

    after_bytes: int


Fault = Reply | Hang | LoseAnswer | Cut | Trickle | None
Rule = Callable[[Request], Fault]


def s3_error(status: int, code: str, message: str = "") -> Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Reply(status, body, {"Content-Type": "application/xml"})


class Proxy:
    """`rule` decides about each request; None lets it through. `requests` are those that came, in order.

    With a `body` there is no server behind: it is what every request is answered with.
    """

    def __init__(self, target: str) -> None:
        self.rule: Rule = lambda request: None
        self.requests: list[Request] = []
        self.hangs_ended = 0
        self.connections = 0
        self.body: bytes | None = None
        self._target = urlsplit(target).netloc
        self._ended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def first(self, count: int, fault: Fault, *, when: Callable[[Request], bool] = lambda request: True) -> None:
        """The first `count` requests that `when` picks meet `fault`."""
        left = threading.Semaphore(count)
        self.rule = lambda request: fault if when(request) and left.acquire(blocking=False) else None

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def close_connections(self) -> None:
        """As a server does with those that were idle for long."""
        self._server.close_connections()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        request = _read(handler)
        self.requests.append(request)
        match self.rule(request):
            case Reply(status, body, headers):
                _answer(handler, status, headers, body, len(body))
            case Hang():
                self._hang(handler)
            case LoseAnswer():
                self._ask(request)
                handler.close_connection = True
            case Cut(after_bytes):
                status, headers, body = self._ask(request)
                _answer(handler, status, headers, body[:after_bytes], len(body))
                handler.close_connection = True
            case Trickle(after_bytes):
                status, headers, body = self._ask(request)
                _answer(handler, status, headers, body[:after_bytes], len(body))
                self._hang(handler)
            case None:
                status, headers, body = self._ask(request)
                _answer(handler, status, headers, body, len(body))

    def _hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Until the client goes away, or the proxy does."""
        handler.close_connection = True
        handler.connection.settimeout(0.05)
        while not self._ended.is_set():
            try:
                if handler.connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.hangs_ended += 1

    def _ask(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        if self.body is not None:
            return 200, {}, self.body
        connection = http.client.HTTPConnection(self._target, timeout=30)
        try:
            connection.request(request.method, request.path, request.body or None, request.headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


@contextmanager
def proxy_to(target: str) -> Iterator[Proxy]:
    proxy = Proxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.append(request)
        super().process_request(request, client_address)

    def close_connections(self) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is what these tests are about."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            proxy.connections += 1
            super().setup()

        def _any(self) -> None:
            proxy.serve(self)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _any  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def _read(handler: BaseHTTPRequestHandler) -> Request:
    body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    headers = {name: value for name, value in handler.headers.items() if name.lower() not in {"expect", "connection"}}
    return Request(handler.command, handler.path, headers, body)


def _answer(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, length: int) -> None:
    handler.send_response_only(status)
    is_chunked = "chunked" in headers.get("Transfer-Encoding", "")
    for name, value in headers.items():
        if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
            handler.send_header(name, value)
    is_head = handler.command == "HEAD"
    lengths = [value for name, value in headers.items() if name.lower() == "content-length"]
    if is_chunked:
        handler.send_header("Transfer-Encoding", "chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        handler.send_header("Content-Length", lengths[0] if is_head and lengths else str(length))
    handler.end_headers()
    with suppress(OSError, socket.timeout):
        handler.wfile.write(b"" if is_head else body)
        handler.wfile.flush()
