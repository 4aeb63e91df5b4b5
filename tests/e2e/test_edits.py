"""Files that somebody edits behind our back: never given as what they were, by nobody, to nobody."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import MIB, adds_up, bytes_of, make_data, same
from tests.e2e.processes import Machine, Process, Stage

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Published:
    data: Path
    store: str
    url: str


@pytest.fixture(scope="module")
def published(shared: Stage) -> Published:
    producer = shared.machine("producer")
    data, store = make_data(producer.place / "data", 6 * MIB), str(shared.place / "store")
    producer.run("seed", str(data), "places:1.0.0", "--store", store, "--once")
    tracker = shared.machine("tracker").start("tracker", "--store", store)
    return Published(data, store, tracker.wait_for("ready")["http"])


def edit_by_mmap(path: Path) -> None:
    """A byte in each part, through a mapping; then the old times again."""
    before = path.stat()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        for offset in range(0, len(view), len(view) // 16):
            view[offset] ^= 0xFF
        view.flush()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def holding(stage: Stage, published: Published) -> tuple[Machine, Process]:
    """Somebody who has it all and gives it."""
    holder = stage.machine("holder")
    holder.fetch("places:1.0.0", str(holder.copy), "--store", published.store)
    serving = holder.start("serve", "--tracker", published.url)
    serving.wait_for("ready")
    return holder, serving


def test_an_edit_while_it_is_given_is_not_given(published: Published, stage: Stage) -> None:
    holder, serving = holding(stage, published)
    edited = [holder.copy / "deep" / "00.bin", holder.copy / "deep" / "er" / "01.bin"]
    for path in edited:
        edit_by_mmap(path)
    consumer = stage.machine("consumer")
    words = ("--tracker", published.url, "--store", published.store)
    receipt = consumer.fetch("places:1.0.0", str(consumer.copy), *words)
    assert same(published.data, consumer.copy)
    assert adds_up(receipt)
    assert receipt["banned"] == [], "it gave nothing wrong"
    assert 0 < receipt["bytes_origin"] < receipt["bytes_peer"] < bytes_of(published.data)
    assert serving.is_running
    verified = holder.run("verify", str(holder.copy))
    assert verified.code == 7
    assert {one["path"] for one in verified.all("difference")} == {"deep/00.bin", "deep/er/01.bin"}


def test_a_producer_who_edits_what_he_seeds(stage: Stage) -> None:
    """Without a store PATH is the data: what was edited cannot be had, the wait says so, and nothing wrong comes."""
    producer, consumer = stage.machine("producer"), stage.machine("consumer")
    data = make_data(producer.place / "data", 6 * MIB)
    seeder = producer.start("seed", str(data), "places:1.0.0")
    ready = seeder.wait_for("ready")
    before = (data / "deep" / "03.bin").read_bytes()
    edit_by_mmap(data / "deep" / "03.bin")
    words = ("places:1.0.0", str(consumer.copy), "--tracker", ready["http"], "--linger", "0")
    fetch = consumer.start("fetch", *words)
    assert fetch.wait_for("waiting")["reason"]
    assert not consumer.copy.exists()
    # He takes it back, and publishes again what he had published.
    (data / "deep" / "03.bin").write_bytes(before)
    assert fetch.stop().code == 143
    seeder.stop()
    again = producer.start("seed", str(data), "places:1.0.0").wait_for("ready")
    receipt = consumer.run("fetch", *words[:2], "--tracker", again["http"], "--linger", "0").receipt
    assert same(data, consumer.copy)
    assert receipt["bytes_local"] > 0, "what had come was kept"


def test_an_update_over_edits_stops_and_leaves_them(published: Published, stage: Stage) -> None:
    consumer = stage.machine("consumer")
    words = (str(consumer.copy), "--store", published.store, "--linger", "0")
    consumer.run("fetch", "places:1.0.0", *words)
    edit_by_mmap(consumer.copy / "deep" / "00.bin")
    (consumer.copy / "mine").write_text("added by me")
    edited = (consumer.copy / "deep" / "00.bin").read_bytes()
    ended = consumer.run("fetch", "places:latest", *words)
    assert ended.code == 7
    assert "deep/00.bin" in ended.complaint
    assert (consumer.copy / "deep" / "00.bin").read_bytes() == edited
    assert consumer.run("fetch", "places:latest", *words, "--repair").receipt
    assert same(published.data / "deep", consumer.copy / "deep")
    removed = consumer.run("rm", str(consumer.copy))
    assert removed.code == 0
    kept = {path.name for path in consumer.copy.rglob("*")} if consumer.copy.exists() else set()
    assert kept <= {"mine"}
