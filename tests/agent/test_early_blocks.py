"""Blocks that are asked for before the manifest is whole. Each test makes every manifest a large one, and lets it be
assembled only when blocks have come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import trio
import trio.testing

from swarm.agent.early_blocks import BYTES_MAX, EarlyBlocks, choose, page_to_begin_with
from swarm.agent.notices import Planned, Receipt
from swarm.errors import DecodeError, EditedFilesError, UnsafeManifestError, VerificationError
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.holdings.staging import Staging
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import BlockId, Index, VersionId, digest
from swarm.protocol.manifest import encode_root, version_of
from swarm.protocol.version import Version, table_part
from swarm.seeder.publication import Publication
from tests.agent.world import Machine, World, make_data, open_world, raised_by, same_trees


@pytest.fixture(autouse=True)
def every_manifest_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm.agent.early_blocks.PAGE_BYTES_MIN", 1)


class Early:
    """What a machine was given before its manifest was assembled. It goes on when `enough` blocks are here."""

    def __init__(self, machine: Machine, page_count: int, enough: int) -> None:
        self.arrived: list[Index] = []
        self._machine = machine
        self._page_count = page_count
        self._enough = trio.Event()
        self._count = enough
        self._version = machine.holdings.version
        if not enough:
            self._enough.set()

    def hear(self, event: e.Event, _commands: list[c.Command]) -> None:
        if isinstance(event, e.StoreRead) and event.index >= self._page_count and not self._enough.is_set():
            self.arrived.append(event.index)
            if len(self.arrived) >= self._count:
                self._enough.set()

    async def version(self, version: VersionId) -> Version | None:
        """In the place of `Holdings.version`, which a fetch asks when all pages are here."""
        await self._enough.wait()
        return await self._version(version)


@contextmanager
def held_back(machine: Machine, version: Version, *, enough: int) -> Iterator[Early]:
    early = Early(machine, version.space.page_count, enough)
    machine.holdings.version = early.version  # type: ignore[method-assign]
    try:
        with machine.agent.watched_by(early.hear):
            yield early
    finally:
        del machine.holdings.version


def staged(path: Path) -> list[Path]:
    """Staging areas and what is in them."""
    return [each for each in path.rglob("*") if ".swarm-" in str(each)]


async def test_blocks_come_before_their_files_have_a_place_and_none_comes_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, written = make_data(tmp_path / "data"), list[Index]()
    write = Staging.write

    async def noted(staging: Staging, index: Index, block: bytes) -> bool:
        assert any(isinstance(notice, Planned) for notice in consumer.notices), "written before the room was told"
        written.append(index)
        return await write(staging, index, block)

    monkeypatch.setattr(Staging, "write", noted)
    async with open_world(tmp_path) as world:
        version = (await world.publish(data, "data:1.0.0")).version
        consumer = await world.machine(reads_store=True)
        with held_back(consumer, version, enough=5) as early:
            receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
        assert world.store_reads == version.space.size
    assert same_trees(data, tmp_path / "copy")
    assert len(early.arrived) == 5
    assert sorted(written) == list(range(version.space.page_count, version.space.size))
    assert receipt.bytes_wasted == 0
    assert receipt.bytes_origin == version.root.totals.block_bytes


async def test_a_neighbour_gets_an_early_block_while_it_waits_in_memory(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        version = publication.version
        first, second = await world.machine(reads_store=True), await world.machine()
        receipts: list[Receipt] = []
        with held_back(first, version, enough=10_000), trio.CancelScope() as scope:

            async def fetch() -> None:
                receipts.append(await second.fetch("data:1.0.0", tmp_path / "second"))
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(first.fetch, "data:1.0.0", tmp_path / "first")
                second.meet(first)
                first.meet(second)
                nursery.start_soon(fetch)
    assert same_trees(data, tmp_path / "second")
    assert receipts[0].bytes_peer == version.root.totals.block_bytes
    assert not (tmp_path / "first").exists()
    assert not staged(tmp_path)


async def test_what_another_holding_has_is_not_asked_for_early(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=20)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        (data / "deep" / "file1.bin").write_bytes(Random(1).randbytes(3_000_000))
        version = (await world.publish(data, "data:1.1.0")).version
        before = world.store_reads
        with held_back(consumer, version, enough=1) as early:
            receipt = await consumer.fetch("data:1.1.0", tmp_path / "copy")
        came = receipt.bytes_origin
        assert world.store_reads - before < version.space.size // 2
    assert early.arrived
    assert same_trees(data, tmp_path / "copy")
    assert came < 5_000_000
    assert receipt.bytes_wasted == 0


async def test_a_block_that_is_found_here_after_all_came_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guess was wrong: everything was asked for, and everything is in another directory of this machine."""
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        version = publication.version
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        before = world.store_reads
        consumer.agent.driver.shelves.close(version.id)

        async def nothing_seen(_dest: Path, _version: VersionId, _root: object, ids: list[BlockId]) -> Bitfield:
            return Bitfield.full(len(ids))

        async def nothing_here(_version: VersionId) -> Bitfield:
            return Bitfield(version.space.size)

        monkeypatch.setattr(consumer.holdings, "unseen", nothing_seen)
        have, looks = consumer.holdings.have, [nothing_here]
        monkeypatch.setattr(consumer.holdings, "have", lambda of: looks.pop()(of) if looks else have(of))
        with held_back(consumer, version, enough=3) as early:
            receipt = await consumer.fetch("data:1.0.0", tmp_path / "other")
        assert world.store_reads - before <= version.space.size
    assert len(early.arrived) == 3
    assert same_trees(data, tmp_path / "other")
    assert receipt.bytes == receipt.bytes_local + receipt.bytes_peer + receipt.bytes_origin


