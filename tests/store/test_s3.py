"""What is special about S3: who may do what, keys and headers, and every way in which a server is slow or wrong."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import trio

from swarm.errors import (
    CorruptError,
    MissingError,
    NotFoundError,
    PermissionError_,
    RefusedError,
    SwarmError,
    UnavailableError,
    UsageError,
)
from swarm.store import http, probe
from swarm.store._objects import CreateUnsupportedError
from swarm.store.identity import CreateClass
from swarm.store.layout import block_key
from swarm.store.options import StoreOptions, options_of, parse_store_url
from swarm.store.retry import Backoff, Retrying
from swarm.store.s3 import S3Objects
from swarm.store.store import open_store
from tests.servers.proxy import Cut, Hang, LoseAnswer, Proxy, Request, Trickle, proxy_to, s3_error
from tests.servers.s3server import S3Server
from tests.store.place import NAME, TAG, Place, block, name_record, tag_record

Use = Callable[[S3Server], S3Server]
Opener = Callable[..., Retrying]


class NoWait(random.Random):
    """Backoff without the wait: how long it is, `test_retry` says."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


@pytest.fixture
def proxy(moto: S3Server, use: Use) -> Iterator[Proxy]:
    """In front of moto, and in the environment."""
    with proxy_to(moto.endpoint) as proxy:
        use(moto.through(proxy.endpoint))
        yield proxy


@pytest.fixture
def bucket(moto: S3Server) -> str:
    return moto.new_bucket()


@pytest.fixture
async def objects_in() -> AsyncIterator[Opener]:
    """Raw objects of a bucket, as the store has them, and closed with the test."""
    opened: list[Retrying] = []

    def open_objects(bucket: str, *, attempts: int = 4, **options: Any) -> Retrying:
        url = parse_store_url(f"s3://{bucket}/prefix")
        objects = S3Objects(url, options_of(url, StoreOptions(**options)))
        opened.append(Retrying(objects, Backoff(attempts), NoWait()))
        return opened[-1]

    yield open_objects
    for objects in opened:
        await objects.aclose()


def is_method(*methods: str) -> Callable[[Request], bool]:
    return lambda request: request.method in methods


# --- slow, broken, or not there


@pytest.mark.parametrize("status", [503, 429, 500, 502, 504, 400])
async def test_what_passes_is_tried_again(proxy: Proxy, bucket: str, status: int, objects_in: Opener) -> None:
    objects = objects_in(bucket)
    codes = {503: "SlowDown", 429: "TooManyRequests", 400: "RequestTimeout"}
    proxy.first(3, s3_error(status, codes.get(status, "InternalError")))
    await objects.put("key", b"data")
    assert await objects.get("key", max_bytes=10) == b"data"
    assert len(proxy.requests) == 5


@pytest.mark.parametrize(("status", "is_slow_down"), [(503, True), (429, True), (500, False)])
async def test_what_does_not_pass_is_unavailable_after_some_attempts(
    proxy: Proxy, bucket: str, status: int, is_slow_down: bool, objects_in: Opener
) -> None:
    proxy.first(1000, s3_error(status, ""))
    with pytest.raises(UnavailableError) as caught:
        await objects_in(bucket).get("key", max_bytes=10)
    assert caught.value.is_slow_down == is_slow_down
    assert len(proxy.requests) == 4


async def test_a_leased_read_asks_once(proxy: Proxy, bucket: str) -> None:
    name, data = block(1)
    async with open_store(f"s3://{bucket}/p", rng=NoWait()) as store:
        await store.initialise()
        await store.put_block(name, data)
        proxy.requests.clear()
        proxy.first(1, s3_error(503, "SlowDown"))
        with pytest.raises(UnavailableError) as caught:
            await store.get_block(name, is_retried=False)
        assert caught.value.is_slow_down
        assert len(proxy.requests) == 1


async def test_a_creation_whose_answer_was_lost_is_known_again(proxy: Proxy, bucket: str, objects_in: Opener) -> None:
    objects = objects_in(bucket)
    proxy.first(1, LoseAnswer())
    assert await objects.create("key", b"mine")
    assert [request.method for request in proxy.requests] == ["PUT", "PUT", "GET"]
    assert not await objects.create("key", b"another's")


async def test_a_conflict_of_conditions_is_asked_again(proxy: Proxy, bucket: str, objects_in: Opener) -> None:
    proxy.first(1, s3_error(409, "ConditionalRequestConflict"))
    assert await objects_in(bucket).create("key", b"mine")


