"""A version gets into a directory: fresh, resumed, updated, in parts."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import trio

from swarm.dataset.selection import Selection
from swarm.errors import InternalError, VerificationError
from swarm.holdings import Holdings, open_holdings
from swarm.protocol.ids import Index
from tests.holdings.versions import (
    Link,
    Made,
    expected,
    fetch,
    fill,
    keep,
    listing,
    make,
    make_large,
    some_bytes,
)

TREE = {
    "a.bin": some_bytes(5_500, 1),
    "b/c.txt": b"hello",
    "b/d/e": some_bytes(2_000, 2),
    "b/empty": b"",
    "b/link": Link(b"c.txt"),
    "empty dir": None,
    "z'\"é\u4e2d": some_bytes(10, 3),
    b"not utf-8 \xff\xfe": some_bytes(1_500, 4),
    "l" * 255: some_bytes(3_000, 5),
    "up/link": Link(b"../a.bin"),
}


@pytest.fixture(scope="module")
def made() -> Made:
    return make(TREE, modes={"a.bin": 0o444, "b/d/e": 0o755, "b/c.txt": 0, "empty dir": 0o500})


async def test_a_version_becomes_a_directory_with_modes_times_and_links(
    holdings: Holdings, made: Made, dest: Path
) -> None:
    await fetch(holdings, made, dest, label="maps:latest")
    assert listing(dest) == expected(made)
    record = await holdings.find(dest)
    assert record is not None
    assert (record.version, record.label, record.is_partial) == (made.id, "maps:latest", False)
    assert sorted(os.listdir(dest.parent)) == ["dest"]


async def test_every_block_can_be_read_while_it_is_staged_and_after_the_commit(
    holdings: Holdings, made: Made, dest: Path
) -> None:
    await keep(holdings, made)
    async with holdings.stage(made.version, dest) as staging:
        for index in made.block_indexes():
            assert await holdings.read(made.id, index) is None
            assert await staging.write(index, made.block(index))
            assert await holdings.read(made.id, index) == made.block(index)
        assert staging.is_complete
        have = await holdings.have(made.id)
        assert have is not None
        assert have.is_full
        await staging.commit()
        for index in made.block_indexes():
            assert await holdings.read(made.id, index) == made.block(index)
            assert await holdings.read_block(made.version.id_of(index)) == made.block(index)
    for index, page in made.pages.items():
        assert await holdings.read(made.id, index) == page
        assert await holdings.read_block(made.version.id_of(index)) == page


async def test_what_is_staged_is_found_again_by_the_next_run(home: Path, made: Made, dest: Path) -> None:
    first = made.block_indexes()[:5]
    async with open_holdings(home) as holdings:
        await keep(holdings, made)
        async with holdings.stage(made.version, dest) as staging:
            for index in first:
                await staging.write(index, made.block(index))
    assert not dest.exists()
    async with open_holdings(home) as holdings, holdings.stage(made.version, dest) as staging:
        assert all(index in staging.have for index in first)
        assert staging.bytes_resumed == sum(len(made.block(index)) for index in first)
        assert await fill(staging, made) == len(made.blocks) - len(first)
        assert staging.bytes_refetched == 0
        await staging.commit()
    assert listing(dest) == expected(made)


async def test_an_area_is_found_again_under_another_home(tmp_path: Path, made: Made, dest: Path) -> None:
    for home, found in ((tmp_path / "one", 0), (tmp_path / "two", 3)):
        async with open_holdings(home) as holdings:
            await keep(holdings, made)
            async with holdings.stage(made.version, dest) as staging:
                assert staging.have.count - len(made.pages) == found
                for index in made.block_indexes()[:3]:
                    await staging.write(index, made.block(index))


async def test_wrong_bytes_are_refused_and_leave_nothing(holdings: Holdings, made: Made, dest: Path) -> None:
    await keep(holdings, made)
    async with holdings.stage(made.version, dest) as staging:
        index = made.block_indexes()[0]
        with pytest.raises(VerificationError):
            await staging.write(index, bytes(len(made.block(index))))
        with pytest.raises(VerificationError):
            await staging.write(index, made.block(index)[:-1])
        assert index not in staging.have
        assert await holdings.read(made.id, index) is None
        with pytest.raises(InternalError):
            await staging.commit()
    assert not dest.exists()
    assert not dest.parent.exists()


async def test_a_second_copy_of_a_block_changes_nothing(holdings: Holdings, made: Made, dest: Path) -> None:
    await keep(holdings, made)
    async with holdings.stage(made.version, dest) as staging:
        index = made.block_indexes()[0]
        assert await staging.write(index, made.block(index))
        assert not await staging.write(index, made.block(index))


async def test_an_update_takes_what_is_here_already(holdings: Holdings, made: Made, dest: Path) -> None:
    await fetch(holdings, made, dest)
    newer = make({**TREE, "new": some_bytes(900, 9), "b/c.txt": b"HELLO"})
    await keep(holdings, newer)
    async with holdings.stage(newer.version, dest) as staging:
        found = await staging.reuse()
        assert sum(count for _first, count in found) >= 5
        assert staging.bytes_local == sum(newer.version.length_of(i) for f, c in found for i in range(f, f + c))
        written = await fill(staging, newer)
        assert written == len(newer.blocks) - sum(count for _first, count in found)
        done = await staging.commit()
        assert (done.is_changed, done.is_atomic, done.kept) == (True, True, None)
    assert listing(dest) == expected(newer)
    assert sorted(os.listdir(dest.parent)) == ["dest"]
    for index in newer.block_indexes():
        assert await holdings.read(newer.id, index) == newer.block(index)


async def test_a_version_that_is_there_is_left_alone(holdings: Holdings, made: Made, dest: Path) -> None:
    await fetch(holdings, made, dest, label="maps:1")
    before = os.stat(dest)
    async with holdings.stage(made.version, dest, label="maps:latest") as staging:
        assert staging.is_present
        assert staging.is_complete
        assert staging.lacking == ()
        assert await staging.reuse() == ()
        assert not (await staging.commit()).is_changed
    assert os.stat(dest).st_ino == before.st_ino
    record = await holdings.find(dest)
    assert record is not None
    assert record.label == "maps:latest"


async def test_another_directory_is_filled_from_the_first(holdings: Holdings, made: Made, tmp_path: Path) -> None:
    await fetch(holdings, made, tmp_path / "one")
    async with holdings.stage(made.version, tmp_path / "two") as staging:
        await staging.reuse()
        assert staging.is_complete
        await staging.commit()
    assert listing(tmp_path / "two") == expected(made)


async def test_blocks_staged_for_another_directory_are_reused(holdings: Holdings, made: Made, tmp_path: Path) -> None:
    await keep(holdings, made)
    indexes = made.block_indexes()
    async with holdings.stage(made.version, tmp_path / "one") as one:
        for index in indexes[:4]:
            await one.write(index, made.block(index))
        async with holdings.stage(made.version, tmp_path / "two") as two:
            found = await two.reuse()
            assert found == ((indexes[0], 4),)


async def test_a_selection_brings_its_files_and_the_blocks_at_its_borders(
    holdings: Holdings, made: Made, dest: Path
) -> None:
    lost: list[int] = []
    holdings.on_lost = lambda _version, runs: lost.extend(index for f, c in runs for index in range(f, f + c))
    await keep(holdings, made)
    async with holdings.stage(made.version, dest, Selection(include=["b/**"])) as staging:
        wanted = staging.want.count - len(made.pages)
        assert 0 < wanted < len(made.blocks)
        assert await fill(staging, made) == wanted
        # Blocks at the borders can be served until the commit, although half of their bytes have no file here.
        for first, count in staging.have.runs():
            for index in range(first, first + count):
                assert await holdings.read(made.id, Index(index)) is not None
        assert lost == []
        await staging.commit()
    selected = {"b", "b/c.txt", "b/d", "b/d/e", "b/empty", "b/link"}
    assert listing(dest) == expected(made, selected)
    record = await holdings.find(dest)
    assert record is not None
    assert record.is_partial
    have = await holdings.have(made.id)
    assert have is not None
    assert len(made.pages) < have.count < len(made.pages) + wanted
    assert lost == [index for index in made.block_indexes() if index in staging.want and index not in have]
    for index in made.block_indexes():
        data = await holdings.read(made.id, index)
        assert data == (made.block(index) if index in have else None)


async def test_a_partial_holding_is_completed_from_itself(holdings: Holdings, made: Made, dest: Path) -> None:
    await fetch(holdings, made, dest, selection=Selection(include=["a.bin"]))
    async with holdings.stage(made.version, dest) as staging:
        assert not staging.is_present
        await staging.reuse()
        assert staging.bytes_local >= 5_000
        await fill(staging, made)
        await staging.commit()
    assert listing(dest) == expected(made)


async def test_another_selection_goes_on_with_what_is_staged(home: Path, made: Made, dest: Path) -> None:
    async with open_holdings(home) as holdings:
        await keep(holdings, made)
        async with holdings.stage(made.version, dest, Selection(exclude=["a.bin"])) as staging:
            await fill(staging, made)
    async with open_holdings(home) as holdings, holdings.stage(made.version, dest) as staging:
        assert not staging.is_complete
        assert staging.have.count > len(made.pages) + 3
        await fill(staging, made)
        await staging.commit()
    assert listing(dest) == expected(made)


async def test_a_narrower_selection_leaves_nothing_of_the_wider_one(home: Path, made: Made, dest: Path) -> None:
    async with open_holdings(home) as holdings:
        await keep(holdings, made)
        async with holdings.stage(made.version, dest) as staging:
            await fill(staging, made)
        async with holdings.stage(made.version, dest, Selection(include=["b/c.txt"])) as staging:
            await fill(staging, made)
            await staging.commit()
    assert listing(dest) == expected(made, {"b", "b/c.txt"})


async def test_datasets_without_bytes(holdings: Holdings, tmp_path: Path) -> None:
    for name, tree in (("nothing", {}), ("empty file", {"x/y": b""}), ("directory", {"d": None})):
        made = make(tree)
        await fetch(holdings, made, tmp_path / name)
        assert listing(tmp_path / name) == expected(made)


async def test_one_block_many_times_is_one_block_and_stays_a_hole(holdings: Holdings, dest: Path) -> None:
    made = make({"head": some_bytes(4096), "zeros": bytes(64 << 20), "tail": b"x"}, piece=1 << 20)
    assert len(made.blocks) <= 4
    await fetch(holdings, made, dest)
    assert listing(dest) == expected(made)
    assert (dest / "zeros").stat().st_blocks * 512 < 1 << 21


async def test_zeros_over_something_else_are_written(holdings: Holdings, dest: Path) -> None:
    """A range that was cleared is no hole everywhere; one with another's bytes in it never is."""
    made = make({"a": some_bytes(100_001, 1) + bytes(1_000_000) + some_bytes(5, 2)}, piece=300_000)
    await keep(holdings, made)
    async with holdings.stage(made.version, dest) as staging:
        (area,) = dest.parent.glob(".dest.swarm-*")
        (area / "tree" / "a").write_bytes(b"\xff" * 700_000)
        await fill(staging, made)
        await staging.commit()
    assert listing(dest) == expected(made)


