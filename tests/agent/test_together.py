"""One agent doing several things at once: fetches two versions, fetches and serves, lingers, is cancelled, goes on."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from swarm.agent.notices import Phase, Progress, Receipt
from swarm.agent.pacing import Limits, Pacer
from swarm.errors import NoSpaceError, UnavailableError
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.holdings.staging import Staging
from swarm.protocol.ids import BlockId, Index
from tests.agent.world import KIB, Machine, make_data, open_world, same_trees


async def test_two_versions_are_fetched_at_once_by_one_agent(tmp_path: Path) -> None:
    one, two = make_data(tmp_path / "one", seed=1, files=6), make_data(tmp_path / "two", seed=2, files=6)
    receipts: dict[str, Receipt] = {}
    async with open_world(tmp_path) as world:
        seeders = [await world.seeder(await world.publish(one, "one:1.0.0"))]
        seeders.append(await world.seeder(await world.publish(two, "two:1.0.0")))
        consumer = await world.machine()

        async def run(name: str) -> None:
            receipts[name] = await consumer.fetch(f"{name}:1.0.0", tmp_path / f"copy-{name}")

        async with trio.open_nursery() as nursery:
            for seeder in seeders:
                consumer.meet(seeder)
            for name in ("one", "two"):
                nursery.start_soon(run, name)
        consumer.agent.driver.node.check()
    for name, data in (("one", one), ("two", two)):
        assert same_trees(data, tmp_path / f"copy-{name}")
        receipt = receipts[name]
        assert receipt.bytes == receipt.bytes_local + receipt.bytes_origin
        assert (receipt.bytes_wasted, receipt.peers) == (0, 1)


async def test_one_version_to_two_places_at_once_is_fetched_once(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=6)
    receipts: list[Receipt] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, consumer = await world.seeder(publication), await world.machine()
        consumer.meet(seeder)

        async def run(number: int) -> None:
            receipts.append(await consumer.fetch("data:1.0.0", tmp_path / f"copy{number}"))

        async with trio.open_nursery() as nursery:
            for number in range(2):
                nursery.start_soon(run, number)
        assert not consumer.agent._fetching
    assert all(same_trees(data, tmp_path / f"copy{number}") for number in range(2))
    assert sum(receipt.bytes_origin for receipt in receipts) == publication.version.root.totals.block_bytes


async def test_what_is_being_fetched_is_given_on_meanwhile(tmp_path: Path) -> None:
    """A chain: the last knows only the middle one, which knows the seeder."""
    data = make_data(tmp_path / "data", files=10)
    order: list[str] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication)
        middle = await world.machine(limits=Limits(download=Pacer(6000 * KIB)))
        last = await world.machine()
        first_given = trio.Event()

        def watch(event: e.Event, _commands: list[c.Command]) -> None:
            if isinstance(event, e.BlockSent) and not first_given.is_set():
                order.append("middle gives")
                first_given.set()

        async def run(machine: Machine, name: str) -> None:
            await machine.fetch("data:1.0.0", tmp_path / name, linger_s=None)
            order.append(f"{name} is done")

        with middle.agent.watched_by(watch):
            async with trio.open_nursery() as nursery:
                middle.meet(seeder)
                last.meet(middle)
                nursery.start_soon(run, middle, "middle")
                nursery.start_soon(run, last, "last")
    assert order[0] == "middle gives"
    assert same_trees(data, tmp_path / "middle")
    assert same_trees(data, tmp_path / "last")


@pytest.mark.slow
async def test_who_is_done_stays_while_a_neighbour_lacks_something_and_no_longer(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=6)
    ends: dict[str, float] = {}
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, first = await world.seeder(publication), await world.machine()
        slow = await world.machine(limits=Limits(download=Pacer(3000 * KIB)))

        async def run(machine: Machine, name: str) -> None:
            await machine.fetch("data:1.0.0", tmp_path / name, linger_s=None)
            ends[name] = trio.current_time()

        async with trio.open_nursery() as nursery:
            first.meet(seeder)
            slow.meet(first)
            nursery.start_soon(run, first, "first")
            nursery.start_soon(run, slow, "slow")
        lingered = [n for n in first.notices if isinstance(n, Progress) and n.phase is Phase.LINGER]
        # Alone, it goes at once.
        began_at = trio.current_time()
        await slow.fetch("data:1.0.0", tmp_path / "again", linger_s=None)
        alone_s = trio.current_time() - began_at
    assert lingered
    assert (tmp_path / "slow").exists()
    assert ends["first"] - ends["slow"] < 5
    assert alone_s < 8


async def test_a_cancelled_fetch_closes_its_session_and_the_agent_can_fetch_again(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=10)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, consumer = await world.seeder(publication), await world.machine()
        consumer.meet(seeder)
        arrived = trio.Event()

        def watch(event: e.Event, _commands: list[c.Command]) -> None:
            if isinstance(event, e.BlockArrived) and event.index >= publication.version.space.page_count:
                arrived.set()

        async with trio.open_nursery() as nursery:
            with consumer.agent.watched_by(watch):
                nursery.start_soon(consumer.fetch, "data:1.0.0", tmp_path / "copy")
                await arrived.wait()
            nursery.cancel_scope.cancel()
        assert consumer.agent.driver.node.statistics().sessions == ()
        assert consumer.agent.driver.shelves.find(publication.version.id) is None
        consumer.agent.driver.node.check()
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
        consumer.agent.driver.node.check()
    assert same_trees(data, tmp_path / "copy")
    assert receipt.bytes_local > 0
    assert receipt.bytes_refetched == 0


async def test_the_end_of_an_agent_closes_its_connections(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=3)
    ended: list[str] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication)

        def watch(event: e.Event, _commands: list[c.Command]) -> None:
            if isinstance(event, e.PeerDisconnected):
                ended.append(event.reason)

        with seeder.agent.watched_by(watch):
            async with AsyncExitStack() as stack:
                consumer = await world.machine(stack=stack)
                consumer.meet(seeder)
                await consumer.fetch("data:1.0.0", tmp_path / "copy")
                assert seeder.agent.driver.links.agents()
            with trio.fail_after(5):
                while seeder.agent.driver.links.agents():  # noqa: ASYNC110  (of somebody else's state)
                    await trio.sleep(0.01)
    assert ended


async def test_a_full_disk_ends_its_fetch_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = make_data(tmp_path / "one", seed=1, files=6), make_data(tmp_path / "two", seed=2, files=6)
    async with open_world(tmp_path) as world:
        await world.publish(one, "one:1.0.0")
        full = (await world.publish(two, "two:1.0.0")).version.id
        consumer = await world.machine(reads_store=True)
        write, written = Staging.write, 0

        async def fail(staging: Staging, index: Index, data: bytes) -> bool:
            nonlocal written
            written += staging.version.id == full
            if written > 3 and staging.version.id == full:
                raise NoSpaceError("the disk is full")
            return await write(staging, index, data)

        monkeypatch.setattr(Staging, "write", fail)
        errors: list[Exception] = []

        async def run_full() -> None:
            with pytest.raises(NoSpaceError) as caught:
                await consumer.fetch("two:1.0.0", tmp_path / "copy2")
            errors.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_full)
            nursery.start_soon(consumer.fetch, "one:1.0.0", tmp_path / "copy1")
        monkeypatch.undo()
        # There is room again: the same agent goes on where it stopped.
        receipt = await consumer.fetch("two:1.0.0", tmp_path / "copy2")
        consumer.agent.driver.node.check()
    assert errors
    assert same_trees(one, tmp_path / "copy1")
    assert same_trees(two, tmp_path / "copy2")
    assert receipt.bytes_local > 0


async def test_a_version_that_is_served_and_then_fetched_to_another_place_goes_on_being_served(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=4)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        version = publication.version.id
        server, asker = await world.machine(reads_store=True), await world.machine()
        await server.fetch("data:1.0.0", tmp_path / "first")
        server.agent.driver.shelves.close(version)
        asker.meet(server)
        await asker.fetch("data:1.0.0", tmp_path / "copy1")
        served = server.agent.driver.shelves.find(version)
        assert served is not None  # opened when it was asked for
        with pytest.raises(NoSpaceError):
            await fail_to_fetch(server, tmp_path / "second")
        assert server.agent.driver.shelves.find(version) is served
        await server.fetch("data:1.0.0", tmp_path / "third")
        await asker.holdings.remove(tmp_path / "copy1")
        receipt = await asker.fetch("data:1.0.0", tmp_path / "copy2")
        server.agent.driver.node.check()
    assert receipt.bytes_peer + receipt.bytes_local == receipt.bytes
    assert same_trees(data, tmp_path / "third")


async def fail_to_fetch(machine: Machine, dest: Path) -> None:
    stage = machine.holdings.stage

    def refuse(*_arguments: object, **_options: object) -> object:
        raise NoSpaceError("no room")

    machine.holdings.stage = refuse  # type: ignore[assignment, method-assign]
    try:
        await machine.fetch("data:1.0.0", dest)
    finally:
        machine.holdings.stage = stage  # type: ignore[method-assign]


@pytest.mark.slow
async def test_a_slow_disk_is_no_reason_to_ask_again_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promise is broken after two seconds without a byte; what has come and waits for the disk is not late."""
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, consumer = await world.seeder(publication), await world.machine()
        consumer.meet(seeder)
        write, is_first = Staging.write, True

        async def hang(staging: Staging, index: Index, data: bytes) -> bool:
            nonlocal is_first
            if is_first:
                is_first = False
                await trio.sleep(3)
            return await write(staging, index, data)

        monkeypatch.setattr(Staging, "write", hang)
        forgotten: list[c.ForgetRequest] = []

        def watch(_event: e.Event, commands: list[c.Command]) -> None:
            forgotten.extend(command for command in commands if isinstance(command, c.ForgetRequest))

        with consumer.agent.watched_by(watch):
            receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
    assert same_trees(data, tmp_path / "copy")
    assert forgotten == []
    assert receipt.bytes_wasted == 0


