"""Processes that are killed, frozen, interrupted: the next run continues, and the others go on."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import KIB, MIB, adds_up, bytes_of, insert, make_data, same
from tests.e2e.processes import Event, Process, Stage, until

pytestmark = pytest.mark.timeout(300)

TOTAL = 12 * MIB
IN_FLIGHT_MAX = 8 * MIB
"""Eight blocks at once, none longer than 1 MiB: of 12 MiB the average is 256 KiB, and none is four times as long."""


@dataclass(frozen=True)
class House:
    """A directory store with a dataset in two versions, and the tree of each."""

    store: str
    key: str
    old: Path
    new: Path


@pytest.fixture(scope="module")
def house(shared: Stage) -> House:
    producer = shared.machine("producer")
    old, new = make_data(producer.place / "old", TOTAL), make_data(producer.place / "new", TOTAL, seed=2)
    insert(new / "deep" / "00.bin", 100 * KIB, b"new")
    store = str(shared.place / "store")
    for data, tag in ((old, "1.0.0"), (new, "2.0.0")):
        assert producer.run("seed", str(data), f"places:{tag}", "--store", store, "--once").code == 0
    return House(store, str(producer.home / "publisher.key"), old, new)


@pytest.fixture
def tracker(stage: Stage, house: House) -> Process:
    return stage.machine("tracker").start("tracker", "--store", house.store)


def url(service: Process) -> str:
    return str(service.wait_for("ready")["http"])


def port(service: Process) -> str:
    return url(service).rpartition(":")[2]


def is_under_way(event: Event) -> bool:
    """Some blocks have come, and most have not."""
    return event["phase"] == "fetch" and bool(0 < event["bytes_done"] < TOTAL / 2)


# --- a fetch --------------------------------------------------------------------------------------


def test_a_killed_fetch_goes_on_where_it_was_and_dest_is_old_or_new(house: House, stage: Stage) -> None:
    consumer = stage.machine("consumer")
    words = (str(consumer.copy), "--store", house.store, "--linger", "0")
    consumer.run("fetch", "places:1.0.0", *words)
    killed = consumer.start("fetch", "places:2.0.0", *words, "--download-limit", "4MB", "--origin-limit", "4MB")
    done = killed.wait_for("progress", is_under_way)["bytes_done"]
    killed.kill()
    assert same(house.old, consumer.copy), "the old version, whole"
    receipt = consumer.run("fetch", "places:2.0.0", *words).receipt
    assert same(house.new, consumer.copy)
    assert adds_up(receipt)
    assert receipt["bytes_local"] >= done, "what had come was not fetched again"
    assert receipt["bytes_refetched"] <= IN_FLIGHT_MAX, "no more than was under way"
    assert consumer.run("verify", str(consumer.copy)).code == 0
    assert sorted(path.name for path in consumer.place.iterdir()) == ["copy", "home", "swarm"], "nothing is left over"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_fetch_tidily_and_the_printed_command_goes_on(
    house: House, stage: Stage, number: signal.Signals, code: int
) -> None:
    consumer = stage.machine("consumer")
    fetch = consumer.start("fetch", "places:1.0.0", str(consumer.copy), "--store", house.store, "--origin-limit", "4MB")
    done = fetch.wait_for("progress", is_under_way)["bytes_done"]
    fetch.signal(number)
    ended = fetch.wait()
    assert ended.code == code
    assert not consumer.copy.exists()
    command = ended.error["hint"].partition("swarm ")[2].split()
    receipt = consumer.run(*(word for word in command if word != "--json"), is_loopback=False).receipt
    assert same(house.old, consumer.copy)
    assert receipt["bytes_local"] >= done
    assert receipt["bytes_refetched"] <= IN_FLIGHT_MAX


def test_a_second_interruption_ends_it_at_once(house: House, stage: Stage) -> None:
    consumer = stage.machine("consumer")
    fetch = consumer.start("fetch", "places:1.0.0", str(consumer.copy), "--store", house.store, "--origin-limit", "4MB")
    fetch.wait_for("progress", is_under_way)
    fetch.signal(signal.SIGINT)
    fetch.signal(signal.SIGINT)
    assert fetch.wait().code == 130
    assert consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--store", house.store).receipt["bytes_local"]
    assert same(house.old, consumer.copy)


def test_an_interruption_while_it_lingers_leaves_success(house: House, stage: Stage) -> None:
    consumer = stage.machine("consumer")
    words = ("places:1.0.0", str(consumer.copy), "--store", house.store, "--linger", "forever")
    fetch = consumer.start("fetch", *words)
    fetch.wait_for("receipt")
    fetch.signal(signal.SIGINT)
    assert fetch.wait().receipt["bytes"] == bytes_of(house.old)
    assert same(house.old, consumer.copy)


def test_background_gives_the_prompt_back_and_goes_on_giving(house: House, stage: Stage, tracker: Process) -> None:
    first, second = stage.machine("first"), stage.machine("second")
    words = ("places:1.0.0", "--tracker", url(tracker))
    ended = first.run("fetch", *words, str(first.copy), "--store", house.store, "--background", "--linger", "forever")
    assert ended.receipt["bytes_origin"] > 0
    logs = list((first.home / "logs").iterdir())
    assert len(logs) == 1
    lingering = _process_with_home(first.home)
    try:
        # The second has no store: what it gets, the process in the background gives.
        assert second.fetch(*words, str(second.copy))["bytes_peer"] == bytes_of(house.old)
    finally:
        os.kill(lingering, signal.SIGTERM)
    until(lambda: not Path(f"/proc/{lingering}").exists(), "the process in the background ends")


def _process_with_home(home: Path) -> int:
    """The one `swarm serve` whose environment has this SWARM_HOME."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                environment = (place / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"SWARM_HOME={home}".encode() in environment:
                found.append(int(place.name))
    assert len(found) == 1, found
    return found[0]


