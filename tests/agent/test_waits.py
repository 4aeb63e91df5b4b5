"""A fetch that does not move says why: every kind of reason, with since when and the bound; and so does a look-up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import trio

from swarm.agent import waits as waits_module
from swarm.agent import watch
from swarm.agent.backlog import Backlog
from swarm.agent.fetch_shelf import FetchShelf
from swarm.agent.notices import Phase, Progress, Waits
from swarm.agent.pacing import Limits, Pacer
from swarm.agent.shelf import Kept
from swarm.agent.tracker_link import TrackerAddress, TrackerLink
from swarm.agent.waits import SOURCELESS_S
from swarm.errors import UnavailableError, UnreachableError
from swarm.exchange.wait import Wait, WaitKind, merged
from swarm.protocol.ids import BlockId, Index
from tests.agent.world import KIB, Machine, make_data, open_world, raised_by


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tells soon what is told after seconds: the order is the same."""
    for name, seconds in (("INTERVAL_S", 0.02), ("STALLED_S", 0.1), ("TOLD_S", 0.25), ("TOLD_AGAIN_S", 60.0)):
        monkeypatch.setattr(watch, name, seconds)
    monkeypatch.setattr(waits_module, "DISK_S", 0.1)


def told(machine: Machine) -> list[Waits]:
    return [notice for notice in machine.notices if isinstance(notice, Waits)]


async def until_told(machine: Machine, *words: str) -> Waits:
    """The first reason with all of these words."""
    with trio.fail_after(20):
        while True:
            for notice in told(machine):
                if all(word in notice.reason for word in words):
                    return notice
            await trio.sleep(0.02)


