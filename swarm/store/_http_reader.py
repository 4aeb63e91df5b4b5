"""GET and HEAD over HTTP/1.1 in threads, on the standard library: kept-open connections, redirects, S3's errors.

Why `http.client` and not h11 on trio: docs/decisions. Every wait has the socket's timeout, an abandoned read shuts its
socket down at once, and an error never shows a URL's query, which may be a signature.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from ssl import SSLCertVerificationError, SSLEOFError
from typing import TypeVar
from urllib.parse import SplitResult, parse_qs, urljoin, urlsplit

from swarm.errors import (
    CorruptError,
    RefusedError,
    SwarmError,
    UnavailableError,
    UnreachableError,
    UsageError,
)
from swarm.store._http_connection import Connector, target_of
from swarm.store._reading import PIECE_BYTES, Reading
from swarm.store._s3_errors import Answer, error_of
from swarm.store.options import StoreOptions

T = TypeVar("T")

REDIRECTS_MAX = 5
ERROR_BODY_BYTES_MAX = 64 * 1024
"""S3's own are under 1 KiB; what a proxy or a login page says is not read further."""

_REDIRECTS = {301, 302, 303, 307, 308}
_CODE = re.compile(rb"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]{1,500})</Message>")
_PAYER = "x-amz-request-payer"


class HttpReader:
    """Blocking, and safe from several threads. Keeps at most `options.concurrency` idle connections.

    `refusal` makes the error of an answer that is not 200; `ca_bundle` names the file of a private CA, if there is one.
    """

    def __init__(
        self,
        options: StoreOptions,
        refusal: Callable[[Answer], SwarmError] = error_of,
        *,
        ca_bundle: Callable[[], str | None] | None = None,
    ) -> None:
        self._refusal = refusal
        self._connector = Connector(options, ca_bundle)
        self._idle_max = options.concurrency
        self._lock = threading.Lock()
        self._idle: list[tuple[str, HTTPConnection]] = []

    def get(self, url: str, max_bytes: int, reading: Reading, key: str = "") -> bytearray:
        """The whole body. Raises MissingError, CorruptError (longer), UnavailableError, PermissionError_."""
        return self._request("GET", url, reading, key, lambda answer: _body(answer, max_bytes, reading, shown(url)))

    def head(self, url: str, reading: Reading, key: str = "") -> dict[str, str]:
        """The headers, names in small letters."""
        return self._request("HEAD", url, reading, key, _headers)

    def close(self) -> None:
        with self._lock:
            for _, connection in self._idle:
                connection.close()
            self._idle.clear()

    def _request(self, method: str, url: str, reading: Reading, key: str, take: Callable[[HTTPResponse], T]) -> T:
        try:
            for _ in range(REDIRECTS_MAX + 1):
                split = _checked(url)
                with self._answer(method, split, reading) as answer:
                    location = answer.getheader("Location") if answer.status in _REDIRECTS else None
                    if location is None:
                        if answer.status != 200:
                            raise self._refusal(_described(answer, split, key))
                        return take(answer)
                url = _follow(url, location)
        except (OSError, HTTPException) as error:
            raise _translated(error, shown(url)) from error
        except ValueError as error:  # of urllib.parse, and of names and paths that cannot be encoded
            raise UsageError(f"not a URL that can be asked: {error}") from error
        raise UnavailableError(f"{shown(url)}: more than {REDIRECTS_MAX} redirects")

    @contextmanager
    def _answer(self, method: str, split: SplitResult, reading: Reading) -> Iterator[HTTPResponse]:
        connection, sock, answer = self._ask(method, split, reading)
        try:
            with reading.hanging_up(lambda: _shut_down(sock)):
                yield answer
        finally:
            # Closed by now means: read to its end. What ended in the middle may still be sending.
            is_reusable = answer.isclosed() and not answer.will_close
            answer.close()
            self._release(split, connection, is_reusable=is_reusable)

    def _ask(
        self, method: str, split: SplitResult, reading: Reading
    ) -> tuple[HTTPConnection, socket.socket, HTTPResponse]:
        """An answer's head. A kept connection that the other side has closed meanwhile is replaced, once."""
        kept = self._kept(split)
        if kept is not None:
            try:
                return _exchange(method, kept, split, reading)
            except (RemoteDisconnected, ConnectionError, SSLEOFError):
                reading.check()
        return _exchange(method, self._connector.connect(split), split, reading)

    def _kept(self, split: SplitResult) -> HTTPConnection | None:
        place = _place(split)
        with self._lock:
            for position in reversed(range(len(self._idle))):
                if self._idle[position][0] == place:
                    return self._idle.pop(position)[1]
        return None

    def _release(self, split: SplitResult, connection: HTTPConnection, *, is_reusable: bool) -> None:
        with self._lock:
            if is_reusable:
                self._idle.append((_place(split), connection))
            surplus = self._idle.pop(0)[1] if len(self._idle) > self._idle_max else None
        for one in (surplus, None if is_reusable else connection):
            if one is not None:
                one.close()


