"""Disks that fill up, DEST as a mount point, a machine that lost its power."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import MIB, adds_up, bytes_of, make_data, same
from tests.e2e.lab import Mounts, needs_root
from tests.e2e.processes import Machine, Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300), needs_root]


@dataclass(frozen=True)
class Published:
    data: Path
    store: str


@pytest.fixture(scope="module")
def published(shared: Stage) -> Published:
    producer = shared.machine("producer")
    data, store = make_data(producer.place / "data", 12 * MIB), str(shared.place / "store")
    producer.run("seed", str(data), "places:1.0.0", "--store", store, "--once")
    return Published(data, store)


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    with Mounts() as mounts:
        yield mounts


def consumer_with_disk(stage: Stage, mounts: Mounts, size: str) -> tuple[Machine, Path]:
    """A machine with a small disk, where its copies go."""
    consumer = stage.machine("consumer", prefix=mounts.prefix)
    disk = consumer.place / "disk"
    disk.mkdir()
    mounts.mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk))
    return consumer, disk


def test_too_little_room_is_known_before_the_first_byte(published: Published, stage: Stage, mounts: Mounts) -> None:
    consumer, disk = consumer_with_disk(stage, mounts, "8m")
    ended = consumer.run("fetch", "places:1.0.0", str(disk / "copy"), "--store", published.store)
    assert ended.code == 6
    assert "missing" in ended.complaint
    assert str(disk) in ended.complaint
    assert list(mounts.seen(disk).iterdir()) == []
    mounts.mount("-o", "remount,size=40m", str(disk))
    consumer.fetch("places:1.0.0", str(disk / "copy"), "--store", published.store)
    assert same(published.data, mounts.seen(disk) / "copy")


def test_a_disk_that_others_fill_meanwhile(published: Published, stage: Stage, mounts: Mounts) -> None:
    consumer, disk = consumer_with_disk(stage, mounts, "20m")
    words = ("places:1.0.0", str(disk / "copy"), "--store", published.store, "--linger", "0")
    fetch = consumer.start("fetch", *words, "--origin-limit", "3MB")
    done = fetch.wait_for("progress", lambda event: event["bytes_done"] > 0)["bytes_done"]
    other = mounts.seen(disk) / "other"
    fill(other)
    ended = fetch.wait()
    assert ended.code == 6
    assert "make room" in ended.complaint
    assert sorted(path.name for path in mounts.seen(disk).iterdir() if not path.name.startswith(".")) == ["other"]
    other.unlink()
    receipt = consumer.run("fetch", *words).receipt
    assert same(published.data, mounts.seen(disk) / "copy")
    assert receipt["bytes_local"] >= done
    assert adds_up(receipt)
    assert [path.name for path in mounts.seen(disk).iterdir()] == ["copy"]


def fill(path: Path) -> None:
    """Takes all the room there is."""
    with path.open("wb") as file:
        try:
            while True:
                os.write(file.fileno(), bytes(1 << 16))
        except OSError:
            return


def test_a_full_home_is_named(published: Published, stage: Stage, mounts: Mounts) -> None:
    consumer = stage.machine("consumer", prefix=mounts.prefix)
    consumer.home.mkdir()
    mounts.mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(consumer.home))
    fill(mounts.seen(consumer.home) / "other")
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", published.store)
    assert ended.code == 6
    assert str(consumer.home) in ended.complaint or "SWARM_HOME" in ended.complaint
    assert not consumer.copy.exists()


def test_a_full_store_is_named(published: Published, stage: Stage, mounts: Mounts) -> None:
    producer, disk = consumer_with_disk(stage, mounts, "6m")
    words = ("places:1.0.0", "--store", str(disk / "store"), "--once")
    ended = producer.run("seed", str(published.data), *words)
    assert ended.code == 6
    assert str(disk / "store") in ended.complaint
    mounts.mount("-o", "remount,size=40m", str(disk))
    again = producer.run("seed", str(published.data), *words).one("published")
    assert 0 < again["bytes_new"] < again["bytes"], "what was sent is not sent again"


def test_a_mount_point_as_dest(published: Published, stage: Stage, mounts: Mounts) -> None:
    """The tree cannot be exchanged: it is done entry by entry, said so, and refused under --atomic."""
    consumer, disk = consumer_with_disk(stage, mounts, "64m")
    words = ("places:1.0.0", str(disk), "--store", published.store, "--linger", "0")
    refused = consumer.run("fetch", *words, "--atomic")
    assert refused.code == 5
    assert "mount point" in refused.complaint
    assert not any(path.name != ".swarm" for path in mounts.seen(disk).iterdir())
    ended = consumer.run("fetch", *words)
    assert ended.receipt["bytes"] == bytes_of(published.data)
    assert not ended.one("committed")["is_atomic"]
    assert same(published.data, mounts.seen(disk))
    assert consumer.run("verify", str(disk)).code == 0
    again = consumer.run("fetch", *words).receipt
    assert again["bytes_local"] == again["bytes"]


def test_after_a_power_cut_what_was_staged_is_hashed_again(published: Published, stage: Stage, mounts: Mounts) -> None:
    """Killed; some of what it wrote never reached the disk; another boot: only what is right counts."""
    consumer = stage.machine("consumer", prefix=mounts.prefix)
    words = ("places:1.0.0", str(consumer.copy), "--store", published.store, "--linger", "0")
    fetch = consumer.start("fetch", *words, "--origin-limit", "4MB")
    done = fetch.wait_for("progress", lambda event: event["bytes_done"] > 4 * MIB)["bytes_done"]
    fetch.kill()
    staged = [path for path in consumer.place.rglob("*.bin") if path.is_file() and path.stat().st_blocks]
    lost = 0
    for path in staged[::2]:
        with path.open("r+b") as file:
            lost += file.write(bytes(path.stat().st_size))
    assert lost > 0
    boot = consumer.place / "boot_id"
    boot.write_text("00000000-0000-4000-8000-000000000000\n")
    mounts.mount("--bind", str(boot), "/proc/sys/kernel/random/boot_id")
    receipt = consumer.run("fetch", *words).receipt
    assert same(published.data, consumer.copy)
    assert adds_up(receipt)
    assert 0 < receipt["bytes_local"] < done
    assert receipt["bytes_refetched"] > 0
    shutil.rmtree(consumer.copy)