async def waits_of_fetch(machine: Machine, dest: Path, *words: str) -> Waits:
    """Fetches until the reason was told, and no longer."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(machine.fetch, "data:1.0.0", dest)
        found = await until_told(machine, *words)
        nursery.cancel_scope.cancel()
    return found


def check_progress(machine: Machine, found: Waits) -> None:
    """What is told has been on the line of progress before."""
    before = machine.notices[: machine.notices.index(found)]
    lines = [notice for notice in before if isinstance(notice, Progress) and notice.waiting]
    for line in lines:
        assert line.waiting_since_s is not None
        assert line.waiting_blocks is not None
    last = lines[-1]
    assert (last.phase, last.waiting_bound_s, last.waiting_blocks) == (found.phase, found.bound_s, found.blocks)


async def test_nobody_to_ask_is_told_with_the_end_of_the_fetch(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2, size=100 * KIB)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer = await world.machine()
        found = await waits_of_fetch(consumer, tmp_path / "copy", "there is no neighbour, no tracker and no store")
    assert found.phase is Phase.MANIFEST
    assert found.blocks == publication.version.space.page_count
    assert found.bound_s == SOURCELESS_S
    assert "with nobody to ask the fetch ends after 60 s" in found.reason
    assert found.since_s >= 0.1
    check_progress(consumer, found)


async def test_a_store_that_says_slow_down_is_told_with_what_it_said(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2, size=100 * KIB)

    def slow_down(_block: BlockId) -> NoReturn:
        raise UnavailableError("503 SlowDown", is_slow_down=True)

    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        world.store_fault = slow_down
        found = await waits_of_fetch(consumer, tmp_path / "copy", "the store has refused", "503 SlowDown")
    assert "asked again in" in found.reason
    check_progress(consumer, found)


@pytest.mark.parametrize("whose", ["origin", "download"])
async def test_a_rate_limit_is_told_by_its_name(tmp_path: Path, whose: str) -> None:
    data = make_data(tmp_path / "data", files=2, size=300 * KIB)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True, limits=Limits(**{whose: Pacer(1000)}))
        found = await waits_of_fetch(consumer, tmp_path / "copy", f"held to --{whose}-limit (1000 bytes a second)")
        assert found.bound_s is not None
        longest = max(publication.version.block_lengths)
        assert 65.536 <= found.bound_s <= longest / 1000
        assert f"every {found.bound_s:.1f} s" in found.reason
    check_progress(consumer, found)


@pytest.mark.parametrize("reads_store", [True, False])
async def test_a_disk_that_takes_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, reads_store: bool
) -> None:
    data = make_data(tmp_path / "data", files=2, size=100 * KIB)

    async def keep(_shelf: FetchShelf, _index: Index, _data: bytes) -> Kept:
        await trio.Event().wait()
        return Kept.NEW

    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=reads_store)
        if not reads_store:
            consumer.meet(await world.seeder(publication))
        monkeypatch.setattr(FetchShelf, "keep", keep)
        await waits_of_fetch(consumer, tmp_path / "copy", "for the disk")


def test_a_backlog_says_for_how_long_the_disk_has_taken_nothing(autojump_clock: object) -> None:
    async def live() -> None:
        backlog = Backlog()
        await trio.sleep(5)
        assert backlog.idle_s(trio.current_time()) == 0
        backlog.add(100)
        await trio.sleep(3)
        backlog.add(100)
        assert backlog.idle_s(trio.current_time()) == pytest.approx(3)
        backlog.remove(100)
        await trio.sleep(1)
        assert backlog.idle_s(trio.current_time()) == pytest.approx(1)
        backlog.remove(100)
        assert backlog.idle_s(trio.current_time()) == 0

    trio.run(live, clock=autojump_clock)  # type: ignore[arg-type]


# --- while a name is asked for -------------------------------------------------------------------


@contextmanager
def tracked_by(machine: Machine, *urls: str) -> Iterator[TrackerLink]:
    """Gives a machine trackers that are being looked for, for ever."""

    async def find(_url: str) -> TrackerAddress:
        await trio.sleep_forever()
        raise AssertionError

    tracker = machine.agent.tracker
    tracker._urls, tracker._find = urls, find
    object.__setattr__(machine.agent.parts, "trackers", urls)
    yield tracker


async def test_a_tracker_that_cannot_be_reached_is_told_while_a_name_is_asked_for(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        machine = await world.machine()
        with tracked_by(machine, "http://one", "http://two") as tracker:
            tracker.failures["http://one"] = UnreachableError("connection refused")
            found = await waits_of_fetch(machine, tmp_path / "copy", "no tracker can be reached", "connection refused")
    assert (found.phase, found.blocks) == (Phase.RESOLVE, 0)
    assert found.bound_s == 30.0
    assert found.since_s >= 0.1
    check_progress(machine, found)


async def test_a_tracker_that_has_not_answered_is_told(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        machine = await world.machine()
        with tracked_by(machine, "http://one"):
            await waits_of_fetch(machine, tmp_path / "copy", "no tracker has answered for", "after 15 s")


async def test_a_store_that_does_not_answer_is_told_while_a_name_is_asked_for(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        machine = await world.machine()
        machine.agent.resolver._store = trio.sleep_forever
        found = await waits_of_fetch(machine, tmp_path / "copy", "the store has not answered")
    assert found.phase is Phase.RESOLVE
    check_progress(machine, found)


async def test_a_name_that_nobody_knows_is_an_error_as_before(tmp_path: Path) -> None:
    """The watcher of a question must neither wrap nor hide how it ends."""
    async with open_world(tmp_path) as world:
        machine = await world.machine()
        machine.agent.resolver._store = None
        async with raised_by(UnreachableError) as raised:
            await machine.fetch("data:1.0.0", tmp_path / "copy")
    assert type(raised[0]) is UnreachableError
    assert told(machine) == []


async def test_what_goes_on_waiting_is_told_again_and_another_kind_at_once() -> None:
    notices: list[object] = []

    class Notes:
        def notify(self, notice: object, /) -> None:
            notices.append(notice)

    teller = watch._Teller(Notes())
    offer, lease = Wait(WaitKind.OFFER, "offer", 9.0), Wait(WaitKind.LEASE, "lease", 3.0)
    teller.tell(Phase.FETCH, merged([(offer, 2)]), 0.1, now=0.0)
    assert notices == []
    for now in range(10):
        teller.tell(Phase.FETCH, merged([(offer, 2)]), 6.0, now=float(now))
    assert len(notices) == 1
    teller.tell(Phase.FETCH, merged([(offer, 2), (lease, 1)]), 6.0, now=10.0)
    assert len(notices) == 3
    teller.tell(Phase.FETCH, merged([(offer, 2)]), 6.0, now=11.0)
    assert len(notices) == 3
    teller.tell(Phase.FETCH, merged([(offer, 2)]), 6.0, now=70.0)
    assert len(notices) == 4
    teller.tell(Phase.FETCH, (), 0.0, now=71.0)
    teller.tell(Phase.FETCH, merged([(offer, 2)]), 6.0, now=72.0)
    assert len(notices) == 5
