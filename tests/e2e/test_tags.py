"""Tags that move, as users move them: with a store and without, and what machines hear of it through a tracker."""

from __future__ import annotations

import pytest

from tests.e2e.datasets import KIB, make_data, same
from tests.e2e.processes import Machine, Stage

pytestmark = pytest.mark.timeout(300)


def tagged(producer: Machine, *words: str) -> dict[str, object]:
    ended = producer.run(*words)
    assert ended.code == 0, ended.err
    return ended.all("tagged")[0]


def test_without_a_store_the_tracker_hears_of_a_move_and_ranges_are_found(stage: Stage) -> None:
    producer, tracker = stage.machine("producer"), stage.machine("tracker").start("tracker")
    url = tracker.wait_for("ready")["http"]
    data = make_data(producer.place / "data", 100 * KIB)
    seeder = producer.start("seed", str(data), "places:1.4.0", "--no-latest", "--tracker", url)
    first = seeder.wait_for("published")
    seeder.wait_for("ready")
    words = ("--tracker", url, "--publisher", first["publisher"])
    consumer = stage.machine("consumer")
    fetched = consumer.run("fetch", "places:~1.4", str(consumer.copy), *words, "--linger", "0")
    assert fetched.receipt["dataset"] == "places:1.4.0"
    assert "places:~1.4 means places:1.4.0" in fetched.notes
    assert same(data, consumer.copy)

    assert tagged(producer, "tag", "places:1.x", "places:stable", "--tracker", url)["digest"] == first["digest"]
    other = stage.machine("other")
    assert other.fetch("places:stable", str(other.copy), *words)["digest"] == first["digest"]
    tagged(producer, "untag", "places:stable", "--tracker", url)
    gone = stage.machine("late").run("fetch", "places:stable", "copy", *words)
    assert gone.code == 3
    assert "was removed by its producer" in gone.complaint

    # A seeder that begins again tells a tracker that has forgotten everything what its history says.
    tagged(producer, "tag", "places:1.4.0", "places:beta", "--tracker", url)
    seeder.kill()
    tracker.kill()
    url = stage.machine("second-tracker").start("tracker").wait_for("ready")["http"]
    producer.start("seed", str(data), "places:1.4.0", "--no-latest", "--tracker", url).wait_for("ready")
    known = stage.machine("looker").run("tags", "places", "--tracker", url, "--no-lan").all("tag")
    assert {one["tag"]: one["digest"] for one in known} == {
        "1.4.0": first["digest"], "beta": first["digest"], "stable": None,
    }  # fmt: skip


def test_a_tracker_passes_on_a_release_that_was_moved_and_who_has_seen_it_refuses(stage: Stage) -> None:
    producer, store = stage.machine("producer"), str(stage.place / "store")
    url = stage.machine("tracker").start("tracker").wait_for("ready")["http"]
    data = make_data(producer.place / "data", 50 * KIB)
    common = ("--store", store, "--tracker", url)
    first = producer.run("seed", str(data), "places:1.0.0", *common, "--once").one("published")
    words = (*common, "--publisher", first["publisher"], "--no-lan", "--linger", "0")
    consumer = stage.machine("consumer")
    consumer.fetch("places:1.0.0", str(consumer.copy), *words)
    (data / "more").write_bytes(b"more")
    second = producer.run("seed", str(data), "places:1.1.0", *common, "--once").one("published")
    tagged(producer, "tag", "places:1.1.0", "places:1.0.0", "--force", *common)

    refused = consumer.run("fetch", "places:1.0.0", str(consumer.copy), *words)
    assert refused.code == 5
    assert "is immutable, and its producer has moved it all the same" in refused.complaint
    assert "swarm trust places --moved 1.0.0" in refused.error["hint"]
    assert not same(data, consumer.copy), "what is here is what was fetched"
    late = stage.machine("late")
    only_tracker = late.run("tags", "places:1.0.x", "--tracker", url, "--no-lan").one("tag")
    assert only_tracker["digest"] == second["digest"]
    assert consumer.run("trust", "places", "--moved", "1.0.0").code == 0
    assert consumer.run("fetch", "places:1.0.0", str(consumer.copy), *words).receipt["digest"] == second["digest"]
    assert same(data, consumer.copy)

    # A key that may no longer sign: a tracker without a store is told which records count now.
    helper = stage.machine("second")
    second_key = helper.run("key", "new").one("key")["fingerprint"]
    assert producer.run("key", "add", "places", second_key, *common).code == 0
    tagged(helper, "tag", "places:1.1.0", "places:stable", *common)
    assert producer.run("key", "remove", "places", second_key, *common).code == 0
    known = late.run("tags", "places", "--tracker", url, "--no-lan").all("tag")
    assert {one["tag"]: one["publisher"] for one in known} == dict.fromkeys(
        ("1.0.0", "1.1.0", "latest", "stable"), first["publisher"]
    )
    assert helper.run("tag", "places:1.0.0", "places:stable", *common).code == 5
