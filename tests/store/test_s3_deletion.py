"""Deleting many objects of S3 by one request, and where a server, a key or the moment is against it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from swarm.errors import PermissionError_, StoreError, SwarmError, UnavailableError
from swarm.store._objects import BatchUnsupportedError
from swarm.store._s3_deletion import KEYS_MAX
from swarm.store.collected import Amount, Request
from swarm.store.options import StoreOptions, options_of, parse_store_url
from swarm.store.retention import Keep
from swarm.store.retry import Backoff, Retrying
from swarm.store.s3 import S3Objects
from tests.servers.proxy import Fault, Proxy, Reply, proxy_to, s3_error
from tests.servers.proxy import Request as Asked
from tests.servers.s3server import S3Server
from tests.store.place import Place
from tests.store.test_s3 import NoWait
from tests.store.versions import is_whole, made_of, parts, point, publish

A, B = made_of(1, 2, 3, 4), made_of(3, 4, 5)


@pytest.fixture
def proxy(moto: S3Server, use: Callable[[S3Server], S3Server]) -> Iterator[Proxy]:
    with proxy_to(moto.endpoint) as proxy:
        use(moto.through(proxy.endpoint))
        yield proxy


@pytest.fixture
async def objects(proxy: Proxy, moto: S3Server) -> AsyncIterator[Retrying]:
    """Three objects behind the proxy."""
    url = parse_store_url(f"s3://{moto.new_bucket()}/prefix")
    opened = Retrying(S3Objects(url, options_of(url, StoreOptions())), Backoff(4), NoWait())
    for key in "abc":
        await opened.put(key, b"data")
    yield opened
    await opened.aclose()


async def keys_of(objects: Retrying) -> list[str]:
    return [listed.key for listed in (await objects.list_page("")).objects]


def is_batch(request: Asked) -> bool:
    return request.method == "POST" and request.path.endswith("?delete")


def refusing(**codes: str) -> Reply:
    """An answer that deletes nothing: each key with its code."""
    errors = "".join(f"<Error><Key>prefix/{key}</Key><Code>{code}</Code></Error>" for key, code in codes.items())
    body = f"<?xml version='1.0'?><DeleteResult>{errors}</DeleteResult>".encode()
    return Reply(200, body, {"Content-Type": "application/xml"})


async def test_one_request_deletes_many_and_what_is_not_there_is_no_error(s3_place: Place) -> None:
    async with s3_place.objects() as objects:
        assert objects.deletions_max == KEYS_MAX
        names = [f"{number:03}" for number in range(50)]
        for name in names:
            await objects.put(name, b"")
        await objects.delete_many([*names[:49], "x/y", "never & <there>"])
        assert [listed.key for listed in (await objects.list_page("")).objects] == names[49:]


@pytest.mark.parametrize(
    "fault",
    [
        s3_error(501, "NotImplemented"),
        s3_error(400, "MalformedXML"),
        s3_error(400, "InvalidRequest", "Missing required header for this request: Content-MD5"),
        s3_error(405, "MethodNotAllowed"),
        Reply(501),
    ],
)
async def test_a_server_that_refuses_such_requests_is_not_asked_again(
    proxy: Proxy, objects: Retrying, fault: Fault
) -> None:
    proxy.rule = lambda request: fault if is_batch(request) else None
    with pytest.raises(BatchUnsupportedError):
        await objects.delete_many(["a", "b"])
    assert objects.deletions_max == 1
    assert sum(is_batch(request) for request in proxy.requests) == 1
    assert await keys_of(objects) == ["a", "b", "c"]


@pytest.mark.parametrize("fault", [s3_error(503, "SlowDown"), s3_error(500, "InternalError"), refusing(b="SlowDown")])
async def test_what_may_pass_is_tried_again(proxy: Proxy, objects: Retrying, fault: Fault) -> None:
    proxy.first(2, fault, when=is_batch)
    await objects.delete_many(["a", "b"])
    assert await keys_of(objects) == ["c"]
    assert objects.deletions_max == KEYS_MAX


@pytest.mark.parametrize(
    ("fault", "expected", "said"),
    [
        (refusing(a="SlowDown", b="AccessDenied"), PermissionError_, "^b in s3://"),
        (refusing(a="WormViolation"), StoreError, "WormViolation"),
        (refusing(a="InternalError"), UnavailableError, "InternalError"),
        (s3_error(403, "AccessDenied"), PermissionError_, "missing or forbidden"),
    ],
)
async def test_what_will_not_pass_is_said_of_its_key(
    proxy: Proxy, objects: Retrying, fault: Fault, expected: type[SwarmError], said: str
) -> None:
    proxy.rule = lambda request: fault if is_batch(request) else None
    with pytest.raises(expected, match=said):
        await objects.delete_many(["a", "b"])
    assert objects.deletions_max == KEYS_MAX


async def test_a_key_that_was_gone_already_is_no_error(proxy: Proxy, objects: Retrying) -> None:
    proxy.rule = lambda request: refusing(a="NoSuchKey") if is_batch(request) else None
    await objects.delete_many(["a"])


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_collection_takes_few_requests_or_one_for_each(
    proxy: Proxy, moto: S3Server, tmp_path: Path, is_refused: bool
) -> None:
    place = Place("moto", f"s3://{moto.new_bucket()}/prefix")
    only_a = parts(A).keys() - parts(B).keys()
    async with place.store() as store:
        await publish(store, A, "a")
        await publish(store, B, "b")
        await point(store, "a", None)
        proxy.requests.clear()
        proxy.rule = lambda request: s3_error(501, "NotImplemented") if is_refused and is_batch(request) else None
        done = await store.collect(Request(Keep(last=1), tmp_path, is_alone=True))
        assert (done.freed.versions, done.freed.blocks) == (1, len(only_a))
        assert await is_whole(store, B.id)
        assert not await is_whole(store, A.id)
        assert await store.collect(Request(Keep(last=1), tmp_path, is_alone=True)) != done
    batches = sum(is_batch(request) for request in proxy.requests)
    singles = sum(request.method == "DELETE" and "/blocks/" in request.path for request in proxy.requests)
    assert (batches, singles) == (1, len(only_a) if is_refused else 0)
    assert done.condemned == Amount()
