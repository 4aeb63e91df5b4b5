"""Reading over HTTP without boto3: connections, redirects, proxies, TLS, and what a URL must never show."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from swarm.errors import (
    CorruptError,
    MissingError,
    PermissionError_,
    RefusedError,
    SwarmError,
    UnavailableError,
    UnreachableError,
    UsageError,
)
from swarm.store.blocks import encode_block
from swarm.store.http import HttpBlocks
from swarm.store.layout import IDENTITY_KEY, block_key
from swarm.store.options import StoreOptions
from swarm.store.store import open_store
from tests.servers.proxy import Cut, Hang, LoseAnswer, Proxy, Reply, Request, Trickle, proxy_to, s3_error
from tests.servers.s3server import S3Server
from tests.servers.tls import forward_proxy, tls_front
from tests.store.place import NAME, TAG, block, tag_record

BLOCK, DATA = block(1, 400_000)
FAST = StoreOptions(read_timeout_s=0.5, connect_timeout_s=2)


@pytest.fixture
def web() -> Iterator[Proxy]:
    """A web server: it has nothing but what its rule says."""
    with proxy_to("http://127.0.0.1:1") as web:
        web.rule = lambda request: Reply(200, encode_block(DATA))
        yield web


@pytest.fixture
async def blocks() -> AsyncIterator[HttpBlocks]:
    async with HttpBlocks(FAST) as blocks:
        yield blocks


def url_of(web: Proxy, path: str = "/p/block") -> str:
    return f"{web.endpoint}{path}?X-Amz-Signature=SECRET"


async def test_a_block_is_read_and_verified(web: Proxy, blocks: HttpBlocks) -> None:
    assert await blocks.get(url_of(web), BLOCK) == DATA
    assert web.requests[0].path == "/p/block?X-Amz-Signature=SECRET"
    with pytest.raises(CorruptError) as caught:
        await blocks.get(url_of(web), block(2)[0])
    assert "SECRET" not in str(caught.value)


async def test_one_connection_serves_many_reads(web: Proxy, blocks: HttpBlocks) -> None:
    for _ in range(5):
        await blocks.get(url_of(web), BLOCK)
    assert web.connections == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(web: Proxy, blocks: HttpBlocks) -> None:
    await blocks.get(url_of(web), BLOCK)
    web.close_connections()
    assert await blocks.get(url_of(web), BLOCK) == DATA
    assert web.connections == 2


async def test_idle_connections_are_bounded(web: Proxy) -> None:
    async with HttpBlocks(StoreOptions(concurrency=2)) as blocks:
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(blocks.get, url_of(web), BLOCK)
        assert web.connections <= 2


async def test_redirects_are_followed_so_far(web: Proxy, blocks: HttpBlocks) -> None:
    def rule(request: Request) -> Reply:
        left = int(urlsplit(request.path).path.rpartition("/")[2])
        return Reply(307, b"", {"Location": f"/hop/{left - 1}?q"}) if left else Reply(200, encode_block(DATA))

    web.rule = rule
    assert await blocks.get(url_of(web, "/hop/5"), BLOCK) == DATA
    with pytest.raises(UnavailableError, match="redirects"):
        await blocks.get(url_of(web, "/hop/6"), BLOCK)


async def test_a_redirect_out_of_encryption_is_refused(web: Proxy, tmp_path: Path) -> None:
    web.rule = lambda request: Reply(302, b"", {"Location": "http://127.0.0.1:1/plain"})
    with tls_front(web.endpoint, tmp_path / "ca.pem") as endpoint:
        async with HttpBlocks(StoreOptions(ca_bundle=str(tmp_path / "ca.pem"))) as blocks:
            with pytest.raises(RefusedError, match="unencrypted"):
                await blocks.get(f"{endpoint}/block", BLOCK)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (s3_error(404, "NoSuchKey"), MissingError, "has no"),
        (s3_error(403, "AccessDenied"), PermissionError_, "has expired or is not valid"),
        (s3_error(503, "SlowDown"), UnavailableError, "slow down"),
        (s3_error(500, "InternalError"), UnavailableError, "InternalError"),
        (Reply(200, b""), CorruptError, "too short"),
        (Reply(200, bytes(500_000)), CorruptError, "more than"),
        (Reply(204), SwarmError, "204"),
        (Reply(404, b"<html>" + b"x" * 1_000_000), MissingError, "has no"),
        (Cut(1000), UnavailableError, "ended after 1000"),
        (LoseAnswer(), UnavailableError, "cannot"),
        (Hang(), UnavailableError, "timed out"),
        (Trickle(1000), UnavailableError, "timed out"),
    ],
)
async def test_every_answer_means_something(
    web: Proxy, blocks: HttpBlocks, reply: object, kind: type[SwarmError], words: str
) -> None:
    web.body = encode_block(DATA)
    web.rule = lambda request: reply  # type: ignore[assignment, return-value]
    with pytest.raises(kind, match=words) as caught:
        await blocks.get(url_of(web), BLOCK, max_length=len(DATA))
    assert "SECRET" not in str(caught.value)
    if isinstance(caught.value, UnavailableError):
        assert caught.value.is_slow_down == ("slow down" in words)


async def test_a_body_without_a_length_is_read_up_to_a_bound(web: Proxy, blocks: HttpBlocks) -> None:
    web.rule = lambda request: Reply(200, encode_block(DATA), {"Transfer-Encoding": "chunked"})
    assert await blocks.get(url_of(web), BLOCK) == DATA
    with pytest.raises(CorruptError, match="more than"):
        await blocks.get(url_of(web), BLOCK, max_length=len(DATA) - 1)


async def test_a_cancelled_read_hangs_up_at_once(web: Proxy) -> None:
    web.body = encode_block(DATA)
    web.rule = lambda request: Trickle(300_000)
    async with HttpBlocks(StoreOptions(read_timeout_s=60, concurrency=1)) as blocks:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: blocks.get(url_of(web), BLOCK, moved=lambda _: nursery.cancel_scope.cancel()))
        with trio.fail_after(30):  # the read timeout is twice that
            while not web.hangs_ended:  # noqa: ASYNC110
                await trio.sleep(0.01)
            web.rule = lambda request: Reply(200, encode_block(DATA))
            assert await blocks.get(url_of(web), BLOCK) == DATA


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host/x", "http:///x", "http://user:pw@host/x", "x", "http://h:99999/", "http://h:x/"],
)
async def test_what_is_no_http_url_is_not_asked(url: str, blocks: HttpBlocks) -> None:
    with pytest.raises(UsageError) as caught:
        await blocks.get(url, BLOCK)
    assert "pw@" not in str(caught.value)


async def test_a_server_that_is_not_there_is_unavailable(blocks: HttpBlocks) -> None:
    with pytest.raises(UnavailableError, match="refused"):
        await blocks.get("http://127.0.0.1:1/block", BLOCK)
    with pytest.raises(UnavailableError):
        await blocks.get("http://host.invalid/block", BLOCK)


# --- TLS and proxies, of both kinds of readers


async def test_a_private_authority_is_trusted_when_named(
    web: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_front(web.endpoint, tmp_path / "ca.pem") as endpoint:
        async with HttpBlocks() as blocks:
            with pytest.raises(UnreachableError, match="nobody trusts") as caught:
                await blocks.get(f"{endpoint}/block", BLOCK)
            assert "AWS_CA_BUNDLE" in caught.value.hint
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        async with HttpBlocks() as blocks:
            assert await blocks.get(f"{endpoint}/block", BLOCK) == DATA
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "none.pem"))
    async with HttpBlocks() as blocks:
        with pytest.raises(UsageError, match=r"none\.pem"):
            await blocks.get("https://127.0.0.1:1/block", BLOCK)


async def test_s3_trusts_a_private_authority_when_named(
    moto: S3Server, use: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = moto.new_bucket()
    with tls_front(moto.endpoint, tmp_path / "ca.pem") as endpoint:
        use(moto.through(endpoint))  # type: ignore[operator]
        with pytest.raises(UnreachableError, match="nobody trusts") as caught:
            async with open_store(f"s3://{bucket}/p"):
                pass
        assert "AWS_CA_BUNDLE" in caught.value.hint
        async with open_store(f"s3://{bucket}/p?ca_bundle={tmp_path / 'ca.pem'}") as store:
            await store.initialise()
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        async with open_store(f"s3://{bucket}/p") as store, HttpBlocks() as blocks:
            await store.put_block(BLOCK, DATA)
            url = await store.presign_block(BLOCK, 60)
            assert url is not None
            assert await blocks.get(url, BLOCK) == DATA


async def test_plain_urls_go_through_the_proxy_of_the_environment(web: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy() as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:pa%20ss@127.0.0.1:{proxy.port}")
        async with HttpBlocks() as blocks:
            assert await blocks.get(url_of(web), BLOCK) == DATA
        assert proxy.lines == [f"GET {url_of(web)} HTTP/1.1"]
        assert proxy.authorizations == ["Basic dXNlcjpwYSBzcw=="]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with HttpBlocks() as blocks:
            assert await blocks.get(url_of(web), BLOCK) == DATA
        assert len(proxy.lines) == 1


async def test_secure_urls_go_through_a_tunnel(web: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy() as proxy, tls_front(web.endpoint, tmp_path / "ca.pem") as endpoint:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with HttpBlocks(StoreOptions(ca_bundle=str(tmp_path / "ca.pem"))) as blocks:
            assert await blocks.get(f"{endpoint}/block", BLOCK) == DATA
        assert proxy.lines[0].startswith(f"CONNECT {urlsplit(endpoint).netloc} ")


async def test_s3_goes_through_the_proxy_of_the_environment(
    moto: S3Server, use: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(moto)  # type: ignore[operator]
    bucket = moto.new_bucket()
    with forward_proxy() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        async with open_store(f"s3://{bucket}/p") as store:
            await store.initialise()
        assert any(line.startswith(f"GET {moto.endpoint}/{bucket}/p/swarm.cbor ") for line in proxy.lines)


async def test_a_proxy_that_cannot_be_used_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")
    async with HttpBlocks() as blocks:
        with pytest.raises(UsageError, match="HTTP_PROXY"):
            await blocks.get("http://127.0.0.1:1/block", BLOCK)


# --- a whole store below a base URL


async def test_a_published_directory_behind_a_web_server_is_a_store(web: Proxy, tmp_path: Path) -> None:
    async with open_store(str(tmp_path)) as store:
        await store.initialise()
        await store.put_block(BLOCK, DATA)
        record = tag_record(store.realm, 0, None)
        await store.commit_tag(record)

    def rule(request: Request) -> Reply:
        path = tmp_path / urlsplit(request.path).path.removeprefix("/data/")
        stamp = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        return Reply(200, path.read_bytes(), {"Last-Modified": stamp}) if path.is_file() else s3_error(404, "NoSuchKey")

    web.rule = rule
    async with open_store(f"{web.endpoint}/data/?token=t") as store:
        assert await store.get_block(BLOCK) == DATA
        assert await store.newest_tag(NAME, TAG) == record
        assert await store.presign_block(BLOCK, 60) == f"{web.endpoint}/data/{block_key(BLOCK)}?token=t"
        second = tag_record(store.realm, 1, record)
        attempts: list[Callable[[], Awaitable[object]]] = [
            lambda: store.put_block(*block(2), is_missing=True),
            lambda: store.commit_tag(second),
            store.names,
            lambda: store.missing_blocks([BLOCK]),
        ]
        for attempt in attempts:
            with pytest.raises(PermissionError_, match=r"can only be read|cannot be listed"):
                await attempt()
    assert web.requests[0].path == f"/data/{IDENTITY_KEY}?token=t"


async def test_a_page_where_a_store_was_expected_is_no_store(web: Proxy) -> None:
    web.rule = lambda request: Reply(200, b"<html>Welcome</html>")
    with pytest.raises(CorruptError, match=r"swarm\.cbor"):
        async with open_store(web.endpoint):
            pass