def shown(url: str) -> str:
    """A URL without its query and without credentials: fit for an error."""
    split = urlsplit(url)
    return split._replace(netloc=split.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _exchange(
    method: str, connection: HTTPConnection, split: SplitResult, reading: Reading
) -> tuple[HTTPConnection, socket.socket, HTTPResponse]:
    sock = connection.sock  # http.client forgets it where the answer ends the connection
    try:
        with reading.hanging_up(lambda: _shut_down(sock)):
            connection.request(method, target_of(connection, split), headers=_request_headers(connection, split))
            return connection, sock, connection.getresponse()
    except BaseException:
        connection.close()
        raise


def _request_headers(connection: HTTPConnection, split: SplitResult) -> dict[str, str]:
    headers = {"User-Agent": "swarm", **getattr(connection, "proxy_headers", {})}
    signed = parse_qs(split.query).get("X-Amz-SignedHeaders", [""])[0]
    # What a requester-pays URL was signed with must be sent with it.
    return headers | ({_PAYER: "requester"} if _PAYER in signed.split(";") else {})


def _shut_down(sock: socket.socket) -> None:
    # The base class: SSLSocket.shutdown also forgets its TLS state, which the other thread is using.
    socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _body(answer: HTTPResponse, max_bytes: int, reading: Reading, where: str) -> bytearray:
    if answer.length is None:
        return _unmeasured_body(answer, max_bytes, reading, where)
    size = answer.length
    if size > max_bytes:
        raise CorruptError(f"{where} has {size} bytes, more than {max_bytes}")
    data = reading.fill(answer.readinto, size)
    if len(data) != size:
        raise UnavailableError(f"{where} ended after {len(data)} of {size} bytes")
    return data


def _unmeasured_body(answer: HTTPResponse, max_bytes: int, reading: Reading, where: str) -> bytearray:
    """A chunked body, which some gateways make of everything."""
    data = bytearray()
    while piece := answer.read(PIECE_BYTES):
        reading.check()
        data += piece
        if len(data) > max_bytes:
            raise CorruptError(f"{where} has more than {max_bytes} bytes")
    return data


def _headers(answer: HTTPResponse) -> dict[str, str]:
    answer.read()
    return {name.lower(): value for name, value in answer.getheaders()}


def _described(answer: HTTPResponse, split: SplitResult, key: str) -> Answer:
    body = answer.read(ERROR_BODY_BYTES_MAX)
    found = (pattern.search(body) for pattern in (_CODE, _MESSAGE))
    code, message = (one.group(1).decode(errors="replace") if one else "" for one in found)
    return Answer(code, answer.status, message, shown(split.geturl()), key, answer.getheader("x-amz-bucket-region"))


def _place(split: SplitResult) -> str:
    return f"{split.scheme}://{split.netloc.lower()}"


def _checked(url: str) -> SplitResult:
    split = urlsplit(url)
    if split.scheme not in {"http", "https"} or not split.hostname or "@" in split.netloc:
        raise UsageError(f"not an http(s) URL without credentials: {shown(url)}")
    return split


def _follow(url: str, location: str) -> str:
    target = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise RefusedError(f"{shown(url)} redirects to an unencrypted place: {shown(target)}")
    return target


def _translated(error: Exception, where: str) -> SwarmError:
    if isinstance(error, SSLCertVerificationError):
        hint = "AWS_CA_BUNDLE names the file of a private CA"
        return UnreachableError(f"{where} shows a certificate that nobody trusts: {error.verify_message}", hint=hint)
    return UnavailableError(f"cannot read {where}: {error or type(error).__name__}")
