"""Nothing waits in silence: what a user and a script see of a fetch that has stopped, and of a look-up that hangs."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.e2e.datasets import MIB, make_data
from tests.e2e.processes import Event, Machine, Process, Stage, until

pytestmark = pytest.mark.timeout(120)


def start_for_people(stage: Stage, machine: Machine, *words: str) -> Process:
    """A command as a user has it whose output goes to a file."""
    command = (sys.executable, "-m", "cli.main", *words, "--listen", "127.0.0.1:0", "--no-lan")
    return stage.start(command, words, cwd=machine.place, env=machine.env)


def check(waits: Event, phase: str, *words: str) -> None:
    assert list(waits) == ["event", "phase", "reason", "since_s", "bound_s", "blocks"]
    assert waits["phase"] == phase
    assert all(word in waits["reason"] for word in words), waits


def test_a_fetch_whose_only_source_has_died_says_so_on_both_screens(stage: Stage) -> None:
    producer = stage.machine("producer")
    data = make_data(producer.place / "data", 12 * MIB)
    seeder = producer.start("seed", str(data), "places:1.0.0", "--upload-limit", "1MB")
    words = ("fetch", "places:1.0.0", "--tracker", seeder.wait_for("ready")["http"])
    words = (*words, "--publisher", seeder.wait_for("published")["publisher"])
    script = stage.machine("script").start(*words)
    person = start_for_people(stage, stage.machine("person"), *words)
    # The seeder and each other: what neither has is then lacked by one neighbour.
    script.wait_for("progress", lambda event: event["phase"] == "fetch" and event["peers"] == 2)
    seeder.kill()
    waits = script.wait_for("waits", lambda event: "the 1 neighbour has it not" in event["reason"])
    check(waits, "fetch", "the tracker is away since", "no store to ask")
    assert waits["blocks"] > 0
    assert waits["since_s"] >= 4.0
    assert waits["bound_s"] == 5.0
    progress = [event for event in script.events() if event["event"] == "progress" and event["waiting"]]
    assert progress[-1]["waiting_since_s"] > 0
    assert progress[-1]["waiting_blocks"] > 0
    until(lambda: "waiting: " in person.said(), "a line of why for people")
    assert "no store to ask" in person.said()


def test_a_tracker_that_never_answers_is_named_while_a_name_is_looked_up(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        words = ("fetch", "places:1.0.0", "--tracker", url, "--tracker", f"{url}/2")
        script = stage.machine("script").start(*words)
        person = start_for_people(stage, stage.machine("person"), *words)
        waits = script.wait_for("waits")
        check(waits, "resolve", "no tracker ", "done without when each address was tried")
        assert (waits["bound_s"], waits["blocks"]) == (30.0, 0)
        assert waits["since_s"] >= 4.0
        until(lambda: "waiting: no tracker has answered" in person.said(), "a line of why for people")


def test_a_price_makes_the_receipt_speak_of_money(stage: Stage, tmp_path: Path) -> None:
    producer, consumer = stage.machine("producer"), stage.machine("consumer")
    data = make_data(producer.place / "data", 2 * MIB)
    store = str(tmp_path / "store")
    assert producer.run("seed", str(data), "places:1.0.0", "--store", store, "--once").code == 0
    receipt = consumer.fetch("places:1.0.0", "--store", store, "--price-per-gb", "90")
    assert receipt["saved_bytes"] == 0
    assert receipt["store_alone_cost"] == pytest.approx(receipt["store_alone_bytes"] * 90 / 1e9, abs=1e-5)
    assert (receipt["saved"], receipt["price_per_gb"], receipt["origin_copies"]) == (0, 90, pytest.approx(1, abs=0.2))
    person = start_for_people(stage, stage.machine("person"), "fetch", "places:1.0.0", "--store", store)
    until(lambda: "% from the store" in person.said(), "a receipt for people")