@pytest.mark.parametrize("fault", [Cut(100_000), Trickle(100_000), Hang()])
async def test_a_body_that_stops_is_read_again(proxy: Proxy, bucket: str, fault: Any, objects_in: Opener) -> None:
    objects = objects_in(bucket, read_timeout_s=0.3)
    await objects.put("key", bytes(300_000))
    proxy.first(2, fault, when=is_method("GET"))
    assert await objects.get("key", max_bytes=300_000) == bytes(300_000)


async def test_a_server_that_hangs_is_unavailable(proxy: Proxy, bucket: str, objects_in: Opener) -> None:
    objects = objects_in(bucket, read_timeout_s=0.2)
    proxy.first(1000, Hang())
    with pytest.raises(UnavailableError, match="cannot reach"):
        await objects.get("key", max_bytes=10)
    assert len(proxy.requests) == 4


async def test_a_server_that_is_not_there_is_unavailable(bucket: str, proxy: Proxy, objects_in: Opener) -> None:
    objects = objects_in(bucket, endpoint="http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match="cannot reach"):
        await objects.get("key", max_bytes=10)


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_cancelled_read_returns_at_once_and_gives_its_thread_back(
    proxy: Proxy, bucket: str, is_first: bool, objects_in: Opener
) -> None:
    """The first read of all is boto3's, which ends with its timeout; the others hang up."""
    objects = objects_in(bucket, read_timeout_s=1 if is_first else 60, concurrency=1)
    await objects.put("key", bytes(2_000_000))
    if not is_first:
        await objects.get("key", max_bytes=2_000_000)
    proxy.first(1, Trickle(600_000), when=is_method("GET"))
    came: list[int] = []
    async with trio.open_nursery() as nursery:

        def moved(count: int) -> None:
            came.append(count)
            nursery.cancel_scope.cancel()

        nursery.start_soon(lambda: objects.get("key", max_bytes=2_000_000, moved=moved))
    assert came
    assert came[-1] < 600_000
    # There is but one thread: it must have come back, and the next read must be none the worse.
    with trio.fail_after(50):
        assert len(await objects.get("key", max_bytes=2_000_000)) == 2_000_000
        while not proxy.hangs_ended:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_there_are_never_more_requests_at_once_than_asked_for(
    proxy: Proxy, bucket: str, objects_in: Opener
) -> None:
    objects = objects_in(bucket, concurrency=3)
    await objects.put("key", b"data")
    now, most, lock = 0, 0, threading.Lock()

    def rule(request: Request) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.03)
        with lock:
            now -= 1

    proxy.rule = rule
    async with trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(lambda: objects.get("key", max_bytes=10))
    assert most == 3


async def test_an_object_longer_than_allowed_is_not_read(proxy: Proxy, bucket: str, objects_in: Opener) -> None:
    objects = objects_in(bucket)
    await objects.put("key", bytes(1001))
    came: list[int] = []
    with pytest.raises(CorruptError, match="more than 1000"):
        await objects.get("key", max_bytes=1000, moved=came.append)
    assert not came


# --- who may


@pytest.mark.parametrize("is_first", [True, False])
async def test_credentials_that_expire_are_read_anew(
    proxy: Proxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects_in: Opener, is_first: bool
) -> None:
    file = tmp_path / "credentials"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def write(key: str) -> None:
        file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")

    def key_of(request: Request) -> str:
        signed = request.headers.get("Authorization") or unquote(request.path)
        return signed.partition("Credential=")[2].partition("/")[0]

    write("FIRST")
    objects = objects_in(bucket)
    await objects.put("key", b"data")
    if not is_first:
        await objects.get("key", max_bytes=10)
    expired = s3_error(400 if is_first else 403, "ExpiredToken", "The provided token has expired.")
    proxy.rule = lambda request: expired if key_of(request) == "FIRST" else None
    with pytest.raises(PermissionError_, match="have expired"):
        await objects.get("key", max_bytes=10)
    write("SECOND")
    proxy.requests.clear()
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(lambda: objects.get("key", max_bytes=10))
    assert {key_of(request) for request in proxy.requests} == {"FIRST", "SECOND"}
    proxy.requests.clear()
    assert await objects.get("key", max_bytes=10) == b"data"
    await objects.put("key", b"data")
    assert {key_of(request) for request in proxy.requests} == {"SECOND"}


