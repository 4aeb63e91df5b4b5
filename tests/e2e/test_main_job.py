"""The main job: one machine publishes, others fetch it from each other, a second version costs its difference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import KIB, MIB, adds_up, bytes_of, insert, make_data, same
from tests.e2e.processes import Event, Machine, Process, Stage

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Fleet:
    """A producer that serves what it has published, and what it takes to fetch it."""

    data: Path
    producer: Machine
    seeder: Process
    ready: Event
    published: Event

    @property
    def words(self) -> tuple[str, ...]:
        return ("--tracker", self.ready["http"], "--publisher", self.published["publisher"])


@pytest.fixture(scope="module")
def fleet(shared: Stage) -> Fleet:
    producer = shared.machine("producer")
    data = make_data(producer.place / "data", 12 * MIB)
    seeder = producer.start("seed", str(data), "places:1.0.0", "-t", "places:stable")
    ready = seeder.wait_for("ready")
    return Fleet(data, producer, seeder, ready, seeder.wait_for("published"))


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


def test_a_second_version_costs_its_difference_and_a_bare_name_means_latest(fleet: Fleet, stage: Stage) -> None:
    consumer, other = stage.machine("consumer"), stage.machine("other")
    first = consumer.fetch("places:1.0.0", str(consumer.copy), *fleet.words)
    changed = make_data(other.place / "data", 12 * MIB)
    insert(changed / "deep" / "06.bin", 300 * KIB, b"inserted")
    key = str(fleet.producer.home / "publisher.key")
    seeder = other.start("seed", str(changed), "places:1.1.0", "--key", key, "--tracker", fleet.ready["http"])
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


def test_the_same_again_moves_nothing(fleet: Fleet, stage: Stage) -> None:
    consumer = stage.machine("consumer")
    consumer.fetch("places:stable", str(consumer.copy), *fleet.words)
    again = consumer.fetch("places:stable", str(consumer.copy), *fleet.words)
    assert again["bytes_local"] == again["bytes"] == bytes_of(fleet.data)
    assert again["bytes_manifest"] == 0
