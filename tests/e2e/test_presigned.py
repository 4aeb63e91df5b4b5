"""S3 with credentials only at the tracker: consumers read leased blocks by URLs that live for seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import MIB, adds_up, bytes_of, make_data, same
from tests.e2e.processes import Stage
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