async def test_no_credentials_at_all_say_what_to_set(
    proxy: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch, objects_in: Opener
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(PermissionError_, match="no credentials") as caught:
        await objects_in(bucket).get("key", max_bytes=10)
    assert "anonymous=1" in caught.value.hint
    assert not proxy.requests


async def test_an_unknown_profile_is_said_to_be_so(proxy: Proxy, bucket: str, objects_in: Opener) -> None:
    with pytest.raises(PermissionError_, match="nobody"):
        await objects_in(bucket, profile="nobody").get("key", max_bytes=10)


async def test_no_such_bucket_is_not_a_missing_block(moto: S3Server, use: Use, objects_in: Opener) -> None:
    use(moto)
    objects = objects_in("no-such-bucket")
    for call in (
        lambda: objects.get("key", max_bytes=1),
        lambda: objects.put("key", b""),
        lambda: objects.list_page(""),
    ):
        with pytest.raises(NotFoundError, match="no such bucket"):
            await call()
    with pytest.raises(NotFoundError, match="no such bucket"):
        async with open_store("s3://no-such-bucket/prefix"):
            pass


async def test_a_wrong_region_names_the_right_one(proxy: Proxy, bucket: str, objects_in: Opener) -> None:
    reply = s3_error(400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-north-1'")
    reply.headers["x-amz-bucket-region"] = "eu-north-1"
    proxy.first(1000, reply)
    with pytest.raises(UsageError, match="another region") as caught:
        await objects_in(bucket).get("key", max_bytes=10)
    assert "region=eu-north-1" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "RequestTimeTooSkewed", PermissionError_, "clock wrong"),
        (403, "InvalidAccessKeyId", PermissionError_, "does not accept these credentials"),
        (403, "AccessDenied", PermissionError_, "missing or forbidden"),
        (403, "QuotaExceeded", SwarmError, "QuotaExceeded"),
        (507, "", SwarmError, "507"),
        (400, "KMS.DisabledException", PermissionError_, "KMS"),
        (405, "MethodNotAllowed", SwarmError, "MethodNotAllowed"),
    ],
)
async def test_a_refusal_is_told_once_and_clearly(
    proxy: Proxy, bucket: str, status: int, code: str, kind: type[SwarmError], words: str, objects_in: Opener
) -> None:
    proxy.first(1000, s3_error(status, code))
    with pytest.raises(kind, match=words):
        await objects_in(bucket).put("key", b"data")
    assert len(proxy.requests) == 1