# --- a tracker ------------------------------------------------------------------------------------


def test_a_fetch_goes_on_without_the_tracker_and_tells_the_next_one(house: House, stage: Stage) -> None:
    """Killed in mid-fetch; another comes back with its identity and ports, and knows nothing."""
    machine = stage.machine("tracker")
    identity = ("--identity", str(machine.place / "tracker.key"))
    tracker = machine.start("tracker", *identity)
    address = url(tracker)
    listen = tracker.wait_for("ready")["addresses"][0].split("/")
    producer = stage.machine("producer")
    seeder = producer.start("seed", str(house.old), "roads:1.0.0", "--tracker", address)
    seeder.wait_for("ready")
    consumers = [stage.machine(f"consumer-{number}") for number in range(2)]
    words = ("roads:1.0.0", "--tracker", address)
    fetches = [
        each.start("fetch", *words, str(each.copy), "--download-limit", "3MB", "--linger", "0") for each in consumers
    ]
    for fetch in fetches:
        fetch.wait_for("progress", is_under_way)
    tracker.kill()
    receipts = [fetch.wait().receipt for fetch in fetches]
    for consumer, receipt in zip(consumers, receipts, strict=True):
        assert same(house.old, consumer.copy)
        assert adds_up(receipt)
    again = machine.start(
        "tracker", *identity, "--listen", f"127.0.0.1:{listen[4]}", "--http", f"127.0.0.1:{port(tracker)}",
        "--no-lan", is_loopback=False,
    )  # fmt: skip
    again.wait_for("ready")
    newcomer = stage.machine("newcomer")
    until(lambda: newcomer.run("ls", "roads", "--tracker", address).code == 0, "the seeder tells the new tracker")
    assert newcomer.fetch(*words, str(newcomer.copy))["bytes"] == bytes_of(house.old)
    assert same(house.old, newcomer.copy)


# --- a seeder -------------------------------------------------------------------------------------


def test_a_killed_seeder_is_replaced_by_the_store(house: House, stage: Stage, tracker: Process) -> None:
    producer, consumer = stage.machine("producer"), stage.machine("consumer")
    words = ("--store", house.store, "--tracker", url(tracker))
    seeder = producer.start("seed", "--from-store", "places:1.0.0", *words)
    seeder.wait_for("ready")
    fetch = consumer.start("fetch", "places:1.0.0", str(consumer.copy), *words, "--download-limit", "3MB")
    fetch.wait_for("progress", is_under_way)
    seeder.kill()
    receipt = fetch.wait().receipt
    assert same(house.old, consumer.copy)
    assert receipt["bytes_origin"] == bytes_of(house.old)


# --- a peer ---------------------------------------------------------------------------------------


def test_a_frozen_peer_is_noticed_and_asked_no_more(house: House, stage: Stage, tracker: Process) -> None:
    """It holds everything, answers nothing, and its connections stay open: as when its cable is pulled."""
    holders = [stage.machine(f"holder-{number}") for number in range(2)]
    words = ("places:1.0.0", "--tracker", url(tracker))
    serving = []
    for each in holders:
        each.fetch(*words, str(each.copy), "--store", house.store)
        serving.append(each.start("serve", str(each.copy), "--tracker", url(tracker), "--upload-limit", "2MB"))
        serving[-1].wait_for("ready")
    consumer = stage.machine("consumer")
    fetch = consumer.start("fetch", *words, str(consumer.copy), "--linger", "0")
    fetch.wait_for("progress", lambda event: is_under_way(event) and event["peers"] == 2)
    serving[0].signal(signal.SIGSTOP)
    receipt = fetch.wait().receipt
    assert same(house.old, consumer.copy)
    assert adds_up(receipt)
    assert receipt["banned"] == [], "to be silent is no lie"
