"""Files that are here already come as links (clones: test_mounts.py): what that saves, and what it must not do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarm.dataset.entries import signature_of
from swarm.errors import EditedFilesError, NoSpaceError
from swarm.holdings import Holdings, open_holdings
from swarm.holdings.space import Space
from swarm.protocol.ids import Index
from tests.holdings.versions import MTIME_NS, Made, expected, fetch, fill, keep, listing, make, some_bytes

LARGE = some_bytes(200_000, 1)
OLD = make(
    {"changes": some_bytes(30_000, 2), "goes": some_bytes(4_000, 3), "large": LARGE, "moves": some_bytes(9_500, 4)}
)
NEW = make(
    {"changes": some_bytes(30_000, 5), "comes": b"new", "large": LARGE, "moved": some_bytes(9_500, 4)},
    modes={"large": 0o600},
    mtime_ns=MTIME_NS + 10**9,
)


@pytest.fixture(autouse=True)
def _without_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that links are taken on every file system that tests run on."""
    monkeypatch.setattr("swarm.holdings.desk.can_clone", lambda _area: False)


def inode(path: Path) -> int:
    return path.stat().st_ino


async def test_unchanged_and_moved_files_are_the_same_files_after_an_update(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    large, moves, changes = (inode(dest / name) for name in ("large", "moves", "changes"))
    await keep(holdings, NEW)

    async with holdings.stage(NEW.version, dest) as staging:
        room = staging.space.required
        await staging.reuse()
        lacking = await fill(staging, NEW)
        assert listing(dest) == expected(OLD), "modes and times wait until the old tree has gone"
        await staging.commit()

    assert listing(dest) == expected(NEW)
    assert (inode(dest / "large"), inode(dest / "moved")) == (large, moves)
    assert inode(dest / "changes") != changes
    assert (dest / "large").stat().st_nlink == 1
    assert room < 60_000
    assert lacking <= 34
    assert sorted(os.listdir(tmp_path)) == ["dest", "home"]


async def test_nothing_is_hashed_again_afterwards(
    holdings: Holdings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linking and unlinking change ctimes: the index knows the new ones."""
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    monkeypatch.setattr("swarm.holdings.survey.has_right_bytes", _never)
    monkeypatch.setattr("swarm.holdings.clearing.has_right_bytes", _never)

    await fetch(holdings, NEW, dest)

    async with open_holdings(tmp_path / "home") as others, others.stage(NEW.version, dest) as staging:
        assert staging.is_present
    for index in NEW.block_indexes():
        assert await holdings.read(NEW.id, index) == NEW.block(index)


def _never(*_arguments: object) -> None:
    raise AssertionError("a file was hashed")


async def test_a_staging_that_is_given_up_leaves_the_old_version_believed(
    holdings: Holdings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    monkeypatch.setattr("swarm.holdings.survey.has_right_bytes", _never)
    await keep(holdings, NEW)

    async with holdings.stage(NEW.version, dest) as staging:
        await staging.reuse()
        for index in OLD.block_indexes():
            assert await holdings.read(OLD.id, index) == OLD.block(index)
        await staging.discard()

    async with holdings.stage(OLD.version, dest) as staging:
        assert staging.is_present
    assert (dest / "large").stat().st_nlink == 1


async def test_an_edit_while_the_update_is_prepared_is_never_committed(holdings: Holdings, tmp_path: Path) -> None:
    """With `repair` too: the linked file is the edited one."""
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)

    async with holdings.stage(NEW.version, dest, repair=True) as staging:
        await staging.reuse()
        await fill(staging, NEW)
        with (dest / "large").open("r+b") as file:
            file.write(b"edited")
        with pytest.raises(EditedFilesError, match="were edited while"):
            await staging.commit()
        assert not staging.is_complete
        await fill(staging, NEW)
        await staging.commit()

    assert listing(dest) == expected(NEW)


async def test_a_linked_file_is_never_written_through(holdings: Holdings, tmp_path: Path) -> None:
    """A block of it that is found damaged is taken out with the file, and the old tree stays as its user left it."""
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)

    async with holdings.stage(NEW.version, dest, repair=True) as staging:
        await staging.reuse()
        with (dest / "large").open("r+b") as file:
            file.seek(100_000)
            file.write(b"edited")
        edited = (dest / "large").read_bytes()
        for index in NEW.block_indexes():
            await holdings.read(NEW.id, index)
        assert await fill(staging, NEW) >= 200
        assert (dest / "large").read_bytes() == edited
        await staging.commit()

    assert listing(dest) == expected(NEW)


async def test_a_file_with_another_name_of_its_users_is_copied(holdings: Holdings, tmp_path: Path) -> None:
    """A backup by hard links keeps its mode and time."""
    dest, backup = tmp_path / "dest", tmp_path / "backup"
    await fetch(holdings, OLD, dest)
    os.link(dest / "large", backup)
    before = backup.stat()

    await fetch(holdings, NEW, dest)

    assert inode(dest / "large") != inode(backup)
    assert (backup.stat().st_mode, backup.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert listing(dest) == expected(NEW)


async def test_two_files_of_the_same_bytes_do_not_become_one(holdings: Holdings, tmp_path: Path) -> None:
    twins = make({"a": LARGE, "b": LARGE, "c": b"c"})
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)

    await fetch(holdings, twins, dest)

    assert inode(dest / "a") != inode(dest / "b")
    assert listing(dest) == expected(twins)


async def test_a_disk_that_has_room_for_the_changes_only_is_enough(
    holdings: Holdings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []

    def check(space: Space) -> None:
        checked.append(space.required)
        if space.required > 100_000:
            raise NoSpaceError("too small", hint="")

    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    monkeypatch.setattr(Space, "check", check)

    plan_room = (await _planned(holdings, NEW, dest)).required
    await fetch(holdings, NEW, dest)

    assert checked == [plan_room]
    assert listing(dest) == expected(NEW)


async def _planned(holdings: Holdings, made: Made, dest: Path) -> Space:
    await keep(holdings, made)
    return (await holdings.plan(made.version, dest)).space


SAME_TIMES = make({"changes": some_bytes(30_000, 6), "large": LARGE, "moves": some_bytes(9_500, 4)})


async def test_versions_side_by_side_share_files_where_that_is_asked_for(holdings: Holdings, tmp_path: Path) -> None:
    one, two, three, apart = (tmp_path / "versions" / name for name in ("1", "2", "3", "apart"))
    await fetch(holdings, OLD, one)
    await fetch(holdings, SAME_TIMES, two, share=tmp_path / "versions")
    await fetch(holdings, NEW, three, share=tmp_path / "versions")
    await fetch(holdings, SAME_TIMES, apart)

    assert inode(one / "large") == inode(two / "large")
    assert inode(one / "moves") == inode(two / "moves")
    assert inode(three / "large") != inode(one / "large"), "another mode and time"
    assert inode(apart / "large") not in {inode(one / "large"), inode(three / "large")}
    for made, dest in ((OLD, one), (SAME_TIMES, two), (NEW, three), (SAME_TIMES, apart)):
        assert listing(dest) == expected(made)
        assert (await holdings.verify(dest)).is_whole


async def test_removing_one_of_them_leaves_the_others_believed(
    holdings: Holdings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "versions" / "1", tmp_path / "versions" / "2"
    await fetch(holdings, OLD, one)
    await fetch(holdings, SAME_TIMES, two, share=tmp_path / "versions")
    monkeypatch.setattr("swarm.holdings.survey.has_right_bytes", _never)

    await holdings.remove(one)

    async with holdings.stage(SAME_TIMES.version, two) as staging:
        assert staging.is_present


async def test_an_edit_in_one_of_them_is_found_in_both(holdings: Holdings, tmp_path: Path) -> None:
    one, two = tmp_path / "versions" / "1", tmp_path / "versions" / "2"
    await fetch(holdings, OLD, one)
    await fetch(holdings, SAME_TIMES, two, share=tmp_path / "versions")

    with (one / "large").open("r+b") as file:
        file.write(b"edited")

    assert (await holdings.verify(one)).edited == (b"large",)
    assert (await holdings.verify(two)).edited == (b"large",)
    async with holdings.stage(SAME_TIMES.version, two, repair=True) as staging:
        assert await fill(staging, SAME_TIMES)
        await staging.commit()
    assert listing(two) == expected(SAME_TIMES)
    assert (one / "large").read_bytes().startswith(b"edited")


async def test_another_process_goes_on_serving_what_was_linked(holdings: Holdings, tmp_path: Path) -> None:
    """Its memory has the ctimes of before, the index those of after."""
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    lost: list[object] = []
    async with open_holdings(tmp_path / "home", on_lost=lambda *one: lost.append(one)) as other:
        first = Index(OLD.version.space.page_count)
        assert await other.read(OLD.id, first) == OLD.block(first)
        await keep(holdings, NEW)
        async with holdings.stage(NEW.version, dest) as staging:
            await staging.reuse()
            for index in OLD.block_indexes():
                assert await other.read(OLD.id, index) == OLD.block(index)
    assert lost == []


async def test_what_an_interrupted_update_had_linked_is_linked_again(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    large = inode(dest / "large")
    await keep(holdings, NEW)
    async with holdings.stage(NEW.version, dest) as staging:
        await staging.reuse()
        await fill(staging, NEW)

    async with holdings.stage(NEW.version, dest) as staging:
        await staging.reuse()
        assert staging.is_complete
        assert staging.bytes_refetched == 0
        await staging.commit()

    assert inode(dest / "large") == large
    assert listing(dest) == expected(NEW)


async def test_neighbouring_blocks_are_copied_as_one_range(
    holdings: Holdings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one of them that is not right any more costs only itself."""
    await fetch(holdings, OLD, tmp_path / "one")
    changed = make({"large": LARGE[:100_500] + b"!" + LARGE[100_501:]})
    reads: list[int] = []
    real = os.preadv

    def preadv(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        reads.append(sum(map(len, buffers)))
        return real(descriptor, buffers, offset)

    await keep(holdings, changed)
    monkeypatch.setattr(os, "preadv", preadv)
    async with holdings.stage(changed.version, tmp_path / "two") as staging:
        await staging.reuse()
        assert sum(count for _, count in staging.lacking) <= 2
        await fill(staging, changed)
        await staging.commit()
    assert listing(tmp_path / "two") == expected(changed)
    assert max(reads) > 50_000
    assert len(reads) < 10


async def test_a_range_with_a_wrong_block_is_read_block_by_block(holdings: Holdings, tmp_path: Path) -> None:
    await fetch(holdings, OLD, tmp_path / "one")
    path = tmp_path / "one" / "large"
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(100_000)
        file.write(b"edited")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (record,) = await holdings.records()
    body = holdings._catalog.held(record, looks=False)
    assert body is not None
    body.signatures[2] = signature_of(path.stat())

    await keep(holdings, NEW)
    async with holdings.stage(NEW.version, tmp_path / "two") as staging:
        await staging.reuse()
        await fill(staging, NEW)
        await staging.commit()

    assert listing(tmp_path / "two") == expected(NEW)