@pytest.mark.rgw
class TestRealAuthorisation:
    """Only a server that verifies signatures and policies can show these."""

    @pytest.fixture
    async def shared(self, rgw: S3Server, use: Use) -> tuple[str, S3Server]:
        """A store of one user's that another one may read, but not list; that other user."""
        use(rgw)
        bucket = rgw.new_bucket()
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam:::user/other"]},
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        rgw.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        url = f"s3://{bucket}/p"
        async with open_store(url) as store:
            await store.initialise()
            await store.commit_name_record(name_record(store.realm, 0, None))
            await store.commit_tag(tag_record(store.realm, 0, None))
        return url, S3Server("rgw", rgw.endpoint, "otherkey0", "othersecret0")

    async def test_a_wrong_secret(self, rgw: S3Server, use: Use) -> None:
        use(S3Server("rgw", rgw.endpoint, "testkey0", "not-the-secret"))
        with pytest.raises(PermissionError_, match="does not accept these credentials"):
            async with open_store(f"s3://{rgw.new_bucket()}/p"):
                pass

    async def test_a_stranger(self, rgw: S3Server, use: Use) -> None:
        use(S3Server("rgw", rgw.endpoint, "otherkey0", "othersecret0"))
        with pytest.raises(PermissionError_, match="missing or forbidden"):
            async with open_store(f"s3://{rgw.new_bucket()}/p"):
                pass

    async def test_a_reader_without_the_right_to_list(self, shared: tuple[str, S3Server], use: Use) -> None:
        url, other = shared
        use(other)
        async with open_store(url) as store:
            assert await store.newest_tag(NAME, TAG) == tag_record(store.realm, 0, None)
            assert len(await store.name_chain(NAME)) == 1
            with pytest.raises(PermissionError_, match="missing or forbidden") as caught:
                await store.get_block(block(1)[0])
            assert "s3:ListBucket" in caught.value.hint
            with pytest.raises(PermissionError_):
                await store.missing_blocks([block(1)[0]])
            with pytest.raises(PermissionError_):
                await store.put_block(*block(1), is_missing=True)

    async def test_anonymous_readers_of_a_public_store(self, rgw: S3Server, use: Use) -> None:
        use(rgw)
        bucket = rgw.new_bucket()
        name, data = block(1)
        async with open_store(f"s3://{bucket}/p") as store:
            await store.initialise()
            await store.put_block(name, data)
            await store.commit_tag(tag_record(store.realm, 0, None))
        with pytest.raises(PermissionError_, match="missing or forbidden"):
            async with open_store(f"s3://{bucket}/p?anonymous=1"):
                pass
        actions = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [actions]}
        rgw.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        for url in (f"s3://{bucket}/p?anonymous=1", f"{rgw.endpoint}/{bucket}/p"):
            async with open_store(url) as store:
                assert await store.get_block(name) == data
                assert await store.newest_tag(NAME, TAG) == tag_record(store.realm, 0, None)
                public = await store.presign_block(name, 60)
                assert public is not None
                assert "?" not in public

    async def test_presigned_urls_expire_and_cannot_be_bent(self, rgw: S3Server, use: Use) -> None:
        use(rgw)
        (name, data), (other, other_data) = block(1), block(2)
        async with open_store(f"s3://{rgw.new_bucket()}/p") as store, http.HttpBlocks() as blocks:
            await store.initialise()
            await store.put_block(name, data)
            await store.put_block(other, other_data)
            short = await store.presign_block(name, 1)
            url = await store.presign_block(name, 60)
            assert url is not None
            assert short is not None
            assert await blocks.get(url, name) == data
            bent = url.replace(name.hex(), other.hex())
            with pytest.raises(PermissionError_, match="not valid") as caught:
                await blocks.get(bent, other)
            assert "Signature" not in str(caught.value)
            with pytest.raises(PermissionError_, match="has expired"):  # noqa: PT012
                for _ in range(100):
                    await blocks.get(short, name)
                    await trio.sleep(0.1)

    async def test_customer_keys(self, rgw: S3Server, use: Use, tmp_path: Path) -> None:
        use(rgw)
        key, wrong = tmp_path / "key", tmp_path / "wrong"
        key.write_bytes(os.urandom(32))
        wrong.write_bytes(os.urandom(32))
        bucket = rgw.new_bucket()
        name, data = block(1)
        async with open_store(f"s3://{bucket}/p?sse_c_key_file={key}") as store:
            await store.initialise()
            await store.put_block(name, data)
            assert await store.get_block(name) == data
            assert await store.missing_blocks([name, block(2)[0]]) == {block(2)[0]}
            assert await store.presign_block(name, 60) is None
        for url in (f"s3://{bucket}/p", f"s3://{bucket}/p?sse_c_key_file={wrong}"):
            with pytest.raises(SwarmError) as caught:
                async with open_store(url):
                    pass
            assert not isinstance(caught.value, UnavailableError | MissingError), caught.value


# --- headers, hosts and paths


async def test_presigned_blocks_are_read_without_credentials(s3_place: Place) -> None:
    name, data = block(1, 500_000)
    async with s3_place.store() as store, http.HttpBlocks() as blocks:
        await store.put_block(name, data)
        url = await store.presign_block(name, 60)
        assert url is not None
        moved: list[int] = []
        assert await blocks.get(url, name, moved=moved.append) == data
        assert moved[-1] >= len(data)
        with pytest.raises(CorruptError):
            await blocks.get(url, block(2)[0])
        gone = await store.presign_block(block(2)[0], 60)
        assert gone is not None
        with pytest.raises(MissingError):
            await blocks.get(gone, block(2)[0])


async def test_options_become_headers(proxy: Proxy, bucket: str) -> None:
    cases: list[tuple[str, dict[str, str]]] = [
        ("requester_pays=1", {"x-amz-request-payer": "requester"}),
        ("sse=AES256", {"x-amz-server-side-encryption": "AES256"}),
        (
            "sse=aws:kms&sse_kms_key_id=k1",
            {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "k1"},
        ),
    ]
    for query, expected in cases:
        proxy.requests.clear()
        async with open_store(f"s3://{bucket}/{query[:5]}?{query}") as store:
            await store.initialise()
        put = next(request for request in proxy.requests if request.method == "PUT")
        assert expected.items() <= {name.lower(): value for name, value in put.headers.items()}.items()
    get = next(request for request in proxy.requests if request.method == "GET")
    assert not any("server-side" in name.lower() for name in get.headers)


