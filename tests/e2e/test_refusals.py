"""What swarm will not do, and how it says so: the exit code, the reason, what to do; and nothing is touched."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import KIB, MIB, insert, make_data, same, tree
from tests.e2e.processes import Event, Machine, Process, Stage
from tests.servers.processes import free_port

pytestmark = pytest.mark.timeout(300)

STRANGER = "ed25519:" + "a" * 52


@dataclass(frozen=True)
class Published:
    """A directory store with `places:1.0.0`, `places:latest` and `place-names:stable`, and a tracker over it."""

    producer: Machine
    data: Path
    store: str
    tracker: Process
    url: str
    event: Event


@pytest.fixture(scope="module")
def published(shared: Stage) -> Published:
    producer = shared.machine("producer")
    data, store = make_data(producer.place / "data", 3 * MIB), str(shared.place / "store")
    event = producer.run("seed", str(data), "places:1.0.0", "--store", store, "--once").one("published")
    producer.run("seed", str(data), "place-names:stable", "--store", store, "--once")
    tracker = shared.machine("tracker").start("tracker", "--store", store)
    return Published(producer, data, store, tracker, tracker.wait_for("ready")["http"], event)


@pytest.fixture
def consumer(stage: Stage) -> Machine:
    return stage.machine("consumer")


def listing(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


# --- what is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["store", "tracker"])
def test_an_unknown_name_names_the_nearest(published: Published, consumer: Machine, source: str) -> None:
    words = {"store": ("--store", published.store), "tracker": ("--tracker", published.url)}[source]
    ended = consumer.run("fetch", "plaices:1.0.0", str(consumer.copy), *words)
    assert ended.code == 3
    assert "there is no plaices:1.0.0" in ended.complaint
    assert "places" in ended.error["hint"]
    assert not consumer.copy.exists()


@pytest.mark.parametrize("source", ["store", "tracker"])
def test_an_unknown_tag_names_the_nearest(published: Published, consumer: Machine, source: str) -> None:
    words = {"store": ("--store", published.store), "tracker": ("--tracker", published.url)}[source]
    ended = consumer.run("fetch", "places:1.0.1", str(consumer.copy), *words)
    assert ended.code == 3
    assert "1.0.0" in ended.error["hint"]


def test_a_bare_name_without_latest_and_release_asks_for_a_tag(published: Published, consumer: Machine) -> None:
    ended = consumer.run("fetch", "place-names", str(consumer.copy), "--store", published.store)
    assert ended.code == 3
    assert "stable" in ended.error["hint"]


def test_a_bare_name_without_latest_means_the_newest_release(published: Published, stage: Stage) -> None:
    store = str(stage.place / "store")
    for tag in ("1.2.0", "1.10.0", "1.11.0-rc1"):
        published.producer.run("seed", str(published.data), f"roads:{tag}", "--store", store, "--once", "--no-latest")
    consumer = stage.machine("consumer")
    assert consumer.fetch("roads", str(consumer.copy), "--store", store)["dataset"] == "roads:1.10.0"


def test_a_version_that_nobody_has_is_not_found(published: Published, consumer: Machine) -> None:
    ended = consumer.run("fetch", f"places@{'ab' * 32}", str(consumer.copy), "--store", published.store)
    assert ended.code == 3


def test_an_illegal_name_is_refused_with_a_legal_one(consumer: Machine) -> None:
    ended = consumer.run("fetch", "My Places:1.0.0", "--store", "x")
    assert ended.code == 2
    assert "my-places" in ended.complaint


# --- whom to ask ----------------------------------------------------------------------------------


def test_nobody_can_be_reached(consumer: Machine) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--tracker", url)
    assert ended.code == 4
    assert url in ended.complaint
    assert not consumer.copy.exists()


def test_nobody_to_ask_is_a_usage_error(consumer: Machine) -> None:
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy))
    assert ended.code == 2
    assert "--tracker" in ended.complaint


def test_what_answers_there_is_no_tracker(consumer: Machine, published: Published) -> None:
    address = published.tracker.wait_for("ready")["addresses"][0]
    port = address.split("/")[4]
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--tracker", f"http://127.0.0.1:{port}")
    assert ended.code in (4, 5)
    assert f"127.0.0.1:{port}" in ended.complaint


# --- whom to believe ------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["store", "tracker"])
def test_another_publisher_than_the_one_named_is_refused(published: Published, consumer: Machine, source: str) -> None:
    words = {"store": ("--store", published.store), "tracker": ("--tracker", published.url)}[source]
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), *words, "--publisher", STRANGER)
    assert ended.code == 5
    assert published.event["publisher"] in ended.complaint
    assert STRANGER in ended.complaint
    assert not consumer.copy.exists()


def test_the_first_use_pins_and_another_key_is_refused_later(published: Published, stage: Stage) -> None:
    consumer, stranger = stage.machine("consumer"), stage.machine("stranger")
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", published.store, "--linger", "0")
    assert published.event["publisher"] in ended.notes
    other = str(stage.place / "other-store")
    stranger.run("seed", str(published.data), "places:1.0.0", "--store", other, "--once")
    refused = consumer.run("fetch", "places:1.0.0", str(consumer.place / "b"), "--store", other)
    assert refused.code == 5
    assert "swarm trust places" in refused.error["hint"]
    assert not (consumer.place / "b").exists()


def test_a_stranger_may_not_publish_under_a_name_that_is_taken(published: Published, stage: Stage) -> None:
    stranger = stage.machine("stranger")
    ended = stranger.run("seed", str(published.data), "places:9.9.9", "--store", published.store, "--once")
    assert ended.code == 5
    assert "swarm key add" in ended.complaint


# --- where it goes --------------------------------------------------------------------------------


def test_a_directory_that_is_not_ours_is_left_alone(published: Published, consumer: Machine) -> None:
    consumer.copy.mkdir()
    (consumer.copy / "precious").write_text("mine")
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", published.store)
    assert ended.code == 2
    assert str(consumer.copy) in ended.complaint
    assert listing(consumer.copy) == ["precious"]
    assert listing(consumer.place) == ["copy", "home", "swarm"], "nothing was staged beside it"


def test_a_file_that_is_not_ours_is_left_alone(published: Published, consumer: Machine) -> None:
    consumer.copy.write_text("mine")
    assert consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", published.store).code == 2
    assert consumer.copy.read_text() == "mine"


def test_an_edited_file_stops_a_fetch_and_repair_restores_it(published: Published, consumer: Machine) -> None:
    words = ("places:1.0.0", str(consumer.copy), "--store", published.store, "--linger", "0")
    consumer.run("fetch", *words)
    edited, removed = consumer.copy / "deep" / "00.bin", consumer.copy / "deep" / "er" / "01.bin"
    insert(edited, 1000, b"edited")
    removed.unlink()
    before = tree(consumer.copy)
    ended = consumer.run("fetch", *words)
    assert ended.code == 7
    assert "deep/00.bin" in ended.complaint
    assert "--repair" in ended.complaint
    assert tree(consumer.copy) == before
    verified = consumer.run("verify", str(consumer.copy))
    assert verified.code == 7
    differences = {(one["kind"], one["path"]) for one in verified.all("difference")}
    assert differences == {("edited", "deep/00.bin"), ("missing", "deep/er/01.bin")}
    repaired = consumer.run("fetch", *words, "--repair").receipt
    assert same(published.data, consumer.copy)
    assert 0 < repaired["bytes_origin"] < 0.5 * repaired["bytes"]
    assert consumer.run("verify", str(consumer.copy)).code == 0


@pytest.mark.parametrize("dest", ["file/inside", "/proc/swarm/copy"])
def test_a_place_where_no_directory_can_be_is_named(published: Published, consumer: Machine, dest: str) -> None:
    (consumer.place / "file").write_text("mine")
    ended = consumer.run("fetch", "places:1.0.0", dest, "--store", published.store)
    assert ended.code == 2
    assert dest.removesuffix("/copy") in ended.complaint
    assert "choose another DEST" in ended.complaint


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to be somebody else")
def test_a_place_where_we_may_not_write_is_named(published: Published) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place, Stage(Path(place)) as stage:
        nobody = stage.machine("nobody", prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        nobody.home.mkdir()
        for directory in (Path(place), nobody.place, nobody.home):
            directory.chmod(0o755)
        os.chown(nobody.home, 65534, 65534)
        store = shutil.copytree(published.store, Path(place) / "store")
        ended = nobody.run("fetch", "places:1.0.0", str(nobody.copy), "--store", str(store))
        assert ended.code == 6
        assert str(nobody.place) in ended.complaint
        assert not nobody.copy.exists()


# --- what is published ----------------------------------------------------------------------------


def test_once_without_a_store_is_a_usage_error(published: Published, consumer: Machine) -> None:
    ended = consumer.run("seed", str(published.data), "places:1.0.0", "--once")
    assert ended.code == 2
    assert "--store" in ended.complaint


def test_a_release_never_moves(published: Published, stage: Stage) -> None:
    changed = stage.place / "changed"
    shutil.copytree(published.data, changed, symlinks=True)
    (changed / "new").write_text("new")
    ended = published.producer.run("seed", str(changed), "places:1.0.0", "--store", published.store, "--once")
    assert ended.code == 5
    assert "places:1.0.0" in ended.complaint
    assert "next number" in ended.complaint


def test_the_same_content_again_makes_no_new_version(published: Published, stage: Stage) -> None:
    again = stage.place / "again"
    shutil.copytree(published.data, again, symlinks=True)
    os.utime(again / "run.sh", (1, 1))
    ended = published.producer.run("seed", str(again), "places:1.0.0", "--store", published.store, "--once")
    assert ended.code == 0
    assert ended.one("published")["is_unchanged"]
    assert ended.one("published")["digest"] == published.event["digest"]


def test_of_two_producers_of_one_tag_one_is_told(published: Published, stage: Stage) -> None:
    """Both hold the key; both start from the same record; the store decides."""
    store, key = str(stage.place / "store"), str(published.producer.home / "publisher.key")
    producers = [stage.machine(f"producer-{number}") for number in range(2)]
    data = [make_data(each.place / "data", 256 * KIB, seed=number) for number, each in enumerate(producers)]
    for round_number in range(8):
        for each in data:
            (each / "round").write_text(f"{each} {round_number}")
        running = [
            each.start("seed", str(path), "roads:stable", "--store", store, "--key", key, "--once")
            for each, path in zip(producers, data, strict=True)
        ]
        ended = [each.wait() for each in running]
        codes = sorted(each.code for each in ended)
        assert codes in ([0, 0], [0, 8]), [each.err for each in ended]
        if codes == [0, 8]:
            break
    else:
        pytest.skip("the two never met")
    winner, loser = sorted(ended, key=lambda each: each.code)
    assert "another producer was first" in loser.complaint
    assert loser.complaint.count("roads:stable") >= 2, "both records"
    consumer = stage.machine("consumer")
    assert (
        consumer.fetch("roads:stable", str(consumer.copy), "--store", store)["digest"]
        == winner.one("published")["digest"]
    )


def test_a_source_that_changes_while_it_is_published_is_refused(stage: Stage) -> None:
    producer = stage.machine("producer")
    data = make_data(producer.place / "data", 200 * MIB, files=4)
    seed = producer.start("seed", str(data), "places:1.0.0", "--store", str(stage.place / "store"), "--once")
    seed.wait_for("progress", lambda event: event["phase"] == "prepare" and event["bytes_done"] > 0)
    with (data / "deep" / "00.bin").open("r+b") as file:
        file.write(b"changed")
    ended = seed.wait()
    shutil.rmtree(data)
    assert ended.code == 9
    assert "00.bin" in ended.complaint
    consumer = stage.machine("consumer")
    nothing = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", str(stage.place / "store"))
    assert nothing.code == 3, "nothing was published"


def test_a_store_inside_of_what_is_published_is_refused(stage: Stage) -> None:
    producer = stage.machine("producer")
    data = make_data(producer.place / "data", 64 * KIB)
    ended = producer.run("seed", str(data), "places:1.0.0", "--store", str(data / "store"), "--once")
    assert ended.code == 2
