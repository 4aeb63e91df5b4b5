"""A cupboard of machines on one switch, cut off from everything: zeroconf is all they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.datasets import MIB, adds_up, bytes_of, make_data, same
from tests.e2e.lab import Network, needs_root
from tests.e2e.processes import Event, Machine, Process, Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300), needs_root]


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


def machine(stage: Stage, network: Network, name: str) -> Machine:
    return stage.machine(name, prefix=network.host().prefix)


def test_without_tracker_and_store_a_fetch_just_works(stage: Stage, network: Network) -> None:
    producer = machine(stage, network, "producer")
    data = make_data(producer.place / "data", 8 * MIB)
    producer.start("seed", str(data), "places:1.0.0", is_loopback=False).wait_for("ready")
    consumers = [machine(stage, network, f"consumer-{number}") for number in range(3)]
    words = ("places", "--download-limit", "4MB")
    fetches = [each.start("fetch", *words, str(each.copy), is_loopback=False) for each in consumers]
    receipts = [fetch.wait().receipt for fetch in fetches]
    for consumer, receipt in zip(consumers, receipts, strict=True):
        assert same(data, consumer.copy)
        assert adds_up(receipt)
        assert receipt["dataset"] == "places:latest"
    total = bytes_of(data)
    assert total <= sum(receipt["bytes_origin"] for receipt in receipts) <= 1.1 * total


def test_an_unknown_name_is_not_found_and_an_empty_lan_says_so(stage: Stage, network: Network) -> None:
    alone = machine(stage, network, "alone")
    ended = alone.run("fetch", "places", str(alone.copy), is_loopback=False)
    assert ended.code == 4
    assert "LAN" in ended.complaint
    producer = machine(stage, network, "producer")
    data = make_data(producer.place / "data", MIB)
    producer.start("seed", str(data), "places:1.0.0", is_loopback=False).wait_for("ready")
    ended = alone.run("fetch", "plaices", str(alone.copy), is_loopback=False)
    assert ended.code == 3
    assert "places" in ended.error["hint"]


def test_with_tracker_and_store_gone_a_site_lists_verifies_and_serves(stage: Stage, network: Network) -> None:
    producer, tracker_host = machine(stage, network, "producer"), network.host()
    store = stage.place / "store"
    data = make_data(producer.place / "data", 4 * MIB)
    producer.run("seed", str(data), "places:1.0.0", "--store", str(store), "--once")
    tracker = stage.machine("tracker", prefix=tracker_host.prefix).start(
        "tracker", "--store", str(store), "--http", f"{tracker_host.address}:4180", "--no-lan", is_loopback=False
    )
    url = tracker.wait_for("ready")["http"]
    holder = machine(stage, network, "holder")
    words = ("places:1.0.0", str(holder.copy), "--tracker", url, "--store", str(store), "--linger", "0")
    assert holder.run("fetch", *words, is_loopback=False).receipt["bytes"] == bytes_of(data)
    tracker.kill()
    store.rename(stage.place / "gone")
    assert holder.run("verify", str(holder.copy)).code == 0
    # As it was configured before: what is gone is only slower to be given up.
    holder.start("serve", "--tracker", url, is_loopback=False).wait_for("ready")
    late = machine(stage, network, "late")
    listed = late.run("ls", "places", "--tracker", url, is_loopback=False)
    assert [(one["tag"], one["source"]) for one in listed.all("tag")] == [("1.0.0", "lan")]
    receipt = late.run("fetch", "places:^1", str(late.copy), "--tracker", url, is_loopback=False).receipt
    assert receipt["dataset"] == "places:1.0.0"
    assert same(data, late.copy)
    assert receipt["bytes_peer"] == receipt["bytes_lan"] == receipt["bytes"]
    assert late.run("verify", str(late.copy)).code == 0


def test_with_tracker_and_store_gone_a_follower_gets_a_version_that_a_neighbour_has(
    stage: Stage, network: Network
) -> None:
    producer, tracker_host = machine(stage, network, "producer"), network.host()
    store, data = stage.place / "store", make_data(producer.place / "data", 4 * MIB)

    def publish() -> str:
        ended = producer.run("seed", str(data), "places:stable", "--store", str(store), "--once", is_loopback=False)
        return str(ended.one("published")["digest"])

    def follow(each: Machine) -> Process:
        words = ("--tracker", url, "--store", str(store), "--poll", "1s", "--publisher", publisher)
        return each.start("follow", "places:stable", str(each.copy), *words, is_loopback=False)

    def is_at(digest: str) -> Callable[[Event], bool]:
        return lambda now: now["current"] == digest and now["state"] != "behind"

    one, publisher = publish(), str(producer.run("key", "show").one("key")["fingerprint"])
    tracker = stage.machine("tracker", prefix=tracker_host.prefix).start(
        "tracker", "--store", str(store), "--http", f"{tracker_host.address}:4180", "--no-lan", is_loopback=False
    )
    url = str(tracker.wait_for("ready")["http"])
    holder, late = machine(stage, network, "holder"), machine(stage, network, "late")
    held, missing = follow(holder), follow(late)
    for follower in (held, missing):
        follower.wait_for("following", is_at(one))
    missing.stop()
    (data / "new").write_bytes(bytes(range(256)) * 4096)
    two = publish()
    held.wait_for("following", is_at(two))
    tracker.kill()
    store.rename(stage.place / "gone")
    missing = follow(late)
    assert missing.wait_for("moved", lambda moved: moved["digest"] == two)["source"] == "lan"
    flipped = missing.wait_for("current", lambda flip: flip["digest"] == two)
    assert (flipped["bytes_origin"], flipped["bytes_peer"] > 0, flipped["previous"]) == (0, True, one)
    assert late.run("wait", str(late.copy), f"places@{two}").code == 0
    assert same(data, late.copy / "current")
    assert same(data, holder.copy / "current")


def test_a_pulled_cable_is_noticed_and_the_others_give(stage: Stage, network: Network) -> None:
    producer = machine(stage, network, "producer")
    data = make_data(producer.place / "data", 12 * MIB)
    seeder = producer.start("seed", str(data), "places:1.0.0", is_loopback=False)
    seeder.wait_for("ready")
    host = network.host()
    holder, consumer = stage.machine("holder", prefix=host.prefix), machine(stage, network, "consumer")
    holder.run("fetch", "places:1.0.0", str(holder.copy), "--linger", "0", is_loopback=False)
    holder.start("serve", "--upload-limit", "2MB", is_loopback=False).wait_for("ready")
    words = ("places:1.0.0", str(consumer.copy), "--download-limit", "3MB", "--linger", "0")
    fetch = consumer.start("fetch", *words, is_loopback=False)
    fetch.wait_for("progress", lambda event: event["phase"] == "fetch" and event["bytes_peer"] > 0)
    host.pull_cable()
    receipt = fetch.wait().receipt
    assert same(data, consumer.copy)
    assert adds_up(receipt)
    assert receipt["banned"] == []