async def test_a_presigned_url_of_a_requester_pays_bucket_says_so(proxy: Proxy, bucket: str) -> None:
    name, data = block(1)
    async with open_store(f"s3://{bucket}/p?requester_pays=1") as store, http.HttpBlocks() as blocks:
        await store.initialise()
        await store.put_block(name, data)
        url = await store.presign_block(name, 60)
        assert url is not None
        assert await blocks.get(url, name) == data
    headers = {header.lower(): value for header, value in proxy.requests[-1].headers.items()}
    assert headers["x-amz-request-payer"] == "requester"
    assert "authorization" not in headers


async def test_an_anonymous_request_carries_no_signature(proxy: Proxy, bucket: str, objects_in: Opener) -> None:
    proxy.first(1000, s3_error(404, "NoSuchKey"))
    with pytest.raises(MissingError):
        await objects_in(bucket, is_anonymous=True).get("key", max_bytes=10)
    assert "Authorization" not in proxy.requests[0].headers


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (400, "AuthorizationQueryParametersError"), (301, "PermanentRedirect")]
)
async def test_where_signed_urls_are_not_taken_boto3_reads(
    proxy: Proxy, bucket: str, status: int, code: str, objects_in: Opener
) -> None:
    def is_signed_url(request: Request) -> bool:
        return "X-Amz-Signature" in request.path

    objects = objects_in(bucket)
    await objects.put("key", b"data")
    proxy.first(1000, s3_error(status, code), when=is_signed_url)
    for _ in range(4):
        assert await objects.get("key", max_bytes=10) == b"data"
    assert [is_signed_url(request) for request in proxy.requests] == [False, False, True, False, False, False]


async def test_any_prefix_can_be_written_and_read(s3_server: S3Server) -> None:
    name, data = block(1)
    prefix = "a b+c%2fd/é='\"&~!*()"
    async with open_store(f"s3://{s3_server.new_bucket()}/{quote(prefix)}") as store, http.HttpBlocks() as blocks:
        await store.initialise()
        await store.put_block(name, data)
        assert await store.missing_blocks([name]) == set()
        for _ in range(2):
            assert await store.get_block(name) == data
        url = await store.presign_block(name, 60)
        assert url is not None
        assert await blocks.get(url, name) == data
        await store.commit_name_record(name_record(store.realm, 0, None))
        assert await store.names() == [NAME]


async def test_an_endpoint_that_is_no_url_is_said_to_be_so(moto: S3Server, use: Use) -> None:
    use(moto)
    with pytest.raises(UsageError, match="endpoint"):
        async with open_store("s3://bucket/p?endpoint=nonsense"):
            pass


async def test_payloads_are_neither_hashed_nor_summed(proxy: Proxy, bucket: str, objects_in: Opener) -> None:
    await objects_in(bucket).put("key", b"data")
    headers = {name.lower(): value for name, value in proxy.requests[0].headers.items()}
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert not any("checksum" in name or name == "content-md5" for name in headers)


async def test_an_endpoint_that_is_not_aws_is_addressed_by_path(proxy: Proxy, bucket: str, objects_in: Opener) -> None:
    port = proxy.endpoint.rpartition(":")[2]
    await objects_in(bucket, endpoint=f"http://localhost:{port}").put("key", b"data")
    assert proxy.requests[0].path == f"/{bucket}/prefix/key"
    assert proxy.requests[0].headers["Host"] == f"localhost:{port}"


@pytest.mark.parametrize(
    ("query", "host"),
    [
        ("region=eu-west-1", "https://bucket.s3.eu-west-1.amazonaws.com/p/blocks/"),
        ("region=eu-west-1&addressing=path", "https://s3.eu-west-1.amazonaws.com/bucket/p/blocks/"),
        ("endpoint=https://s3.example.org", "https://s3.example.org/bucket/p/blocks/"),
        ("endpoint=https://s3.example.org&addressing=virtual", "https://bucket.s3.example.org/p/blocks/"),
    ],
)
async def test_buckets_are_found_by_host_or_path(
    moto: S3Server, use: Use, monkeypatch: pytest.MonkeyPatch, query: str, host: str
) -> None:
    use(moto)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    url = parse_store_url(f"s3://bucket/p?{query}")
    objects = S3Objects(url, options_of(url, StoreOptions()))
    presigned = await objects.presign(block_key(block(1)[0]), 60)
    await objects.aclose()
    assert presigned is not None
    assert presigned.startswith(host)


