"""Stores whose blocks are wrong or gone, stores that are none, stores that may not be read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import MIB, adds_up, make_data, same
from tests.e2e.processes import Machine, Process, Stage
from tests.e2e.stores import blocks_of, copy_store, remove, spoil

pytestmark = pytest.mark.timeout(300)

Spoiling = Callable[[Path], str]


@dataclass(frozen=True)
class Good:
    """A store that is right; tests spoil copies of it."""

    data: Path
    store: Path


@pytest.fixture(scope="module")
def good(shared: Stage) -> Good:
    producer = shared.machine("producer")
    data, store = make_data(producer.place / "data", 3 * MIB), shared.place / "store"
    assert producer.run("seed", str(data), "places:1.0.0", "--store", str(store), "--once").code == 0
    return Good(data, store)


@pytest.fixture
def store(good: Good, stage: Stage) -> Path:
    return copy_store(good.store, stage.place / "store")


@pytest.fixture
def consumer(stage: Stage) -> Machine:
    return stage.machine("consumer")


def start_tracker(stage: Stage, store: Path) -> str:
    return str(stage.machine("tracker").start("tracker", "--store", str(store)).wait_for("ready")["http"])


def holder_of_everything(stage: Stage, good: Good, store: Path, url: str) -> Process:
    """Somebody who fetched it when the store was well, and gives it."""
    holder = stage.machine("holder")
    holder.fetch("places:1.0.0", str(holder.copy), "--store", str(store))
    serving = holder.start("serve", str(holder.copy), "--tracker", url)
    serving.wait_for("ready")
    return serving


# --- blocks that are wrong or gone ----------------------------------------------------------------


def test_a_corrupt_block_is_named_and_nothing_wrong_is_visible(good: Good, store: Path, consumer: Machine) -> None:
    block = spoil(blocks_of(store)[0])
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", str(store))
    assert ended.code == 7
    assert block in ended.complaint
    assert "corrupt" in ended.complaint
    assert not consumer.copy.exists()
    # Mended, it goes on: what had come is kept.
    shutil.copy(good.store / "blocks" / block[:2] / block, store / "blocks" / block[:2] / block)
    receipt = consumer.fetch("places:1.0.0", str(consumer.copy), "--store", str(store))
    assert same(good.data, consumer.copy)
    assert receipt["bytes_local"] > 0


def test_a_missing_block_is_named(store: Path, consumer: Machine) -> None:
    block = remove(blocks_of(store)[0])
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", str(store))
    assert ended.code == 3
    assert block in ended.complaint
    assert "missing" in ended.complaint
    assert not consumer.copy.exists()


@pytest.mark.parametrize(("spoiling", "code"), [(spoil, 7), (remove, 3)])
def test_under_leases_it_fails_as_clearly(
    stage: Stage, store: Path, consumer: Machine, spoiling: Spoiling, code: int
) -> None:
    url = start_tracker(stage, store)
    block = spoiling(blocks_of(store)[0])
    words = ("--store", str(store), "--tracker", url)
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), *words)
    assert ended.code == code
    assert block in ended.complaint


@pytest.mark.parametrize("spoiling", [spoil, remove])
def test_it_is_taken_from_a_peer_that_has_it(
    good: Good, stage: Stage, store: Path, consumer: Machine, spoiling: Spoiling
) -> None:
    url = start_tracker(stage, store)
    holder_of_everything(stage, good, store, url)
    for block in blocks_of(store):
        spoiling(block)
    words = ("--store", str(store), "--tracker", url, "--linger", "0")
    receipt = consumer.run("fetch", "places:1.0.0", str(consumer.copy), *words).receipt
    assert same(good.data, consumer.copy)
    assert adds_up(receipt)
    assert receipt["bytes_peer"] == receipt["bytes"]
    assert receipt["banned"] == [], "a bad disk in the store is nobody's lie"


def test_a_corrupt_page_and_a_corrupt_root_are_refused(good: Good, stage: Stage, store: Path) -> None:
    consumer = stage.machine("consumer")
    page = spoil(blocks_of(store)[-1])
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", str(store))
    assert ended.code == 7
    assert page in ended.complaint
    root = next((store / "versions").rglob("*"))
    spoil(root)
    fresh = stage.machine("fresh")
    ended = fresh.run("fetch", "places:1.0.0", str(fresh.copy), "--store", str(store))
    assert ended.code == 7
    assert root.name in ended.complaint


def test_publishing_again_mends_a_store(good: Good, stage: Stage, store: Path, consumer: Machine) -> None:
    """A block that is gone is sent again; the producer need not know which."""
    block = remove(blocks_of(store)[0])
    producer = stage.machine("producer")
    key = str(good.data.parent / "swarm" / "publisher.key")
    ended = producer.run("seed", str(good.data), "places:1.0.0", "--store", str(store), "--key", key, "--once")
    assert ended.code == 0
    assert (store / "blocks" / block[:2] / block).exists()
    consumer.fetch("places:1.0.0", str(consumer.copy), "--store", str(store))
    assert same(good.data, consumer.copy)


# --- stores that are none -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["absent", "empty", "other"])
def test_a_place_that_is_no_store_is_named(stage: Stage, consumer: Machine, kind: str) -> None:
    place = stage.place / "no-store"
    if kind != "absent":
        place.mkdir()
    if kind == "other":
        (place / "photos").mkdir()
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", str(place))
    assert ended.code == 3
    assert str(place) in ended.complaint
    assert place.exists() == (kind != "absent"), "looking makes no store"


def test_a_store_of_a_later_format_is_refused(store: Path, consumer: Machine) -> None:
    (store / "swarm.cbor").write_bytes(b"\xa1\x00\x18\x63")
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", str(store))
    assert ended.code in (5, 7)
    assert str(store) in ended.complaint


def test_a_store_url_that_means_nothing_is_a_usage_error(consumer: Machine) -> None:
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", "ftp://somewhere/else")
    assert ended.code == 2
    assert "s3://" in ended.complaint


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to be somebody else")
@pytest.mark.parametrize("hidden", ["", "blocks", "swarm.cbor"])
def test_a_store_without_rights_is_named(good: Good, hidden: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place, Stage(Path(place)) as stage:
        nobody = stage.machine("nobody", prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        nobody.home.mkdir()
        store = copy_store(good.store, Path(place) / "store")
        for directory in (Path(place), nobody.place, nobody.home):
            directory.chmod(0o755)
            os.chown(directory, 65534, 65534)
        (store / hidden).chmod(0)
        ended = nobody.run("fetch", "places:1.0.0", str(nobody.copy), "--store", str(store))
        assert ended.code == 6
        assert str(store) in ended.complaint
        assert not nobody.copy.exists()
