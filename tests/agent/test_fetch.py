"""The main job in one process: publish, fetch from a seeder and from each other, resume, refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from swarm.agent.claims import Pinned
from swarm.agent.notices import Level, Note, Planned, Receipt
from swarm.dataset.selection import Selection
from swarm.errors import NotFoundError, UnreachableError, UsageError
from swarm.exchange.leasing import READS_ALONE
from tests.agent.world import KIB, PUBLISHER, World, make_data, open_world, same_trees


async def test_one_agent_fetches_from_a_seeder(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, consumer = await world.seeder(publication), await world.machine()
        consumer.meet(seeder)
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
    assert same_trees(data, tmp_path / "copy")
    assert receipt.bytes == publication.version.root.totals.bytes
    assert receipt.bytes == receipt.bytes_local + receipt.bytes_peer + receipt.bytes_origin
    assert receipt.bytes_origin == publication.version.root.totals.block_bytes
    assert receipt.bytes_manifest == publication.version.space.page_bytes
    assert receipt.bytes_wasted == 0
    assert world.store_reads == 0


@pytest.mark.parametrize("is_kept", [False, True])
async def test_the_publisher_that_is_named_is_pinned_where_nobody_is(tmp_path: Path, *, is_kept: bool) -> None:
    data, pinned = make_data(tmp_path / "data"), []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, consumer = await world.seeder(publication), await world.machine()
        consumer.meet(seeder)
        pin = Pinned(PUBLISHER.public_key, None, is_kept=is_kept)
        remember = lambda name, found: pinned.append((name, found))  # noqa: E731
        await consumer.fetch("data:1.0.0", tmp_path / "copy", pin=pin, remember=remember)
        notes = [one.text for one in consumer.notices if isinstance(one, Note)]
    expected = [("data", Pinned(PUBLISHER.public_key, world.store.realm))]
    assert pinned == ([] if is_kept else expected)
    assert notes == ([] if is_kept else ["from now on the publisher of data is the one that --publisher names"])


async def test_a_source_that_is_silent_is_named_although_another_knows(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, consumer = await world.seeder(publication), await world.machine()
        consumer.meet(seeder)
        resolver = consumer.agent.resolver
        asked = resolver.ask

        async def ask(*words: Any, **more: Any) -> Any:
            answers = await asked(*words, **more)
            resolver.failures = {"tracker": UnreachableError("no tracker answers", hint="is it running?")}
            return answers

        object.__setattr__(resolver, "ask", ask)
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        notes = [(one.text, one.level) for one in consumer.notices if isinstance(one, Note)]
    assert notes == [("no tracker answers; is it running?", Level.WARNING)]


async def test_a_fleet_takes_each_block_from_the_seeder_once(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=24)
    receipts: list[Receipt] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication)
        machines = [await world.machine() for _ in range(5)]

        async def run(number: int) -> None:
            receipt = await machines[number].fetch("data:1.0.0", tmp_path / f"copy{number}", linger_s=None)
            receipts.append(receipt)

        async with trio.open_nursery() as nursery:
            for number, machine in enumerate(machines):
                machine.meet(seeder)
                for other in machines:
                    if other is not machine:
                        machine.meet(other)
                nursery.start_soon(run, number)
    assert all(same_trees(data, tmp_path / f"copy{number}") for number in range(5))
    origin = sum(receipt.bytes_origin for receipt in receipts)
    # Once, in simulations. A machine that is starved for seconds gives some blocks again, as it should.
    assert origin <= 1.5 * publication.version.root.totals.block_bytes
    assert sum(receipt.bytes_peer for receipt in receipts) >= 3 * publication.version.root.totals.block_bytes


async def test_without_a_peer_every_block_comes_from_the_store_once(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=4)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
        assert world.store_reads == publication.version.space.size
    assert same_trees(data, tmp_path / "copy")
    assert receipt.bytes_origin == publication.version.root.totals.block_bytes


async def test_a_second_version_costs_its_difference(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        first = await consumer.fetch("data:1.0.0", tmp_path / "copy")
        (data / "new.bin").write_bytes(b"new" * 1000)
        await world.publish(data, "data:1.1.0")
        second = await consumer.fetch("data", tmp_path / "copy")
    assert same_trees(data, tmp_path / "copy")
    assert first.bytes_local < 0.2 * first.bytes
    assert second.bytes_origin < 0.3 * second.bytes
    assert second.dataset == "data:latest"


async def test_the_same_version_again_moves_nothing(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=4)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        reads = world.store_reads
        again = await consumer.fetch("data:1.0.0", tmp_path / "copy")
        assert world.store_reads == reads
    assert again.bytes_local == again.bytes


async def test_an_interrupted_fetch_goes_on_where_it_was(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=24)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        with (
            trio.CancelScope() as scope,
            consumer.agent.watched_by(lambda _event, _commands: _cancel_after(world, scope, 28)),
        ):
            await consumer.fetch("data:1.0.0", tmp_path / "copy")
        assert scope.cancelled_caught
        assert not (tmp_path / "copy").exists()
        before = world.store_reads
        again = await world.machine(reads_store=True, home=tmp_path / "home1")
        receipt = await again.fetch("data:1.0.0", tmp_path / "copy")
        size = publication.version.space.size
        # What was on its way, or about to be written, comes again.
        assert world.store_reads - before <= size - before + 2 * READS_ALONE < size
    assert same_trees(data, tmp_path / "copy")
    assert receipt.bytes_local > 0


def _cancel_after(world: World, scope: trio.CancelScope, reads: int) -> None:
    if world.store_reads >= reads:
        scope.cancel()


async def test_a_directory_that_is_not_ours_is_refused_and_not_touched(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    dest = tmp_path / "mine"
    dest.mkdir()
    (dest / "precious").write_text("do not touch")
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        with pytest.raises(UsageError):
            await consumer.fetch("data:1.0.0", dest)
    assert [path.name for path in dest.iterdir()] == ["precious"]


async def test_a_selection_of_nothing_is_refused_and_nothing_goes(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        some = Selection(["deep/**"])
        await consumer.fetch("data:1.0.0", tmp_path / "copy", selection=some)
        before = sorted((tmp_path / "copy").rglob("*"))
        with pytest.raises(NotFoundError, match="is selected by --include") as caught:
            await consumer.fetch("data:1.0.0", tmp_path / "copy", selection=Selection(["*.misspelt"]))
    assert "swarm inspect" in caught.value.hint
    assert before
    assert sorted((tmp_path / "copy").rglob("*")) == before


async def test_an_unknown_name_is_not_found_and_the_nearest_is_named(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        with pytest.raises(NotFoundError) as caught:
            await consumer.fetch("date:1.0.0", tmp_path / "copy")
    assert "data" in caught.value.hint


async def test_a_dry_run_writes_nothing_and_says_what_it_would_cost(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=4)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy", dry_run=True)
        planned = next(notice for notice in consumer.notices if isinstance(notice, Planned))
    assert planned.bytes_to_fetch == publication.version.root.totals.block_bytes
    assert not (tmp_path / "copy").exists()
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []


@pytest.mark.parametrize("size", [0, 1, 64 * KIB])
async def test_tiny_datasets_arrive(tmp_path: Path, size: int) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "only").write_bytes(b"x" * size)
    async with open_world(tmp_path) as world:
        publication = await world.publish(tmp_path / "data", "data:1.0.0")
        seeder, consumer = await world.seeder(publication), await world.machine()
        consumer.meet(seeder)
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
    assert same_trees(tmp_path / "data", tmp_path / "copy")
    assert receipt.bytes == size