async def test_a_block_damaged_in_the_staging_area_is_fetched_again(tmp_path: Path) -> None:
    """It was here, was read for a neighbour, and is something else by now: the commit waits for it."""
    data = make_data(tmp_path / "data", files=6)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        version = publication.version
        consumer = await world.machine(reads_store=True)
        page_count, arrived = version.space.page_count, list[Index]()
        damaged = trio.Event()

        def watch(event: e.Event, _commands: list[c.Command]) -> None:
            if isinstance(event, e.StoreRead) and event.index >= page_count:
                arrived.append(event.index)
                if len(arrived) == 4:
                    damaged.set()

        async def damage() -> None:
            await damaged.wait()
            for staged in [path for path in tmp_path.rglob("file*.bin") if data not in path.parents]:
                with staged.open("r+b") as file:
                    file.write(b"\xff" * staged.stat().st_size)
            found = [await consumer.holdings.read(version.id, index) for index in arrived]
            assert None in found
            world.store_fault = None

        def no_more(_block: BlockId) -> None:
            if world.store_reads > page_count + 4:
                raise UnavailableError("not before the damage is done")

        world.store_fault = no_more

        async with trio.open_nursery() as nursery:
            with consumer.agent.watched_by(watch):
                nursery.start_soon(damage)
                receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
    assert same_trees(data, tmp_path / "copy")
    assert receipt.bytes_wasted > 0  # what came twice
