"""The main job on real S3: the producer is gone, eight hosts fetch at once, each block leaves the store once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import MIB, adds_up, bytes_of, make_data, same
from tests.e2e.gateway import Gateway, gateway_on
from tests.e2e.lab import Host, Network, needs_root
from tests.e2e.processes import Event, Machine, Stage
from tests.servers.rgw import skip_without_rgw

pytestmark = [pytest.mark.slow, pytest.mark.lab, pytest.mark.rgw, pytest.mark.timeout(600), needs_root]

CONSUMERS = 8


@dataclass(frozen=True)
class Site:
    """A network with a store in it, and a dataset there whose producer is gone."""

    network: Network
    gateway: Gateway
    data: Path
    url: str
    publisher: str


@pytest.fixture(scope="module")
def site(shared: Stage) -> Iterator[Site]:
    skip_without_rgw()
    with Network() as network, gateway_on(network.host(), shared.place / "ceph") as gateway:
        host, url = network.host(), f"s3://{gateway.new_bucket()}/swarm"
        producer = shared.machine("producer", prefix=host.prefix, env=gateway.environment)
        data = make_data(producer.place / "data", 24 * MIB)
        words = ("data:1.0.0", "--store", url, "--once")
        published = producer.run("seed", str(data), *words, is_loopback=False).one("published")
        host.pull_cable()
        yield Site(network, gateway, data, url, published["publisher"])


def test_with_credentials(site: Site, stage: Stage) -> None:
    show(site, stage, ("--store", site.url), site.gateway.environment)


def test_without_credentials_and_store(site: Site, stage: Stage) -> None:
    """The tracker, which may read the store, gives URLs of the leased blocks: the server refuses anything else."""
    show(site, stage, (), {})


def show(site: Site, stage: Stage, words: Sequence[str], env: Mapping[str, str]) -> None:
    """A tracker and eight fetches at once: all copies intact, and hardly more than one left the server."""
    tracker_host, url = start_tracker(site, stage)
    hosts = [site.network.host() for _ in range(CONSUMERS)]
    consumers = [stage.machine(f"c{n}", prefix=host.prefix, env=env) for n, host in enumerate(hosts)]
    receipts = fetch_at_once(consumers, ("--tracker", url, "--publisher", site.publisher, *words))
    total = bytes_of(site.data)
    for consumer, receipt in zip(consumers, receipts, strict=True):
        assert same(site.data, consumer.copy)
        assert adds_up(receipt)
        assert receipt["bytes"] == total
        assert receipt["banned"] == []
    reads = site.gateway.reads_of_blocks([tracker_host.address, *(host.address for host in hosts)])
    assert {read.status for read in reads} == {200}
    for host, receipt in zip(hosts, receipts, strict=True):
        assert receipt["bytes_origin"] <= sum(read.bytes for read in reads if read.address == host.address)
    # Random bytes: no block occurs twice. What else is under blocks/ (the pages) counts as well.
    assert total <= sum(read.bytes for read in reads) <= 1.1 * total


def start_tracker(site: Site, stage: Stage) -> tuple[Host, str]:
    host = site.network.host()
    tracker = stage.machine("tracker", prefix=host.prefix, env=site.gateway.environment)
    process = tracker.start("tracker", "--store", site.url, "--http", f"{host.address}:4180", is_loopback=False)
    return host, str(process.wait_for("ready")["http"])


def fetch_at_once(consumers: Sequence[Machine], words: Sequence[str]) -> list[Event]:
    fetches = [each.start("fetch", "data:1.0.0", str(each.copy), *words, is_loopback=False) for each in consumers]
    return [fetch.wait().receipt for fetch in fetches]
