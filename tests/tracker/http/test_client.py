"""Finding a tracker by URL or multiaddr, over real loopback sockets."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.errors import DecodeError, RefusedError, UnreachableError, UsageError
from swarm.protocol.ids import PeerId
from swarm.tracker.agents.uses import VersionUse
from swarm.tracker.http import client
from swarm.tracker.http.client import FoundTracker, find_tracker, read_uses
from swarm.tracker.http.server import Document, open_http
from swarm.tracker.http.wellknown import PATH, VERSIONS_PATH, WellKnown, parse_uses, parse_well_known
from tests.examples import examples
from tests.tracker.publisher import REALM, key

LOOPBACK = (("127.0.0.1", 0),)
ID = key("tracker").peer_id
KNOWN = WellKnown(REALM, ID, ("/ip4/10.1.2.3/tcp/4001", "/ip6/fd00::1/tcp/4001"), ("http://other:4180",))


@asynccontextmanager
async def serving(body: bytes) -> AsyncIterator[str]:
    async with open_http(LOOPBACK, {PATH: lambda: Document(body, "application/json")}) as (url,):
        yield url


def document(**changes: Any) -> bytes:
    return json.dumps(json.loads(KNOWN.to_json()) | changes).encode()


async def test_a_url_leads_to_addresses_the_one_that_answered_last() -> None:
    async with serving(KNOWN.to_json()) as url:
        found = await find_tracker(url)
    expected = (*KNOWN.addresses, "/ip4/127.0.0.1/tcp/4001")
    assert found == FoundTracker(expected, ID, REALM, ("http://other:4180",))


async def test_a_multiaddr_is_taken_as_it_is() -> None:
    found = await find_tracker(f"/dns/tracker.example/tcp/4001/p2p/{ID}")
    assert found == FoundTracker(("/dns/tracker.example/tcp/4001",), ID)


@pytest.mark.parametrize(
    "url",
    [
        "/ip4/10.0.0.1/tcp/4001",
        "/ip4/10.0.0.1/udp/4/p2p/x",
        "tracker:4180",
        "ftp://x",
        "http://",
        "http://x:0",
        "http://x:99999",
        "",
    ],
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        await find_tracker(url)


async def test_nobody_there() -> None:
    async with serving(b"") as url:
        pass
    with pytest.raises(UnreachableError, match="no tracker answers"):
        await find_tracker(url)


async def test_somebody_who_does_not_answer(monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery) -> None:
    monkeypatch.setattr(client, "FIND_S", 0.2)
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    async with listener:
        with pytest.raises(UnreachableError, match="in time"):
            await find_tracker(f"http://127.0.0.1:{listener.socket.getsockname()[1]}")


async def test_another_service_is_no_tracker() -> None:
    async with open_http(LOOPBACK, {}) as (url,):
        with pytest.raises(RefusedError, match="404"):
            await find_tracker(url)


async def test_another_protocol_is_no_tracker(nursery: trio.Nursery) -> None:
    async def greet(stream: trio.SocketStream) -> None:
        await stream.send_all(b"SSH-2.0-other\r\n")

    (listener,) = await nursery.start(partial(trio.serve_tcp, greet, 0, host="127.0.0.1"))
    with pytest.raises((RefusedError, UnreachableError)):
        await find_tracker(f"http://127.0.0.1:{listener.socket.getsockname()[1]}")
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"not json",
        b"[" * 10_000,
        document(v=2),
        document(required=["relay"]),
        document(addresses=[]),
        document(addresses="x"),
        document(addresses=[3]),
        document(addresses=["/ip4/10.0.0.1/tcp/1"]),
        document(addresses=[f"/ip4/10.0.0.1/tcp/1/p2p/{ID}", f"/ip4/10.0.0.1/tcp/1/p2p/{key('other').peer_id}"]),
        document(realm="xyz"),
        document(trackers={}),
        document(fill="x" * 70_000),
    ],
)
async def test_a_document_that_is_none_is_refused(body: bytes) -> None:
    async with serving(body) as url:
        with pytest.raises(RefusedError):
            await find_tracker(url)


def test_an_unknown_key_is_ignored() -> None:
    assert parse_well_known(document(later={"a": 1})) == KNOWN


@given(
    st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda v: json.dumps(v).encode())
)
@settings(max_examples=examples(30))
def test_any_bytes_are_a_document_or_our_error(body: bytes) -> None:
    with suppress(DecodeError):
        parse_well_known(body)


async def test_https_with_a_private_authority(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with suppress(trio.BrokenResourceError):  # the client that trusts nobody hangs up
            await stream.receive_some()
            body = KNOWN.to_json()
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    serve = partial(trio.serve_ssl_over_tcp, answer, 0, context, host="127.0.0.1", https_compatible=True)
    (listener,) = await nursery.start(serve)
    url = f"https://127.0.0.1:{listener.transport_listener.socket.getsockname()[1]}"
    with pytest.raises(UnreachableError):
        await find_tracker(url)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert (await find_tracker(url)).peer_id == PeerId(ID)
    nursery.cancel_scope.cancel()


# --- who has what --------------------------------------------------------------------------------

USE = {"version": "ab" * 32, "seeders": 1, "complete": 2, "fetching": 3, "sites": 1}


async def test_who_has_what_is_read_from_the_page_of_versions() -> None:
    body = json.dumps({"v": 1, "versions": [USE]}).encode()
    async with open_http(LOOPBACK, {VERSIONS_PATH: lambda: Document(body, "application/json")}) as (url,):
        assert await read_uses(url) == (VersionUse(**USE),)


async def test_a_page_that_is_not_shown_or_not_known_is_refused() -> None:
    pages = {VERSIONS_PATH: lambda: Document(b"no", status=HTTPStatus.FORBIDDEN)}
    async with open_http(LOOPBACK, pages) as (url,):
        with pytest.raises(RefusedError, match="has a secret"):
            await read_uses(url)
    async with serving(KNOWN.to_json()) as url:
        with pytest.raises(RefusedError, match="404"):
            await read_uses(url)
    with pytest.raises(UsageError, match="no page"):
        await read_uses(f"/dns/tracker.example/tcp/4001/p2p/{ID}")


@pytest.mark.parametrize(
    "wrong",
    [[], {"versions": 1}, {"versions": [1]}, *({"versions": [USE | {name: None}]} for name in USE),
     {"versions": [USE | {"seeders": -1}]}, {"versions": [USE | {"complete": True}]}],
)  # fmt: skip
def test_a_page_of_versions_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(DecodeError):
        parse_uses(json.dumps(wrong).encode())