async def test_without_times_a_version_sets_none(holdings: Holdings, dest: Path) -> None:
    made = make({"a": b"1", "d/e": b"2"}, mtime_ns=None)
    await fetch(holdings, made, dest)
    assert (dest / "a").stat().st_mtime_ns > 1_700_000_000_000_000_000


async def test_a_discarded_staging_leaves_nothing(holdings: Holdings, made: Made, dest: Path) -> None:
    await keep(holdings, made)
    async with holdings.stage(made.version, dest) as staging:
        await fill(staging, made)
        await staging.discard()
    assert not dest.parent.exists()


async def test_the_umask_decides_how_dest_looks_and_nothing_else(holdings: Holdings, made: Made, dest: Path) -> None:
    old = os.umask(0o077)
    try:
        await fetch(holdings, made, dest)
    finally:
        os.umask(old)
    assert dest.stat().st_mode & 0o777 == 0o700
    assert listing(dest) == expected(made)
    dest.chmod(0o711)
    newer = make({"only": b"this"})
    await fetch(holdings, newer, dest)
    assert dest.stat().st_mode & 0o777 == 0o711
    assert listing(dest) == expected(newer)


async def test_blocks_come_in_any_order_and_at_once(holdings: Holdings, made: Made, tmp_path: Path) -> None:
    await keep(holdings, made)
    for seed in range(5):
        async with holdings.stage(made.version, tmp_path / str(seed)) as staging:
            indexes = made.block_indexes()
            random.Random(seed).shuffle(indexes)
            async with trio.open_nursery() as nursery:
                for index in indexes:
                    nursery.start_soon(staging.write, index, made.block(index))
            await staging.commit()
        assert listing(tmp_path / str(seed)) == expected(made)


