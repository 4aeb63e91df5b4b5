"""A fetch that goes on where an earlier run stopped: what its receipt says of both runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import trio

from swarm.agent.notices import Receipt
from swarm.dataset.selection import Selection
from swarm.exchange import commands as c
from swarm.exchange import events as e
from tests.agent.world import Machine, make_data, open_world, same_trees


async def interrupt(machine: Machine, reference: str, dest: Path, blocks: int) -> None:
    """Begins a fetch and cancels it after so many blocks."""
    with trio.CancelScope() as scope, machine.agent.watched_by(_after(blocks, scope.cancel)):
        await machine.fetch(reference, dest)
    assert scope.cancelled_caught
    assert not dest.exists()


def _after(blocks: int, then: Callable[[], None]) -> Callable[[e.Event, list[c.Command]], None]:
    arrived = 0

    def watch(event: e.Event, _commands: list[c.Command]) -> None:
        nonlocal arrived
        arrived += isinstance(event, e.StoreRead | e.BlockArrived)
        if arrived >= blocks:
            then()

    return watch


def check(receipt: Receipt) -> None:
    assert receipt.bytes == receipt.bytes_local + receipt.bytes_peer + receipt.bytes_origin
    assert min(receipt.bytes_local, receipt.bytes_peer, receipt.bytes_origin, receipt.bytes_refetched) >= 0


async def test_the_receipt_of_a_resumed_run_counts_what_was_here_as_local_and_nothing_as_refetched(
    tmp_path: Path,
) -> None:
    data = make_data(tmp_path / "data", files=16)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        first = await world.machine(reads_store=True, home=tmp_path / "home")
        await interrupt(first, "data", tmp_path / "copy", 12)
        second = await world.machine(home=tmp_path / "home")
        seeder = await world.seeder(publication)
        second.meet(seeder)
        receipt = await second.fetch("data", tmp_path / "copy")
        clean = await (await world.machine(reads_store=True)).fetch("data", tmp_path / "clean")
    assert same_trees(data, tmp_path / "copy")
    check(receipt)
    totals = publication.version.root.totals
    assert receipt.bytes_local > totals.bytes - totals.block_bytes
    assert receipt.bytes_refetched == 0
    assert receipt.bytes_manifest == 0
    # The same words as for a run that nobody interrupted.
    assert (receipt.dataset, receipt.digest, receipt.files) == (clean.dataset, clean.digest, clean.files)
    assert receipt.dataset == "data:latest"


async def test_what_had_come_and_was_lost_since_is_refetched(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=10)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        first = await world.machine(reads_store=True, home=tmp_path / "home")
        await interrupt(first, "data:1.0.0", tmp_path / "copy", 14)
        staged = [path for path in tmp_path.rglob("file*.bin") if data not in path.parents and path.stat().st_blocks]
        assert staged
        for path in staged:
            path.unlink()
        second = await world.machine(reads_store=True, home=tmp_path / "home")
        receipt = await second.fetch("data:1.0.0", tmp_path / "copy")
    assert same_trees(data, tmp_path / "copy")
    check(receipt)
    assert 0 < receipt.bytes_refetched <= receipt.bytes_origin


async def test_a_selection_counts_its_own_files_and_blocks(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=10)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy", selection=Selection(["deep/er/*"]))
    check(receipt)
    assert receipt.files == len(list((tmp_path / "copy").rglob("*.bin"))) == 5
    assert receipt.bytes == receipt.bytes_origin < publication.version.root.totals.block_bytes
    for path in (tmp_path / "copy").rglob("*.bin"):
        assert path.read_bytes() == (data / path.relative_to(tmp_path / "copy")).read_bytes()
