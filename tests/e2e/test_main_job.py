"""The main job: one machine publishes, others fetch it from each other, a second version costs its difference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import KIB, MIB, adds_up, bytes_of, insert, make_data, same
from tests.e2e.processes import Event, Machine, Stage

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Fleet:
    """A producer that serves what it has published, and what it takes to fetch it."""

    data: Path
    store: str
    producer: Machine
    ready: Event
    published: Event

    @property
    def words(self) -> tuple[str, ...]:
        return ("--tracker", self.ready["http"], "--publisher", self.published["publisher"])


@pytest.fixture(scope="module")
def fleet(shared: Stage) -> Fleet:
    producer = shared.machine("producer")
    data = make_data(producer.place / "data", 8 * MIB)
    store = str(shared.place / "store")
    seeder = producer.start("seed", str(data), "places:1.0.0", "-t", "places:stable", "--store", store)
    return Fleet(data, store, producer, seeder.wait_for("ready"), seeder.wait_for("published"))


def test_consumers_pass_it_among_themselves_and_the_origin_gives_one_copy(fleet: Fleet, stage: Stage) -> None:
    total = bytes_of(fleet.data)
    machines = [stage.machine(f"consumer-{number}") for number in range(3)]
    # Slowed down, so that they are all there while there is something to pass on.
    words = (*fleet.words, "--download-limit", "4MB")
    fetches = [each.start("fetch", "places:1.0.0", str(each.copy), *words) for each in machines]
    receipts = [each.wait().receipt for each in fetches]
    for machine, receipt in zip(machines, receipts, strict=True):
        assert same(fleet.data, machine.copy)
        assert adds_up(receipt)
        assert receipt["bytes"] == total
        assert receipt["dataset"] == "places:1.0.0"
        assert receipt["digest"] == fleet.published["digest"]
        assert receipt["dest"] == str(machine.copy)
        assert receipt["files"] == fleet.published["files"]
        assert receipt["bytes_refetched"] == 0
        assert receipt["banned"] == []
        assert receipt["bytes_manifest"] > 0
    assert total <= sum(receipt["bytes_origin"] for receipt in receipts) <= 1.1 * total
    assert any(receipt["bytes_peer"] for receipt in receipts)


def test_the_line_that_seed_prints_is_all_a_consumer_needs(fleet: Fleet, stage: Stage) -> None:
    words = fleet.ready["command"].split()
    assert words[:3] == ["swarm", "fetch", "places:1.0.0"]
    consumer = stage.machine("consumer")
    consumer.fetch(*words[2:])
    assert same(fleet.data, consumer.place / "places"), "DEST is the name's last part, here"


@pytest.mark.slow
def test_a_second_version_costs_its_difference_and_a_bare_name_means_latest(fleet: Fleet, stage: Stage) -> None:
    consumer, other = stage.machine("consumer"), stage.machine("other")
    first = consumer.fetch("places:1.0.0", str(consumer.copy), *fleet.words)
    changed = make_data(other.place / "data", 8 * MIB)
    insert(changed / "deep" / "06.bin", 300 * KIB, b"inserted")
    words = ("--key", str(fleet.producer.home / "publisher.key"), "--store", fleet.store)
    seeder = other.start("seed", str(changed), "places:1.1.0", *words, "--tracker", fleet.ready["http"])
    seeder.wait_for("ready")
    assert seeder.wait_for("published")["tags"] == ["places:1.1.0", "places:latest"]
    second = consumer.fetch("places", str(consumer.copy), *fleet.words)
    assert same(changed, consumer.copy)
    assert second["dataset"] == "places:latest"
    assert adds_up(second)
    moved = second["bytes_peer"] + second["bytes_origin"]
    assert 0 < moved < 0.25 * first["bytes"], "two blocks of a quarter to four times the average"
    # The old version is where it was: an immutable tag.
    again = consumer.fetch("places:1.0.0", str(consumer.place / "old"), *fleet.words)
    assert again["digest"] == first["digest"]
    assert same(fleet.data, consumer.place / "old")
    assert again["bytes_local"] > 0.75 * again["bytes"], "what is here already is not fetched"


@pytest.mark.slow
def test_the_same_again_moves_nothing(fleet: Fleet, stage: Stage) -> None:
    consumer = stage.machine("consumer")
    consumer.fetch("places:stable", str(consumer.copy), *fleet.words)
    again = consumer.fetch("places:stable", str(consumer.copy), *fleet.words)
    assert again["bytes_local"] == again["bytes"] == bytes_of(fleet.data)
    assert again["bytes_manifest"] == 0


@pytest.mark.slow
def test_without_any_store_the_data_is_where_it_was_and_changes_make_a_version(stage: Stage) -> None:
    """The producer is stopped, the data edited, the producer started again: same records, one more version."""
    producer, consumer = stage.machine("producer"), stage.machine("consumer")
    data = make_data(producer.place / "data", 6 * MIB)
    words = ("seed", str(data), "places:latest", "--identity", "seeder.key")
    seeder = producer.start(*words)
    published = seeder.wait_for("published")
    ready = seeder.wait_for("ready")
    first = consumer.fetch("places", str(consumer.copy), "--tracker", ready["http"])
    assert first["bytes_origin"] == bytes_of(data)
    assert not [path for path in producer.home.rglob("blocks/*/*") if path.stat().st_size > 64 * KIB], "no copy is made"
    assert seeder.stop().code == 143
    insert(data / "deep" / "03.bin", 1000, b"inserted")
    seeder = producer.start(*words, "--http", f"127.0.0.1:{ready['http'].rpartition(':')[2]}")
    again = seeder.wait_for("published")
    assert again["realm"] == published["realm"]
    assert again["bytes_new"] < 0.5 * again["bytes"]
    seeder.wait_for("ready")
    second = consumer.fetch("places", str(consumer.copy), "--tracker", ready["http"])
    assert same(data, consumer.copy)
    assert 0 < second["bytes_origin"] < 0.5 * second["bytes"]
    gone = stage.machine("late").run(
        "fetch", f"places@{first['digest']}", "old", "--tracker", ready["http"], "--dry-run"
    )
    assert gone.code in (0, 3)


@pytest.mark.slow
def test_producers_without_a_store_share_a_tracker(stage: Stage) -> None:
    """It has the realm of the first who told it something; the second publishes in that one."""
    tracker = stage.machine("tracker").start("tracker")
    url = tracker.wait_for("ready")["http"]
    names = ("places", "roads")
    data = {}
    for name in names:
        producer = stage.machine(f"producer-of-{name}")
        data[name] = make_data(producer.place / "data", MIB, seed=len(name))
        producer.start("seed", str(data[name]), f"{name}:1.0.0", "--tracker", url).wait_for("ready")
    for name in names:
        consumer = stage.machine(f"consumer-of-{name}")
        consumer.fetch(f"{name}:1.0.0", str(consumer.copy), "--tracker", url)
        assert same(data[name], consumer.copy)


@pytest.mark.slow
def test_two_producers_of_one_name_need_a_store(stage: Stage) -> None:
    """The second has the key, and not the history: the tracker tells him."""
    tracker = stage.machine("tracker").start("tracker")
    url = tracker.wait_for("ready")["http"]
    first, second = stage.machine("first"), stage.machine("second")
    data = make_data(first.place / "data", MIB)
    first.start("seed", str(data), "places:1.0.0", "--tracker", url).wait_for("ready")
    words = ("--key", str(first.home / "publisher.key"), "--tracker", url)
    ended = second.run("seed", str(data), "places:2.0.0", *words)
    assert ended.code == 8
    assert "--store" in ended.error["hint"]
