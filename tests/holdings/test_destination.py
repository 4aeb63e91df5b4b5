"""What may be DEST, and what is refused without touching anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from swarm.errors import EditedFilesError, InternalError, NotFoundError, RefusedError, UsageError
from swarm.holdings import Holdings, open_holdings
from tests.holdings.versions import expected, fetch, fill, keep, listing, make, some_bytes

MADE = make({"a": some_bytes(2_500, 1), "b/c": some_bytes(1_500, 2), "b/d": b"small"})
NEWER = make({"a": some_bytes(2_500, 1), "b": b"a file where a directory was", "e/f": b"new"})


async def test_an_empty_directory_is_taken(holdings: Holdings, dest: Path) -> None:
    dest.mkdir(parents=True)
    await fetch(holdings, MADE, dest)
    assert listing(dest) == expected(MADE)
    assert os.listdir(dest.parent) == ["dest"]


async def test_a_directory_that_is_not_ours_is_refused_and_not_touched(holdings: Holdings, dest: Path) -> None:
    dest.mkdir(parents=True)
    (dest / "precious").write_bytes(b"mine")
    await keep(holdings, MADE)
    with pytest.raises(UsageError, match="precious") as caught:
        async with holdings.stage(MADE.version, dest):
            pass
    assert caught.value.exit_code == 2
    assert caught.value.hint
    assert os.listdir(dest) == ["precious"]
    assert os.listdir(dest.parent) == ["dest"]


async def test_what_appears_in_dest_while_it_is_staged_is_refused(holdings: Holdings, dest: Path) -> None:
    await keep(holdings, MADE)
    async with holdings.stage(MADE.version, dest) as staging:
        await fill(staging, MADE)
        dest.mkdir()
        (dest / "precious").write_bytes(b"mine")
        with pytest.raises(UsageError, match="precious"):
            await staging.commit()
        (dest / "precious").unlink()
        await staging.commit()
    assert listing(dest) == expected(MADE)


@pytest.mark.parametrize("kind", ["file", "link to a file", "below a file"])
async def test_a_dest_that_is_no_directory_is_refused(holdings: Holdings, tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link to a file").symlink_to("file")
    await keep(holdings, MADE)
    with pytest.raises(UsageError):
        async with holdings.stage(MADE.version, tmp_path / {"below a file": "file/x"}.get(kind, kind)):
            pass
    assert (tmp_path / "file").read_bytes() == b"mine"


async def test_a_link_to_a_directory_stays_a_link(holdings: Holdings, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "current").symlink_to("real")
    await fetch(holdings, MADE, tmp_path / "current")
    assert (tmp_path / "current").is_symlink()
    assert listing(tmp_path / "real") == expected(MADE)
    assert (await holdings.find(tmp_path / "real")) == (await holdings.find(tmp_path / "current"))


async def test_inside_another_holding_is_refused(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    await keep(holdings, NEWER)
    with pytest.raises(UsageError, match="inside"):
        async with holdings.stage(NEWER.version, dest / "b" / "new"):
            pass


async def test_the_manifest_is_kept_first(holdings: Holdings, dest: Path) -> None:
    with pytest.raises(InternalError):
        async with holdings.stage(MADE.version, dest):
            pass


async def test_kinds_may_change_from_version_to_version(holdings: Holdings, dest: Path) -> None:
    for made in (MADE, NEWER, MADE):
        await fetch(holdings, made, dest)
        assert listing(dest) == expected(made)


async def test_an_edited_file_stops_a_fetch_and_is_listed(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "b" / "d").write_bytes(b"SMALL")
    for made in (MADE, NEWER):
        await keep(holdings, made)
        with pytest.raises(EditedFilesError, match="b/d") as caught:
            async with holdings.stage(made.version, dest):
                pass
        assert caught.value.exit_code == 7
        assert "--repair" in caught.value.hint
    assert (dest / "b" / "d").read_bytes() == b"SMALL"
    assert os.listdir(dest.parent) == ["dest"]


async def test_repair_brings_only_what_is_not_right(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    inode = (dest / "a").stat().st_ino
    (dest / "b" / "d").write_bytes(b"SMALL")
    (dest / "b" / "c").unlink()
    (dest / "user's").write_bytes(b"extra")
    async with holdings.stage(MADE.version, dest, repair=True) as staging:
        assert not staging.is_present
        assert staging.want.count - len(MADE.pages) < len(MADE.blocks)
        await staging.reuse()
        await fill(staging, MADE)
        done = await staging.commit()
        assert (done.is_changed, done.is_atomic) == (True, False)
    assert (dest / "user's").read_bytes() == b"extra"
    (dest / "user's").unlink()
    assert listing(dest) == expected(MADE)
    assert (dest / "a").stat().st_ino == inode
    for index in MADE.block_indexes():
        assert await holdings.read(MADE.id, index) == MADE.block(index)
    assert os.listdir(dest.parent) == ["dest"]


async def test_a_missing_file_comes_back_without_repair(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "b" / "c").unlink()
    await fetch(holdings, MADE, dest)
    assert listing(dest) == expected(MADE)


async def test_a_missing_directory_comes_back(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "b" / "c").unlink()
    (dest / "b" / "d").unlink()
    (dest / "b").rmdir()
    await fetch(holdings, MADE, dest)
    assert listing(dest) == expected(MADE)


async def test_repair_sets_modes_and_times_that_were_changed(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "a").chmod(0o600)
    await fetch(holdings, MADE, dest)
    assert (dest / "a").stat().st_mode & 0o777 == 0o600
    await fetch(holdings, MADE, dest, repair=True)
    assert listing(dest) == expected(MADE)
    assert (await holdings.verify(dest)).is_whole


async def test_an_atomic_repair_exchanges_everything(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    inode = dest.stat().st_ino
    (dest / "b" / "d").write_bytes(b"SMALL")
    async with holdings.stage(MADE.version, dest, repair=True, atomic=True) as staging:
        await staging.reuse()
        await fill(staging, MADE)
        assert (await staging.commit()).is_atomic
    assert listing(dest) == expected(MADE)
    assert dest.stat().st_ino != inode


async def test_added_files_stop_an_update_and_repair_keeps_them_aside(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "b" / "mine").write_bytes(b"precious")
    await keep(holdings, NEWER)
    with pytest.raises(EditedFilesError, match="b/mine"):
        async with holdings.stage(NEWER.version, dest):
            pass
    assert listing(dest)[b"b/mine"][3] == b"precious"
    async with holdings.stage(NEWER.version, dest, repair=True) as staging:
        await staging.reuse()
        await fill(staging, NEWER)
        done = await staging.commit()
    assert listing(dest) == expected(NEWER)
    assert done.kept is not None
    kept = Path(done.kept)
    assert {path.relative_to(kept).as_posix() for path in kept.rglob("*")} == {"b", "b/mine"}
    assert (kept / "b" / "mine").read_bytes() == b"precious"


async def test_added_files_do_not_matter_to_the_same_version(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "mine").write_bytes(b"precious")
    async with holdings.stage(MADE.version, dest) as staging:
        assert staging.is_present


async def test_a_file_edited_after_the_look_stops_the_commit(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    await keep(holdings, NEWER)
    async with holdings.stage(NEWER.version, dest) as staging:
        await fill(staging, NEWER)
        (dest / "b" / "d").write_bytes(b"SMALL")
        with pytest.raises(EditedFilesError, match="b/d"):
            await staging.commit()
        assert (dest / "b" / "d").read_bytes() == b"SMALL"
        for index in NEWER.block_indexes():
            assert await holdings.read(NEWER.id, index) == NEWER.block(index)
    async with holdings.stage(NEWER.version, dest, repair=True) as staging:
        assert staging.is_complete
        await staging.commit()
    assert listing(dest) == expected(NEWER)


async def test_a_file_edited_in_the_very_last_moment_is_kept_aside(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarm.holdings import commit

    def edit_and_swap(area: bytes, path: bytes) -> bool:
        (dest / "b" / "d").write_bytes(b"SMALL")
        return swap(area, path)

    swap = commit.swap
    await fetch(holdings, MADE, dest)
    await keep(holdings, NEWER)
    monkeypatch.setattr(commit, "swap", edit_and_swap)
    async with holdings.stage(NEWER.version, dest) as staging:
        await fill(staging, NEWER)
        done = await staging.commit()
    assert listing(dest) == expected(NEWER)
    assert done.kept is not None
    assert (Path(done.kept) / "b" / "d").read_bytes() == b"SMALL"


async def test_a_touched_file_with_the_right_bytes_is_not_edited(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "b" / "d").write_bytes(b"small")
    async with holdings.stage(MADE.version, dest) as staging:
        assert staging.is_present
    for index in MADE.block_indexes():
        assert await holdings.read(MADE.id, index) == MADE.block(index)


async def test_a_dest_that_was_moved_away_is_fetched_again(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    dest.rename(dest.parent / "elsewhere")
    await fetch(holdings, MADE, dest)
    assert listing(dest) == listing(dest.parent / "elsewhere")


async def test_another_command_at_the_same_dest_is_refused(home: Path, dest: Path) -> None:
    async with open_holdings(home) as one, open_holdings(home) as two:
        await keep(one, MADE)
        async with one.stage(MADE.version, dest):
            with pytest.raises(RefusedError, match=str(os.getpid())):
                async with two.stage(MADE.version, dest):
                    pass
            with pytest.raises(RefusedError):
                await two.remove(dest)


async def test_another_command_at_the_same_dest_can_be_waited_for(home: Path, dest: Path) -> None:
    heard: list[str] = []

    async def second() -> None:
        async with two.stage(MADE.version, dest, on_wait=heard.append) as staging:
            assert staging.is_present

    async with open_holdings(home) as one, open_holdings(home) as two, trio.open_nursery() as nursery:
        await keep(one, MADE)
        async with one.stage(MADE.version, dest) as staging:
            nursery.start_soon(second)
            while not heard:
                await trio.sleep(0.01)
            await fill(staging, MADE)
            await staging.commit()
    assert len(heard) == 1


async def test_the_working_directory_is_filled_from_within(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest.mkdir(parents=True)
    monkeypatch.chdir(dest)
    for made in (MADE, NEWER, MADE):
        await keep(holdings, made)
        async with holdings.stage(made.version, Path()) as staging:
            assert not staging.is_atomic
            assert "working directory" in staging.reason
            await staging.reuse()
            await fill(staging, made)
            assert not (await staging.commit()).is_atomic
        assert listing(dest) == expected(made)
        assert sorted(os.listdir(".")) == sorted(os.listdir(dest))


async def test_atomic_is_refused_where_it_cannot_be(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest.mkdir(parents=True)
    monkeypatch.chdir(dest)
    await keep(holdings, MADE)
    with pytest.raises(RefusedError, match="one step"):
        async with holdings.stage(MADE.version, dest, atomic=True):
            pass
    assert os.listdir(dest) == []


async def test_a_plan_writes_nothing(holdings: Holdings, dest: Path) -> None:
    await keep(holdings, MADE)
    found = await holdings.plan(MADE.version, dest)
    assert found.plan.staged is not None
    assert found.space.required >= sum(map(len, MADE.contents.values()))
    assert found.space.free > 0
    assert found.resumed.is_empty
    assert not dest.parent.exists()


async def test_a_holding_whose_file_list_is_lost_is_refused_until_it_is_fetched_again(
    holdings: Holdings, home: Path, dest: Path
) -> None:
    await fetch(holdings, MADE, dest, label="x:1")
    for page in (home / "pages").glob("*/*"):
        page.unlink()
    async with open_holdings(home) as again:
        await keep(again, NEWER)
        with pytest.raises(RefusedError) as caught:
            async with again.stage(NEWER.version, dest):
                pass
        assert f"x@{MADE.id.hex()}" in caught.value.hint
        with pytest.raises(NotFoundError):
            await again.verify(dest)
        await fetch(again, MADE, dest)
        await fetch(again, NEWER, dest)
    assert listing(dest) == expected(NEWER)
