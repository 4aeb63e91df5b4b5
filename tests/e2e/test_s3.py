"""S3 as the store: consumers with and without credentials, and a server that is slow, away, or forbids.

Without credentials they read leased blocks by URLs that the tracker signs and that live for seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import MIB, adds_up, bytes_of, make_data, same
from tests.e2e.processes import Machine, Stage
from tests.servers.proxy import Proxy, Request, Trickle, proxy_to, s3_error
from tests.servers.s3server import S3Server

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Bucket:
    """A dataset in S3, and a tracker that may read it; the producer is gone."""

    data: Path
    url: str
    server: S3Server
    tracker: str
    publisher: str


@pytest.fixture(scope="module")
def bucket(shared: Stage, moto: S3Server) -> Bucket:
    producer = shared.machine("producer", env=moto.environment)
    data, url = make_data(producer.place / "data", 6 * MIB), f"s3://{moto.new_bucket()}/swarm"
    published = producer.run("seed", str(data), "places:1.0.0", "--store", url, "--once").one("published")
    tracker = shared.machine("tracker", env=moto.environment).start("tracker", "--store", url)
    return Bucket(data, url, moto, tracker.wait_for("ready")["http"], published["publisher"])


def test_consumers_without_credentials_read_each_block_once(bucket: Bucket, stage: Stage) -> None:
    machines = [stage.machine(f"consumer-{number}") for number in range(3)]
    words = ("places:1.0.0", "--tracker", bucket.tracker, "--publisher", bucket.publisher)
    fetches = [each.start("fetch", *words, str(each.copy), "--download-limit", "4MB") for each in machines]
    receipts = [fetch.wait().receipt for fetch in fetches]
    total = bytes_of(bucket.data)
    for machine, receipt in zip(machines, receipts, strict=True):
        assert same(bucket.data, machine.copy)
        assert adds_up(receipt)
    assert total <= sum(receipt["bytes_origin"] for receipt in receipts) <= 1.1 * total


def test_a_lone_consumer_without_credentials(bucket: Bucket, stage: Stage) -> None:
    consumer = stage.machine("consumer")
    words = ("--tracker", bucket.tracker, "--publisher", bucket.publisher)
    receipt = consumer.fetch("places:1.0.0", str(consumer.copy), *words)
    assert same(bucket.data, consumer.copy)
    assert receipt["bytes_origin"] == receipt["bytes"]


def test_a_consumer_with_credentials_needs_no_tracker(bucket: Bucket, stage: Stage) -> None:
    consumer = stage.machine("consumer", env=bucket.server.environment)
    receipt = consumer.fetch("places:1.0.0", str(consumer.copy), "--store", bucket.url)
    assert same(bucket.data, consumer.copy)
    assert receipt["bytes_origin"] == receipt["bytes"]


# --- a server that is not as it should be ---------------------------------------------------------


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[Proxy]:
    """Between a consumer and the server."""
    with proxy_to(bucket.server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def consumer(bucket: Bucket, stage: Stage, proxy: Proxy) -> Machine:
    """Has credentials, and sees the server through the proxy."""
    return stage.machine("consumer", env=bucket.server.through(proxy.endpoint).environment)


def is_block(request: Request) -> bool:
    return request.method == "GET" and "/blocks/" in request.path


SLOW_DOWN = s3_error(503, "SlowDown", "Please reduce your request rate.")


def test_slow_down_now_and_then_only_takes_longer(bucket: Bucket, consumer: Machine, proxy: Proxy) -> None:
    proxy.first(6, SLOW_DOWN, when=is_block)
    receipt = consumer.fetch("places:1.0.0", str(consumer.copy), "--store", bucket.url)
    assert same(bucket.data, consumer.copy)
    assert receipt["bytes_origin"] == receipt["bytes"]


def test_while_it_says_slow_down_peers_give_and_a_lone_one_says_why_it_waits(
    bucket: Bucket, stage: Stage, consumer: Machine, proxy: Proxy
) -> None:
    proxy.rule = lambda request: SLOW_DOWN if is_block(request) else None
    words = ("places:1.0.0", str(consumer.copy), "--store", bucket.url, "--tracker", bucket.tracker, "--linger", "0")
    fetch = consumer.start("fetch", *words)
    wait = fetch.wait_for("progress", lambda event: bool(event["waiting"]) and "the store:" in event["waiting"])
    assert bucket.url in wait["waiting"]
    assert not consumer.copy.exists()
    # Somebody who has it all comes along; the server is as before.
    holder = stage.machine("holder", env=bucket.server.environment)
    holder.fetch("places:1.0.0", str(holder.copy), "--store", bucket.url)
    holder.start("serve", "--tracker", bucket.tracker)
    receipt = fetch.wait().receipt
    assert same(bucket.data, consumer.copy)
    assert receipt["bytes_peer"] == receipt["bytes"]


@pytest.mark.slow
def test_a_server_that_is_away_for_a_while(bucket: Bucket, consumer: Machine, proxy: Proxy) -> None:
    """It answers the first blocks, then 500 to everything, then it is back: one fetch, and it only waits."""
    words = ("places:1.0.0", str(consumer.copy), "--store", bucket.url, "--linger", "0")
    fetch = consumer.start("fetch", *words, "--origin-limit", "2MB")
    fetch.wait_for("progress", lambda event: event["bytes_origin"] > 0)
    proxy.rule = lambda request: s3_error(500, "InternalError")
    fetch.wait_for("progress", lambda event: bool(event["waiting"]) and "the store:" in event["waiting"])
    proxy.rule = lambda request: None
    receipt = fetch.wait().receipt
    assert same(bucket.data, consumer.copy)
    assert adds_up(receipt)


@pytest.mark.slow
def test_a_server_that_hangs_in_the_middle_of_blocks(bucket: Bucket, consumer: Machine, proxy: Proxy) -> None:
    proxy.first(3, Trickle(1000), when=is_block)
    receipt = consumer.fetch("places:1.0.0", str(consumer.copy), "--store", bucket.url)
    assert same(bucket.data, consumer.copy)
    assert adds_up(receipt)


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"])
def test_wrong_credentials_are_named(bucket: Bucket, consumer: Machine, proxy: Proxy, code: str) -> None:
    proxy.rule = lambda request: s3_error(403, code)
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", bucket.url)
    assert ended.code == 6
    assert bucket.url in ended.complaint
    assert code in ended.complaint
    assert ended.error["hint"]
    assert not consumer.copy.exists()


@pytest.mark.slow
def test_blocks_that_may_not_be_read(bucket: Bucket, consumer: Machine, proxy: Proxy) -> None:
    proxy.rule = lambda request: s3_error(403, "AccessDenied") if is_block(request) else None
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", bucket.url)
    assert ended.code == 6
    assert "missing or forbidden" in ended.complaint
    assert "s3:ListBucket" in ended.complaint


@pytest.mark.slow
def test_no_credentials_at_all(bucket: Bucket, stage: Stage) -> None:
    env = {name: value for name, value in bucket.server.environment.items() if "KEY" not in name}
    nobody = stage.machine("nobody", env=env)
    ended = nobody.run("fetch", "places:1.0.0", str(nobody.copy), "--store", bucket.url)
    assert ended.code == 6
    assert "AWS_ACCESS_KEY_ID" in ended.complaint


@pytest.mark.slow
def test_a_producer_who_may_not_write(bucket: Bucket, stage: Stage, proxy: Proxy) -> None:
    proxy.rule = lambda request: s3_error(403, "AccessDenied") if request.method == "PUT" else None
    producer = stage.machine("producer", env=bucket.server.through(proxy.endpoint).environment)
    url = f"s3://{bucket.server.new_bucket()}/swarm"
    ended = producer.run("seed", str(bucket.data), "roads:1.0.0", "--store", url, "--once")
    assert ended.code == 6
    assert url in ended.complaint


@pytest.mark.slow
def test_what_s3_says_is_said_to_the_user(bucket: Bucket, stage: Stage) -> None:
    """A bucket that is not there, and a corrupt and a missing block."""
    env = bucket.server.environment
    consumer = stage.machine("consumer", env=env)
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", "s3://no-such-bucket-at-all/swarm")
    assert ended.code in (3, 6)
    assert "no-such-bucket-at-all" in ended.complaint
    producer = stage.machine("producer", env=env)
    url = f"s3://{bucket.server.new_bucket()}/swarm"
    producer.run("seed", str(bucket.data), "places:1.0.0", "--store", url, "--once")
    client, name = bucket.server.client(), url.split("/")[2]
    words = ("places:1.0.0", str(consumer.copy), "--store", url, "--publisher", _key(producer.home))
    listed = client.list_objects_v2(Bucket=name, Prefix="swarm/blocks/")["Contents"]
    largest = max(listed, key=lambda one: int(one["Size"]))["Key"]
    client.put_object(Bucket=name, Key=largest, Body=b"swb\x01\0\0\0\0wrong")
    ended = consumer.run("fetch", *words)
    assert ended.code == 7
    assert largest.rpartition("/")[2] in ended.complaint
    client.delete_object(Bucket=name, Key=largest)
    ended = consumer.run("fetch", *words)
    assert ended.code in (3, 6)
    assert largest.rpartition("/")[2] in ended.complaint


def _key(home: Path) -> str:
    from swarm.config.key_file import load_key  # noqa: PLC0415

    return load_key(home / "publisher.key").fingerprint


# --- a bucket as the source -----------------------------------------------------------------------


def test_what_is_in_a_bucket_already_reaches_a_consumer_who_knows_neither_bucket_nor_store(
    moto: S3Server, stage: Stage
) -> None:
    data, client = moto.new_bucket(), moto.client()
    objects = {"lake/a.bin": bytes_at(1, 3 * MIB), "lake/d/e/b": b"hello\n"}
    for key, body in objects.items():
        client.put_object(Bucket=data, Key=key, Body=body)
    producer, consumer = stage.machine("producer", env=moto.environment), stage.machine("consumer")
    store = f"s3://{moto.new_bucket()}/swarm"
    seeder = producer.start("seed", f"s3://{data}/lake", "lake:1.0.0", "--store", store, "--http", "127.0.0.1:0")
    published, ready = seeder.wait_for("published"), seeder.wait_for("ready")
    assert published["bytes_new"] == sum(map(len, objects.values()))
    words = ("--tracker", ready["http"], "--publisher", published["publisher"])
    consumer.fetch("lake:1.0.0", str(consumer.copy), *words)
    for key, body in objects.items():
        assert (consumer.copy / key.removeprefix("lake/")).read_bytes() == body
    client.put_object(Bucket=data, Key="lake/more", Body=b"more")
    again = producer.run("seed", f"s3://{data}/lake", "lake:1.0.0", "--store", store, "--once")
    assert again.error["exit_code"] == 5  # a release does not move
    assert producer.run("seed", f"s3://{data}/lake", "lake:1.0.0", "--once").error["exit_code"] == 2


def bytes_at(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)
