"""The HTTP front over real loopback sockets, and what strangers may try with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from swarm.errors import UsageError
from swarm.tracker.http import server
from swarm.tracker.http.server import Document, open_http

LOOPBACK = (("127.0.0.1", 0),)


def broken() -> Document:
    raise RuntimeError("a page that fails")


PAGES = {"/hello": lambda: Document(b"hello\n"), "/broken": broken}


@asynccontextmanager
async def connected(pages: server.Pages = PAGES) -> AsyncIterator[trio.SocketStream]:
    async with open_http(LOOPBACK, pages) as (url,), await _connect(url) as stream:
        yield stream


async def _connect(url: str) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))


async def read_all(stream: trio.SocketStream) -> bytes:
    """What comes until the other side closes, in order or not."""
    data = bytearray()
    with trio.fail_after(5), suppress(trio.BrokenResourceError):
        while chunk := await stream.receive_some():
            data += chunk
    return bytes(data)


async def exchange(stream: trio.SocketStream, request: bytes) -> bytes:
    """Everything the server says to these bytes until it closes."""
    await stream.send_all(request)
    return await read_all(stream)


GET = b"GET %b HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"


async def test_a_page_is_served_with_its_length() -> None:
    async with connected() as stream:
        answer = await exchange(stream, GET % b"/hello?x=1")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 6" in head.lower()
    assert b"no-store" in head
    assert body == b"hello\n"


async def test_head_is_get_without_the_body() -> None:
    async with connected() as stream:
        answer = await exchange(stream, (GET % b"/hello").replace(b"GET", b"HEAD"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-length: 6" in head.lower()
    assert body == b""


async def test_a_connection_serves_many_requests_also_pipelined() -> None:
    async with connected() as stream:
        answer = await exchange(stream, (GET % b"/hello").replace(b"close", b"keep-alive") * 3 + GET % b"/hello")
    assert answer.count(b"hello\n") == 4


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (GET % b"/nothing", b"404"),
        ((GET % b"/hello").replace(b"GET", b"DELETE"), b"405"),
        (b"garbage\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\nfill: " + b"x" * 20_000, b"431"),
        (b"POST /hello HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 70_000, b"413"),
        (b"POST /hello HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n", b"413"),
    ],
)
async def test_what_is_not_served_is_refused_and_the_connection_closed(request_bytes: bytes, status: bytes) -> None:
    async with connected() as stream:
        answer = await exchange(stream, request_bytes)
    assert answer.split(b" ")[1] == status


async def test_a_small_body_is_dropped_and_the_connection_goes_on() -> None:
    async with connected() as stream:
        first = b"GET /hello HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nabcde"
        answer = await exchange(stream, first + GET % b"/hello")
    assert answer.count(b"hello\n") == 2


async def test_a_page_that_fails_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async with open_http(LOOPBACK, PAGES) as (url,):
        async with await _connect(url) as stream:
            assert await exchange(stream, GET % b"/broken") == b""
        async with await _connect(url) as stream:
            assert b"hello\n" in await exchange(stream, GET % b"/hello")
    assert "a request failed" in caplog.text


async def test_who_dawdles_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_S", 0.2)
    async with connected() as stream:
        await stream.send_all(b"GET /hello HTT")
        assert await read_all(stream) == b""


async def test_who_only_connects_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_S", 0.2)
    async with connected() as stream:
        assert await read_all(stream) == b""


async def test_past_the_limit_connections_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 2)
    async with open_http(LOOPBACK, PAGES) as (url,):
        first, second, third = [await _connect(url) for _ in range(3)]
        await third.send_all(GET % b"/hello")
        with trio.move_on_after(0.2) as scope:
            await third.receive_some()
        assert scope.cancelled_caught
        await first.aclose()
        assert b"hello\n" in await read_all(third)
        await second.aclose()
        await third.aclose()


async def test_the_end_closes_everything() -> None:
    async with open_http(LOOPBACK, PAGES) as (url,):
        stream = await _connect(url)
    async with stream:
        assert await read_all(stream) == b""
    with pytest.raises(OSError):
        await _connect(url)


async def test_a_taken_port_says_so() -> None:
    async with open_http(LOOPBACK, PAGES) as (url,):
        port = int(url.rpartition(":")[2])
        with pytest.raises(UsageError, match=f"port {port}"):
            async with open_http((("127.0.0.1", port),), PAGES):
                pass


async def test_what_the_body_of_the_context_raises_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with open_http(LOOPBACK, PAGES):
            raise KeyError