async def test_no_more_files_are_open_than_allowed(holdings: Holdings, dest: Path) -> None:
    made = make({f"f{number}": some_bytes(1 << 20, number) for number in range(90)}, piece=1 << 20)
    before = len(os.listdir("/proc/self/fd"))
    await keep(holdings, made)
    async with holdings.stage(made.version, dest) as staging:
        await fill(staging, made)
        assert len(os.listdir("/proc/self/fd")) < before + 80
        await staging.commit()
    for index in made.block_indexes():
        assert await holdings.read(made.id, index) == made.block(index)
    assert len(os.listdir("/proc/self/fd")) < before + 80


@pytest.mark.slow
async def test_a_file_of_5_gib(holdings: Holdings, dest: Path) -> None:
    zeros = bytes(16 << 20)
    pieces = [some_bytes(1_000_000, 1), *[zeros] * 319, some_bytes(3_000_000, 2), zeros, some_bytes(7, 3)]
    made = make_large("big", pieces)
    await fetch(holdings, made, dest)
    assert (dest / "big").stat().st_size == sum(map(len, pieces)) > 5 << 30
    assert (dest / "big").stat().st_blocks * 512 < 8 << 20
    with (dest / "big").open("rb") as file:
        file.seek(1_000_000 + 319 * len(zeros))
        assert file.read(3_000_000) == pieces[-3]
        file.seek(-7, os.SEEK_END)
        assert file.read() == pieces[-1]
    assert (await holdings.verify(dest)).is_whole
    for index in made.block_indexes():
        assert await holdings.read(made.id, index) == made.block(index)


@pytest.mark.slow
async def test_20_000_small_files(holdings: Holdings, dest: Path) -> None:
    """`tests/e2e/test_shapes.py` has five times as many."""
    made = make({f"d{number % 500}/f{number}": b"%d" % number for number in range(20_000)}, piece=50_000)
    await fetch(holdings, made, dest)
    assert listing(dest) == expected(made)
    assert (await holdings.verify(dest)).intact == 20_500