async def test_region_and_endpoint_may_come_from_a_profile(
    moto: S3Server, use: Use, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, objects_in: Opener
) -> None:
    use(moto)
    config = tmp_path / "config"
    config.write_text(
        "[profile lab]\nregion = ap-south-1\nservices = lab\naws_access_key_id = a\naws_secret_access_key = b\n"
        "[services lab]\ns3 =\n  endpoint_url = http://store.lab:9000\n"
    )
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    objects = objects_in("bucket", profile="lab")
    presigned = await objects.presign("key", 60)
    assert presigned is not None
    assert presigned.startswith("http://store.lab:9000/bucket/prefix/key")
    assert "ap-south-1" in presigned


# --- listing, clock, creation


@pytest.mark.slow
async def test_a_listing_has_many_pages(s3_server: S3Server, objects_in: Opener) -> None:
    objects = objects_in(s3_server.new_bucket())
    keys = [f"blocks/ab/{number:04d}" for number in range(1203)]
    async with trio.open_nursery() as nursery:
        for worker in range(16):

            async def put(worker: int = worker) -> None:
                for key in keys[worker::16]:
                    await objects.put(key, b"")

            nursery.start_soon(put)
    first = await objects.list_page("blocks/ab/")
    second = await objects.list_page("blocks/ab/", after=first.objects[-1].key)
    assert [listed.key for listed in first.objects + second.objects] == keys
    assert (first.is_last, second.is_last) == (False, True)
    assert (await objects.list_page("blocks/a/")).objects == ()


async def test_a_folder_that_a_console_made_is_no_object(s3_server: S3Server) -> None:
    bucket = s3_server.new_bucket()
    s3_server.client().put_object(Bucket=bucket, Key="prefix/", Body=b"")
    async with open_store(f"s3://{bucket}/prefix") as store:
        await store.initialise()
        assert store.is_initialised


async def test_ages_are_told_by_one_clock(s3_server: S3Server, objects_in: Opener) -> None:
    objects = objects_in(s3_server.new_bucket())
    before = await objects.server_time()
    await objects.put("swarm.cbor", b"")
    after = await objects.server_time()
    stat = await objects.stat("swarm.cbor")
    assert stat is not None
    assert before - 1 <= stat.modified_s <= after + 1


def forget_condition(request: Request) -> None:
    """What `rclone serve s3` does: it overwrites."""
    for name in [name for name in request.headers if name.lower() == "if-none-match"]:
        del request.headers[name]


def refuse_condition(request: Request) -> Any:
    is_conditional = any(name.lower() == "if-none-match" for name in request.headers)
    return s3_error(501, "NotImplemented", "A header you provided implies functionality") if is_conditional else None


class LookThenPut:
    """What Swift does: 412 when it is quiet, and several winners when it is not."""

    def __init__(self, server: S3Server) -> None:
        self._client = server.client()

    def __call__(self, request: Request) -> Any:
        if not any(name.lower() == "if-none-match" for name in request.headers):
            return None
        forget_condition(request)
        _, bucket, key = request.path.split("/", 2)
        listed = self._client.list_objects_v2(Bucket=bucket, Prefix=key)
        threading.Event().wait(0.05)
        return s3_error(412, "PreconditionFailed") if listed["KeyCount"] else None


@pytest.mark.parametrize("kind", ["forgets", "refuses", "looks first"])
async def test_a_server_that_does_not_create_atomically_is_found_out(
    moto: S3Server, proxy: Proxy, bucket: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "ROUNDS", 8)
    rules: dict[str, Any] = {"forgets": forget_condition, "refuses": refuse_condition, "looks first": LookThenPut(moto)}
    proxy.rule = rules[kind]
    url = f"s3://{bucket}/p"
    async with open_store(url) as store:
        with pytest.raises(RefusedError, match="atomically"):
            await store.initialise()
    assert moto.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    async with open_store(f"{url}?single_writer=1") as store:
        await store.initialise()
        assert store.create_class is CreateClass.CHECKED
        record = tag_record(store.realm, 0, None)
        await store.commit_tag(record)
        assert await store.newest_tag(NAME, TAG) == record


async def test_creation_that_is_not_implemented_is_told_apart_from_a_failure(
    proxy: Proxy, bucket: str, objects_in: Opener
) -> None:
    proxy.rule = refuse_condition
    with pytest.raises(CreateUnsupportedError, match="not implemented"):
        await objects_in(bucket).create("key", b"")
    assert len(proxy.requests) == 1
