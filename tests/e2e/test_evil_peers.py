"""A peer that lies: what it sends is never visible, it is dropped, and the fetch ends as it should."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.datasets import MIB, adds_up, bytes_of, make_data, same
from tests.e2e.processes import Event, Machine, Process, Stage

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Village:
    """A tracker that knows a dataset, and one honest holder who gives it when he is told to."""

    data: Path
    store: str
    url: str
    digest: str
    holder: Machine


@pytest.fixture(scope="module")
def village(shared: Stage) -> Village:
    producer, holder = shared.machine("producer"), shared.machine("holder")
    data, store = make_data(producer.place / "data", 2 * MIB), str(shared.place / "store")
    digest = producer.run("seed", str(data), "places:1.0.0", "--store", store, "--once").one("published")["digest"]
    tracker = shared.machine("tracker").start("tracker", "--store", store)
    holder.fetch("places:1.0.0", str(holder.copy), "--store", store)
    return Village(data, store, tracker.wait_for("ready")["http"], digest, holder)


def start_evil(stage: Stage, village: Village, work: str, *more: str) -> tuple[Process, str]:
    """The liar, and the id that it will be banned under."""
    machine = stage.machine("evil")
    command = [sys.executable, "-m", "tests.e2e.evil_peer", work, village.url, village.store, village.digest, *more]
    evil = stage.start(command, command[2:], cwd=machine.place, env=machine.env)
    return evil, evil.wait_for("ready")["agent"]


def fetch(stage: Stage, village: Village, evil: Process) -> tuple[Machine, Event, list[Event]]:
    """The liar is the only one there, until it has lied."""
    consumer = stage.machine("consumer")
    running = consumer.start("fetch", "places:1.0.0", str(consumer.copy), "--tracker", village.url, "--linger", "0")
    evil.wait_for("did")
    assert not consumer.copy.exists()
    honest = village.holder.start("serve", "--tracker", village.url)
    ended = running.wait()
    receipt = ended.receipt
    assert same(village.data, consumer.copy)
    assert adds_up(receipt)
    assert receipt["bytes_peer"] == bytes_of(village.data)
    assert honest.stop().code == 143
    return consumer, receipt, ended.events


def test_wrong_bytes_ban_their_sender_by_name(village: Village, stage: Stage) -> None:
    evil, agent = start_evil(stage, village, "wrong_bytes")
    consumer, receipt, events = fetch(stage, village, evil)
    assert receipt["banned"] == [agent]
    assert receipt["bytes_wasted"] > 0
    assert any(agent[:16] in event["text"] for event in events if event["event"] == "note")
    assert consumer.run("verify", str(consumer.copy)).code == 0


@pytest.mark.parametrize(
    "work",
    [
        "another_block",
        "garbage",
        "length_of_4_gib",
        "bitfield_too_long",
        "silence",
        *(
            pytest.param(work, marks=pytest.mark.slow)
            for work in ("block_too_long", "block_too_short", "haves_outside", "cbor_bomb", "unknown_version")
        ),
    ],
)
def test_nonsense_ends_its_connection_and_nothing_else(village: Village, stage: Stage, work: str) -> None:
    evil, agent = start_evil(stage, village, work)
    _consumer, receipt, _events = fetch(stage, village, evil)
    assert set(receipt["banned"]) <= {agent}


@pytest.mark.slow
@pytest.mark.parametrize("work", ["wrong_bytes", "offer_nothing", "silence"])
def test_a_false_seeder_does_not_keep_anybody_from_the_truth(village: Village, stage: Stage, work: str) -> None:
    """It says that it is the origin, and is given its share of the blocks; nothing of that share ever comes."""
    store = str(stage.place / "store")
    shutil.copytree(village.store, store)
    tracker = stage.machine("tracker").start("tracker", "--store", store)
    url = tracker.wait_for("ready")["http"]
    evil, agent = start_evil(stage, replace(village, url=url), work, "origin")
    consumer = stage.machine("consumer")
    words = ("places:1.0.0", str(consumer.copy), "--tracker", url, "--store", store, "--linger", "0")
    receipt = consumer.run("fetch", *words).receipt
    assert same(village.data, consumer.copy)
    assert adds_up(receipt)
    assert receipt["bytes_origin"] == bytes_of(village.data)
    assert evil.wait_for("did")
    assert set(receipt["banned"]) <= {agent}
