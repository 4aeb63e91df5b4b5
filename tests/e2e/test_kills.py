"""`kill -9` at random moments, of one and of many: DEST is one whole version, and what had come does not come again.

What a run had received, its journal says (docs/holdings.md). Read from outside, the journal is a second witness beside
the receipts: a block that came twice would be in it twice.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from swarm.holdings.journal import HEADER_BYTES, RECORD_BYTES
from swarm.protocol.ids import VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import decode_root
from swarm.protocol.version import assemble
from swarm.store import open_store
from tests.e2e.datasets import KIB, MIB, adds_up, make_data, same
from tests.e2e.processes import PATIENCE_S, POLL_S, Event, Machine, Process, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TOTAL = 8 * MIB
BLOCK = 64 * KIB
IN_FLIGHT_MAX = 8 * 4 * BLOCK
"""Eight slots, and no block is longer than four times the average."""

KILLS = 20

UNFINISHED = 24
"""Blocks that no killed run takes: at 2 MB/s there is time to kill it before they have come."""


# --- what is published ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Edition:
    """One version: its tree, and how long each block of its table is. `number`: what its staging areas are named by."""

    label: str
    number: str
    tree: Path
    lengths: tuple[int, ...]

    def bytes_of(self, blocks: set[int]) -> int:
        return sum(self.lengths[block] for block in blocks)

    @property
    def blocks(self) -> set[int]:
        return set(range(len(self.lengths)))


@dataclass(frozen=True)
class House:
    """A directory store with two versions that have half their files in common."""

    store: str
    old: Edition
    new: Edition


@pytest.fixture(scope="module")
def house(shared: Stage) -> House:
    producer = shared.machine("producer")
    store = str(shared.place / "store")
    old = make_data(producer.place / "old", TOTAL)
    new = shutil.copytree(old, producer.place / "new", symlinks=True)
    rng = random.Random(2)
    for path in sorted((new / "deep" / "er").iterdir())[:6]:
        path.write_bytes(rng.randbytes(path.stat().st_size))
    editions = []
    for data, label in ((old, "places:1.0.0"), (new, "places:2.0.0")):
        ended = producer.run("seed", str(data), label, "--store", store, "--block-size", "64KiB", "--once")
        assert ended.code == 0, ended.err
        digest = bytes.fromhex(ended.one("published")["digest"])
        editions.append(Edition(label, digest.hex()[:8], data, trio.run(_lengths, store, VersionId(digest))))
    return House(store, *editions)


async def _lengths(url: str, version: VersionId) -> tuple[int, ...]:
    async with open_store(url) as store:
        root = await store.get_root(version)
        refs = IndexSpace(decode_root(root)).page_refs
        pages = {number: await store.get_block(ref.id) for number, ref in enumerate(refs)}
        return tuple(assemble(root, pages).block_lengths)


# --- what an earlier run had ----------------------------------------------------------------------


def journal(dest: Path, edition: Edition) -> set[int]:
    """The blocks that a fetch of the edition has received so far: each once, and none was taken back.

    Beside it may lie the area of the other edition, whose commit was killed after its last rename.
    """
    records = array("I")
    with contextlib.suppress(FileNotFoundError):
        data = (dest.parent / f".{dest.name}.swarm-{edition.number}" / "journal").read_bytes()[HEADER_BYTES:]
        records.frombytes(data[: len(data) - len(data) % RECORD_BYTES])
    found = set(records)
    assert len(found) == len(records), "a block was written a second time"
    assert found <= edition.blocks
    return found


def told(fetch: Process) -> int:
    """What a run said it had received from others."""
    progress = [event for event in fetch.events() if event["event"] == "progress" and event["phase"] == "fetch"]
    return progress[-1]["bytes_peer"] + progress[-1]["bytes_origin"] if progress else 0


def moved(receipt: Event) -> int:
    return int(receipt["bytes_peer"] + receipt["bytes_origin"])


def watch(fetch: Process, condition: Callable[[], bool]) -> None:
    """Until the condition holds, or the fetch has ended before."""
    deadline = time.monotonic() + PATIENCE_S
    while fetch.is_running and not condition():
        assert time.monotonic() < deadline, fetch.said()
        time.sleep(POLL_S / 4)


@dataclass(frozen=True)
class Reaper:
    """Kills a fetch at a random moment of one of its times: while it starts, while blocks come, while it commits."""

    rng: random.Random
    dest: Path

    def starting(self, fetch: Process) -> None:
        time.sleep(self.rng.uniform(0, 2.0))
        fetch.kill()

    def receiving(self, fetch: Process, edition: Edition, most: int) -> None:
        """After 0 to `most` blocks more than the journal has."""
        goal = len(journal(self.dest, edition)) + self.rng.randint(0, most)
        watch(fetch, lambda: len(journal(self.dest, edition)) >= goal)
        time.sleep(self.rng.uniform(0, 0.05))
        fetch.kill()

    def committing(self, fetch: Process, edition: Edition) -> None:
        watch(fetch, lambda: journal(self.dest, edition) == edition.blocks)
        time.sleep(self.rng.uniform(0, 0.15))
        fetch.kill()


# --- one fetch ------------------------------------------------------------------------------------


def test_a_fetch_killed_at_twenty_moments_completes_and_nothing_comes_twice(house: House, stage: Stage) -> None:
    """Blocks come from a seeder, which sees twenty peers vanish."""
    edition, rng = house.old, random.Random(9)
    seeder = stage.machine("producer").start("seed", "--from-store", edition.label, "--store", house.store)
    consumer = stage.machine("consumer")
    words = (edition.label, str(consumer.copy), "--tracker", str(seeder.wait_for("ready")["http"]))
    reaper, before = Reaper(rng, consumer.copy), set[int]()
    for number in range(KILLS):
        limit = "100KB" if number % 4 == 0 else "2MB"
        fetch = consumer.start("fetch", *words, "--download-limit", limit, "--linger", "0")
        if number % 4 == 0:
            reaper.starting(fetch)
        else:
            # Twice the share of each run that is still to come, so that it takes all of them, and none completes it.
            left = max(len(edition.blocks - before) - UNFINISHED, 0)
            reaper.receiving(fetch, edition, 2 * left // (KILLS - number + 1))
        assert fetch.popen.returncode == -9, "it had not ended by itself"
        assert not consumer.copy.exists(), "nothing, as before"
        now = journal(consumer.copy, edition)
        assert before <= now, "what had come is kept"
        assert told(fetch) <= edition.bytes_of(now - before) + IN_FLIGHT_MAX, "what a run said it had is kept"
        before = now
    receipt = consumer.fetch(*words)
    assert same(edition.tree, consumer.copy)
    assert adds_up(receipt)
    assert moved(receipt) == edition.bytes_of(edition.blocks - before), "only what had not come"
    assert receipt["bytes_refetched"] <= IN_FLIGHT_MAX
    assert consumer.run("verify", str(consumer.copy)).code == 0
    assert sorted(path.name for path in consumer.place.iterdir()) == ["copy", "home", "swarm"], "nothing is left over"


def test_an_update_killed_at_twenty_moments_leaves_one_whole_version(house: House, stage: Stage) -> None:
    """To and fro between two versions, at every time of a fetch; the next run goes on from what DEST is then."""
    consumer, rng = stage.machine("consumer"), random.Random(11)
    words = (str(consumer.copy), "--store", house.store, "--linger", "0")
    consumer.run("fetch", house.old.label, *words)
    is_at, target = house.old, house.new
    reaper, before = Reaper(rng, consumer.copy), set[int]()
    for number in range(KILLS):
        update = consumer.start("fetch", target.label, *words, "--download-limit", "3MB")
        match number % 3:
            case 0:
                reaper.starting(update)
            case 1:
                reaper.receiving(update, target, len(target.blocks) // 2)
            case _:
                reaper.committing(update, target)
        if same(target.tree, consumer.copy):
            is_at, target, before = target, is_at, set()
            continue
        assert same(is_at.tree, consumer.copy), "the old version or the new one, whole"
        now = journal(consumer.copy, target)
        assert before <= now, "what had come is kept"
        before = now
    receipt = consumer.run("fetch", target.label, *words).receipt
    assert same(target.tree, consumer.copy)
    assert adds_up(receipt)
    assert moved(receipt) <= target.bytes_of(target.blocks - before)
    assert receipt["bytes_refetched"] <= IN_FLIGHT_MAX
    assert consumer.run("verify", str(consumer.copy)).code == 0
    assert sorted(path.name for path in consumer.place.iterdir()) == ["copy", "home", "swarm"], "nothing is left over"


# --- several --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fleet:
    """Three throttled consumers of a seeder and a tracker, with a store behind."""

    edition: Edition
    tracker: Process
    seeder: Process
    machines: tuple[Machine, ...]
    words: tuple[str, ...]

    def fetch(self, *more: str) -> list[Process]:
        return [each.start("fetch", self.edition.label, str(each.copy), *self.words, *more) for each in self.machines]

    def journals(self) -> list[set[int]]:
        return [journal(each.copy, self.edition) for each in self.machines]

    def wait_until_under_way(self, fetches: list[Process], blocks: int) -> None:
        """Each has received some."""
        for machine, fetch in zip(self.machines, fetches, strict=True):
            watch(fetch, lambda machine=machine: len(journal(machine.copy, self.edition)) >= blocks)  # type: ignore[misc]
            assert fetch.is_running, fetch.said()

    def check(self, receipts: list[Event]) -> None:
        for machine, receipt in zip(self.machines, receipts, strict=True):
            assert same(self.edition.tree, machine.copy)
            assert adds_up(receipt)
            assert receipt["banned"] == []
            assert receipt["bytes_refetched"] <= IN_FLIGHT_MAX
            assert sorted(path.name for path in machine.place.iterdir()) == ["copy", "home", "swarm"]


@pytest.fixture
def fleet(house: House, stage: Stage) -> Fleet:
    tracker = stage.machine("tracker").start("tracker", "--store", house.store)
    words = ("--tracker", str(tracker.wait_for("ready")["http"]), "--store", house.store)
    seeder = stage.machine("producer").start("seed", "--from-store", house.old.label, *words)
    seeder.wait_for("ready")
    machines = tuple(stage.machine(f"consumer-{number}") for number in range(3))
    return Fleet(house.old, tracker, seeder, machines, words)


def test_producer_and_tracker_killed_in_mid_fetch_the_consumers_finish(fleet: Fleet) -> None:
    fetches = fleet.fetch("--download-limit", "500KB")
    fleet.wait_until_under_way(fetches, 3)
    fleet.seeder.kill()
    fleet.tracker.kill()
    journals = fleet.journals()
    union = set[int]().union(*journals)
    assert union != fleet.edition.blocks, "something only the store has now"
    assert all(fetch.is_running for fetch in fetches)
    receipts = [fetch.wait().receipt for fetch in fetches]
    fleet.check(receipts)
    assert all(moved(receipt) == sum(fleet.edition.lengths) for receipt in receipts)
    assert sum(receipt["bytes_peer"] for receipt in receipts) > 0
    assert sum(receipt["bytes_origin"] for receipt in receipts) >= sum(fleet.edition.lengths)


def test_all_consumers_killed_at_once_go_on_where_they_were(fleet: Fleet) -> None:
    before: list[set[int]] = [set(), set(), set()]
    for _ in range(2):
        fetches = fleet.fetch("--download-limit", "500KB", "--linger", "0")
        fleet.wait_until_under_way(fetches, max(len(one) for one in before) + 5)
        for fetch in fetches:
            fetch.popen.kill()
        for fetch in fetches:
            assert fetch.popen.wait() == -9
        now = fleet.journals()
        for fetch, old, new in zip(fetches, before, now, strict=True):
            assert old <= new, "what had come is kept"
            assert told(fetch) <= fleet.edition.bytes_of(new - old) + IN_FLIGHT_MAX
        before = now
    receipts = [fetch.wait().receipt for fetch in fleet.fetch()]
    fleet.check(receipts)
    for receipt, old in zip(receipts, before, strict=True):
        assert moved(receipt) == fleet.edition.bytes_of(fleet.edition.blocks - old), "only what had not come"