async def test_a_fetch_that_is_killed_early_leaves_nothing_beside_dest_and_the_next_one_is_whole(
    tmp_path: Path,
) -> None:
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        version = (await world.publish(data, "data:1.0.0")).version
        consumer = await world.machine(reads_store=True)
        with held_back(consumer, version, enough=10_000), trio.CancelScope() as scope:

            def end(event: e.Event, _commands: list[c.Command]) -> None:
                if isinstance(event, e.StoreRead) and event.index >= version.space.page_count + 2:
                    scope.cancel()

            with consumer.agent.watched_by(end):
                await consumer.fetch("data:1.0.0", tmp_path / "copy")
        assert scope.cancelled_caught
        assert not (tmp_path / "copy").exists()
        assert not staged(tmp_path)
        with held_back(consumer, version, enough=1):
            receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
    assert same_trees(data, tmp_path / "copy")
    assert receipt.bytes_origin == version.root.totals.block_bytes


async def test_who_gives_up_tells_neighbours_that_what_was_only_in_memory_is_lost(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        version = (await world.publish(data, "data:1.0.0")).version
        consumer = await world.machine(reads_store=True)
        heard: list[e.Event] = []
        with held_back(consumer, version, enough=10_000), trio.CancelScope() as scope:
            shelves = consumer.agent.driver.shelves

            def end(event: e.Event, _commands: list[c.Command]) -> None:
                heard.append(event)
                if isinstance(event, e.StoreRead) and event.index >= version.space.page_count:
                    scope.cancel()

            with consumer.agent.watched_by(end):
                await consumer.fetch("data:1.0.0", tmp_path / "copy")
        assert shelves.find(version.id) is None
    arrived = {event.index for event in heard if isinstance(event, e.StoreRead)}
    lost = [run for event in heard if isinstance(event, e.BlocksLost) for run in event.runs]
    indexes = {index for first, count in lost for index in range(first, first + count)}
    assert indexes >= {index for index in arrived if index >= version.space.page_count}


async def test_a_path_that_leads_outside_refuses_the_whole_version_and_nothing_is_written(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        version = await _with_bad_path(world, publication)
        consumer = await world.machine(reads_store=True)
        before = set(tmp_path.rglob("*"))
        with held_back(consumer, publication.version, enough=2) as early:
            async with raised_by(UnsafeManifestError):
                await consumer.fetch(f"data@{version.hex()}", tmp_path / "copy")
        written = [path for path in set(tmp_path.rglob("*")) - before if tmp_path / "home1" not in path.parents]
    assert len(early.arrived) == 2
    assert written == []


async def test_a_dest_with_edited_files_is_refused_as_ever_although_blocks_have_come(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        (tmp_path / "copy" / "deep" / "file3.bin").write_bytes(b"edited")
        (data / "deep" / "file1.bin").write_bytes(Random(1).randbytes(1_000_000))
        version = (await world.publish(data, "data:1.1.0")).version
        with held_back(consumer, version, enough=1) as early:
            async with raised_by(EditedFilesError):
                await consumer.fetch("data:1.1.0", tmp_path / "copy")
        await trio.testing.wait_all_tasks_blocked()
        assert consumer.agent.driver.shelves.find(version.id) is None
    assert early.arrived
    assert (tmp_path / "copy" / "deep" / "file3.bin").read_bytes() == b"edited"
    assert not staged(tmp_path)


async def _with_bad_path(world: World, publication: Publication) -> VersionId:
    """The published version in the store once more, with a file outside of DEST."""
    root, space = publication.version.root, publication.version.space
    assert len(root.tree) == 1
    good = publication.pages[space.tree_page(0)]
    assert good.count(b"deep/file3.bin\0") == 1
    bad = good.replace(b"deep/file3.bin\0", b"deep/../../xyz\0")
    await world.store.put_block(BlockId(digest(bad)), bad)
    root_bytes = encode_root(replace(root, tree=(replace(root.tree[0], id=BlockId(digest(bad))),)))
    await world.store.put_root(version_of(root_bytes), root_bytes)
    return version_of(root_bytes)


# --- what is chosen ---------------------------------------------------------------------------------------------------


async def test_no_more_is_chosen_than_may_wait_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BYTES_MAX <= 64 << 20
    publication = await _published(tmp_path)
    version, rng = publication.version, Random(3)
    part = table_part(version.root, 0, publication.pages[0])
    monkeypatch.setattr("swarm.agent.early_blocks.BYTES_MAX", 1_000_000)
    chosen = choose(part, Bitfield.full(len(part.lengths)), rng)
    assert 0 < sum(version.length_of(index) for index in chosen) <= 1_000_000
    assert chosen != choose(part, Bitfield.full(len(part.lengths)), rng)
    assert choose(part, Bitfield(len(part.lengths)), rng) == []


async def test_a_blocks_page_alone_names_its_blocks_as_the_whole_version_does(tmp_path: Path) -> None:
    publication = await _published(tmp_path)
    version = publication.version
    part = table_part(version.root, 0, publication.pages[0])
    for index in range(version.space.page_count, version.space.size):
        assert (part.id_of(index), part.length_of(index)) == (version.id_of(index), version.length_of(index))
    assert version.space.size not in part
    with pytest.raises(DecodeError):
        table_part(version.root, 0, publication.pages[0] + b"x")


async def test_a_small_manifest_is_not_begun_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = (await _published(tmp_path)).version.root
    assert page_to_begin_with(root, Random(1)) == 0
    monkeypatch.setattr("swarm.agent.early_blocks.PAGE_BYTES_MIN", 2 << 20)
    assert page_to_begin_with(root, Random(1)) is None


async def test_other_bytes_are_not_kept_early(tmp_path: Path) -> None:
    publication = await _published(tmp_path)
    part = table_part(publication.version.root, 0, publication.pages[0])
    early = EarlyBlocks(part, [part.first])
    with pytest.raises(VerificationError):
        await early.check(part.first, bytes(part.length_of(part.first)))
    assert early.take() is None


async def _published(tmp_path: Path) -> Publication:
    async with open_world(tmp_path) as world:
        return await world.publish(make_data(tmp_path / "data"), "data:1.0.0")
