"""Power cuts, full disks, planted links, file systems that cannot."""

from __future__ import annotations

import errno
import os
import random
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from swarm.errors import InternalError, NoSpaceError, RefusedError, SwarmError, UsageError
from swarm.holdings import Holdings, desk, linux, names, open_holdings
from swarm.holdings import mounts as mounts_module
from swarm.holdings.mounts import Mount
from tests.holdings.versions import Made, expected, fetch, fill, keep, listing, make, some_bytes

TREE = {"a": some_bytes(40_000, 1), "b/c": some_bytes(3_000, 2), "b/d": b"small", "b/e": b"", "zeros": bytes(20_000)}
MADE = make(TREE)
NEWER = make({**TREE, "a": some_bytes(30_000, 9), "new": b"x"})


def reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "boot_id", lambda: b"another boot id!")


def staged_tree(dest: Path) -> Path:
    (area,) = dest.parent.glob(".dest.swarm-*")
    return area / "tree"


async def stage_some(home: Path, made: Made, dest: Path, count: int | None = None) -> None:
    async with open_holdings(home) as holdings:
        await keep(holdings, made)
        async with holdings.stage(made.version, dest) as staging:
            for index in made.block_indexes()[:count]:
                await staging.write(index, made.block(index))


@pytest.mark.parametrize("seed", range(6))
async def test_after_a_power_cut_all_is_hashed_again(
    home: Path, dest: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    await stage_some(home, MADE, dest)
    path = staged_tree(dest) / "a"
    damaged = {rng.randrange(40) for _ in range(4)}
    with path.open("r+b") as file:
        for number in damaged:
            file.seek(number * 1000 + rng.randrange(500))
            file.write(bytes(rng.randrange(1, 500)) or b"\0")
    reboot(monkeypatch)
    async with open_holdings(home) as holdings, holdings.stage(MADE.version, dest) as staging:
        lacking = [index for first, count in staging.lacking for index in range(first, first + count)]
        assert lacking == [MADE.block_indexes()[number] for number in sorted(damaged)]
        with path.open("rb") as file:
            for number in damaged:
                file.seek(number * 1000)
                assert file.read(1000) == bytes(1000)
        await fill(staging, MADE)
        assert staging.bytes_refetched == 1000 * len(damaged)
        await staging.commit()
    assert listing(dest) == expected(MADE)


async def test_after_a_power_cut_the_journal_may_say_too_much_or_be_gone(
    home: Path, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage_some(home, MADE, dest, 30)
    (staged_tree(dest) / "b").exists()
    journal = staged_tree(dest).parent / "journal"
    reboot(monkeypatch)
    for damage in (b"", bytes(64), journal.read_bytes()[:131], journal.read_bytes() + b"\xff" * 50, None):
        journal.unlink(missing_ok=True)
        if damage is not None:
            journal.write_bytes(damage)
        async with open_holdings(home) as holdings, holdings.stage(MADE.version, dest) as staging:
            assert staging.have.count == len(MADE.pages) + 30
    async with open_holdings(home) as holdings, holdings.stage(MADE.version, dest) as staging:
        await fill(staging, MADE)
        await staging.commit()
    assert listing(dest) == expected(MADE)


async def test_a_crash_is_no_power_cut(home: Path, dest: Path) -> None:
    """Within one boot the journal is believed: nothing is read."""
    await stage_some(home, MADE, dest)
    (staged_tree(dest) / "a").write_bytes(bytes(40_000))
    async with open_holdings(home) as holdings, holdings.stage(MADE.version, dest) as staging:
        assert staging.is_complete


async def test_a_staged_file_that_somebody_removed_is_fetched_again(home: Path, dest: Path) -> None:
    await stage_some(home, MADE, dest)
    (staged_tree(dest) / "a").unlink()
    os.truncate(staged_tree(dest) / "b" / "c", 10)
    async with open_holdings(home) as holdings, holdings.stage(MADE.version, dest) as staging:
        assert not staging.is_complete
        assert await fill(staging, MADE) <= 45
        await staging.commit()
    assert listing(dest) == expected(MADE)


async def test_a_staged_block_that_changed_is_not_served_and_comes_again(holdings: Holdings, dest: Path) -> None:
    lost: list[object] = []
    holdings.on_lost = lambda _version, runs: lost.append(runs)
    await keep(holdings, MADE)
    async with holdings.stage(MADE.version, dest) as staging:
        await fill(staging, MADE)
        with (staged_tree(dest) / "a").open("r+b") as file:
            file.write(b"edited")
        index = MADE.block_indexes()[0]
        assert await holdings.read(MADE.id, index) is None
        assert lost == [((index, 1),)]
        with pytest.raises(InternalError):
            await staging.commit()
        await fill(staging, MADE)
        await staging.commit()
    assert listing(dest) == expected(MADE)


async def test_no_space_is_known_before_the_first_byte(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(holdings, MADE)
    real = os.statvfs(dest.parent.parent)
    values = list(real[:10])
    values[1], values[4] = 4096, 8
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(values))
    with pytest.raises(NoSpaceError, match="are missing") as caught:
        async with holdings.stage(MADE.version, dest):
            pass
    assert caught.value.exit_code == 6
    assert not dest.parent.exists()


async def test_a_disk_that_fills_up_leaves_no_half_block_and_goes_on(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(holdings, MADE)
    real = os.pwrite

    def full(descriptor: int, data: memoryview, offset: int) -> int:
        if offset >= 5_000 and len(data) > 500:
            real(descriptor, data[:300], offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, offset)

    async with holdings.stage(MADE.version, dest) as staging:
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(NoSpaceError) as caught:
            for index in MADE.block_indexes():
                await staging.write(index, MADE.block(index))
        assert "again" in caught.value.hint
        assert staging.have.count == len(MADE.pages) + 5
        failed = MADE.block_indexes()[5]
        assert failed not in staging.have
        assert await holdings.read(MADE.id, failed) is None
        monkeypatch.setattr(os, "pwrite", real)
        await fill(staging, MADE)
        await staging.commit()
    assert listing(dest) == expected(MADE)


async def test_links_planted_in_staging_lead_nowhere(home: Path, dest: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c").write_bytes(b"mine")
    await stage_some(home, MADE, dest, 1)
    tree = staged_tree(dest)
    (tree / "b").symlink_to(outside)
    (tree / "zeros").symlink_to(outside / "new")
    async with open_holdings(home) as holdings, holdings.stage(MADE.version, dest) as staging:
        for index in MADE.block_indexes()[1:]:
            with suppress(SwarmError):
                await staging.write(index, MADE.block(index))
    assert sorted(os.listdir(outside)) == ["c"]
    assert (outside / "c").read_bytes() == b"mine"


async def test_a_directory_replaced_by_a_link_in_dest_is_edited_and_not_followed(
    holdings: Holdings, dest: Path, tmp_path: Path
) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "b").rename(tmp_path / "moved")
    (dest / "b").symlink_to(tmp_path / "moved")
    # What is read is what was published, or nothing: the directory that was moved may still be open.
    for index in MADE.block_indexes()[40:43]:
        assert await holdings.read(MADE.id, index) in {None, MADE.block(index)}
    report = await holdings.verify(dest)
    assert report.edited == (b"b",)
    assert report.missing == (b"b/c", b"b/d", b"b/e")
    async with holdings.stage(MADE.version, dest, repair=True) as staging:
        await fill(staging, MADE)
        await staging.commit()
    assert listing(dest) == expected(MADE)
    assert sorted(os.listdir(tmp_path / "moved")) == ["c", "d", "e"]
    removed = await holdings.remove(dest)
    assert removed.kept == ()
    assert sorted(os.listdir(tmp_path / "moved")) == ["c", "d", "e"]


async def test_an_area_of_somebody_else_is_refused(holdings: Holdings, dest: Path) -> None:
    dest.parent.mkdir(parents=True)
    area = dest.parent / f".dest.swarm-{MADE.id[:4].hex()}"
    area.symlink_to("/tmp")
    await keep(holdings, MADE)
    with pytest.raises(RefusedError):
        async with holdings.stage(MADE.version, dest):
            pass
    assert area.is_symlink()


async def test_a_directory_that_only_looks_like_an_area_is_left_alone(holdings: Holdings, dest: Path) -> None:
    dest.parent.mkdir(parents=True)
    (dest.parent / ".dest.swarm-backup").mkdir()
    (dest.parent / ".dest.swarm-12345678").mkdir()
    (dest.parent / ".dest.swarm-12345678" / "mine").write_bytes(b"precious")
    await fetch(holdings, MADE, dest)
    await holdings.remove(dest)
    assert sorted(os.listdir(dest.parent)) == [".dest.swarm-12345678", ".dest.swarm-backup"]


async def test_another_version_with_the_same_first_digits_starts_anew(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarm.holdings import plan

    real = plan.place
    monkeypatch.setattr(plan, "place", lambda path, _version: real(path, MADE.id))
    await keep(holdings, MADE)
    await keep(holdings, NEWER)
    async with holdings.stage(MADE.version, dest) as staging:
        await fill(staging, MADE)
    async with holdings.stage(NEWER.version, dest) as staging:
        assert staging.bytes_resumed == 0
        await fill(staging, NEWER)
        await staging.commit()
    assert listing(dest) == expected(NEWER)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EXDEV, errno.EBUSY, errno.ENOSYS])
async def test_without_exchange_entries_are_moved_one_by_one(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    await fetch(holdings, MADE, dest)
    await keep(holdings, NEWER)

    def refuse(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(linux, "exchange", refuse)
    inode = dest.stat().st_ino
    async with holdings.stage(NEWER.version, dest) as staging:
        await staging.reuse()
        await fill(staging, NEWER)
        done = await staging.commit()
        assert (done.is_changed, done.is_atomic) == (True, False)
        assert done.reason
    assert listing(dest) == expected(NEWER)
    assert dest.stat().st_ino == inode
    for index in NEWER.block_indexes():
        assert await holdings.read(NEWER.id, index) == NEWER.block(index)
    assert os.listdir(dest.parent) == ["dest"]
    assert (await holdings.verify(dest)).is_whole


async def test_without_exchange_atomic_is_refused_before_the_first_byte(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fetch(holdings, MADE, dest)
    await keep(holdings, NEWER)

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(linux, "exchange", refuse)
    with pytest.raises(RefusedError, match="exchange"):
        async with holdings.stage(NEWER.version, dest, atomic=True):
            pass
    assert listing(dest) == expected(MADE)
    assert os.listdir(dest.parent) == ["dest"]


async def test_an_exchange_refused_in_the_last_moment_leaves_the_old_version_under_atomic(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarm.holdings import commit

    await fetch(holdings, MADE, dest)
    await keep(holdings, NEWER)
    async with holdings.stage(NEWER.version, dest, atomic=True) as staging:
        await fill(staging, NEWER)
        monkeypatch.setattr(commit, "swap", lambda *_arguments: False)
        with pytest.raises(RefusedError):
            await staging.commit()
        assert listing(dest) == expected(MADE)
    monkeypatch.undo()
    async with holdings.stage(NEWER.version, dest) as staging:
        assert staging.is_complete
        await staging.commit()
    assert listing(dest) == expected(NEWER)


async def test_names_that_are_one_on_this_file_system_are_refused(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_is_one", lambda _directory, name, _other: "case" in name)
    made = make({"Readme": b"1", "readme": b"2"})
    await keep(holdings, made)
    with pytest.raises(UsageError, match="Readme and readme"):
        async with holdings.stage(made.version, dest):
            pass
    await fetch(holdings, MADE, dest)
    monkeypatch.setattr(names, "_is_one", lambda _directory, name, _other: "case" not in name)
    composed = make({"\u00e9": b"1", "e\u0301": b"2"})
    await keep(holdings, composed)
    with pytest.raises(UsageError, match="composed"):
        async with holdings.stage(composed.version, dest):
            pass
    await fetch(holdings, made, dest)


async def test_a_home_on_a_network_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        mounts_module,
        "mounts",
        lambda: [Mount(b"/", "ext4"), Mount(os.path.realpath(os.fsencode(home.parent)), "nfs4")],
    )
    with pytest.raises(RefusedError, match="nfs4") as caught:
        async with open_holdings(home):
            pass
    assert "SWARM_HOME" in caught.value.hint
    assert not home.exists()


async def test_a_dest_with_a_very_long_name(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / ("n" * 255)
    await fetch(holdings, MADE, dest)
    await fetch(holdings, NEWER, dest)
    assert listing(dest) == expected(NEWER)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "n" * 255]


async def test_a_name_too_long_for_the_file_system(holdings: Holdings, tmp_path: Path) -> None:
    await keep(holdings, MADE)
    with pytest.raises(UsageError):
        async with holdings.stage(MADE.version, tmp_path / ("n" * 256)):
            pass


async def test_what_is_staged_reaches_the_disk_every_30_s(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(desk, "sync_file_system", synced.append)
    await keep(holdings, MADE)
    async with holdings.stage(MADE.version, dest) as staging:
        for number, index in enumerate(MADE.block_indexes()[:14]):
            await staging.write(index, MADE.block(index))
            await staging._synced.wait()
            assert len(synced) == number // 6
            await trio.sleep(5.01)


async def test_a_sync_that_fails_is_raised_by_the_next_write(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(desk, "sync_file_system", fail)
    await keep(holdings, MADE)
    indexes = MADE.block_indexes()
    async with holdings.stage(MADE.version, dest) as staging:
        await trio.sleep(31)
        await staging.write(indexes[0], MADE.block(indexes[0]))
        await staging._synced.wait()
        with pytest.raises(NoSpaceError):
            await staging.write(indexes[1], MADE.block(indexes[1]))
        await staging.write(indexes[2], MADE.block(indexes[2]))


@pytest.mark.parametrize("where", ["take_old_away", "end_whole"])
@pytest.mark.parametrize("without", [False, True], ids=["exchange", "entry by entry"])
async def test_a_commit_broken_off_by_another_process_is_ended_by_the_next_fetch(
    home: Path, dest: Path, monkeypatch: pytest.MonkeyPatch, where: str, without: bool
) -> None:
    from swarm.holdings import commit, commit_steps

    def die(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.EIO, "the process was killed here")

    async with open_holdings(home) as living, open_holdings(home) as dying:
        await fetch(dying, MADE, dest)
        await keep(living, NEWER)
        if without:
            monkeypatch.setattr(commit, "swap", lambda *_arguments: False)
        monkeypatch.setattr(commit, "move_entries" if without and where == "take_old_away" else where, die)
        if where == "end_whole":
            monkeypatch.setattr(commit_steps, where, die)
        async with dying.stage(NEWER.version, dest) as staging:
            await fill(staging, NEWER)
            with pytest.raises(SwarmError, match="killed"):
                await staging.commit()
        monkeypatch.undo()
        assert len(living._catalog.index.pending()) == 1
        async with living.stage(NEWER.version, dest) as staging:
            assert staging.is_present
        assert living._catalog.index.pending() == []
    assert listing(dest) == expected(NEWER)
    assert os.listdir(dest.parent) == ["dest"]


async def test_an_intent_whose_exchange_never_came_is_forgotten(
    home: Path, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarm.holdings import commit

    def die(*_arguments: object) -> None:
        raise OSError(errno.EIO, "the process was killed here")

    async with open_holdings(home) as holdings:
        await fetch(holdings, MADE, dest)
        await keep(holdings, NEWER)
        monkeypatch.setattr(commit, "swap", die)
        async with holdings.stage(NEWER.version, dest) as staging:
            await fill(staging, NEWER)
            with pytest.raises(SwarmError, match="killed"):
                await staging.commit()
    monkeypatch.undo()
    async with open_holdings(home) as holdings:
        assert holdings._catalog.index.pending() == []
        record = await holdings.find(dest)
        assert record is not None
        assert record.version == MADE.id
        assert listing(dest) == expected(MADE)
        async with holdings.stage(NEWER.version, dest) as staging:
            assert staging.is_complete


async def test_a_users_file_survives_a_commit_broken_off_after_the_exchange_whatever_comes_next(
    home: Path, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarm.holdings import commit

    def die(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.EIO, "the process was killed here")

    empty = make({})
    async with open_holdings(home) as holdings:
        await fetch(holdings, MADE, dest)
        (dest / "mine").write_bytes(b"precious")
        await keep(holdings, empty)
        monkeypatch.setattr(commit, "take_old_away", die)
        async with holdings.stage(empty.version, dest, repair=True) as staging:
            with pytest.raises(SwarmError, match="killed"):
                await staging.commit()
        monkeypatch.undo()
        await holdings.remove(dest)
    (kept,) = dest.parent.glob("dest.kept-*")
    assert (kept / "mine").read_bytes() == b"precious"
    assert os.listdir(dest.parent) == [kept.name]


async def test_a_commit_whose_pages_are_gone_is_ended_when_they_are_back(
    home: Path, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarm.holdings import commit

    def die(*_arguments: object) -> None:
        raise OSError(errno.EIO, "the process was killed here")

    async with open_holdings(home) as holdings:
        await fetch(holdings, MADE, dest)
        await keep(holdings, NEWER)
        monkeypatch.setattr(commit, "end_whole", die)
        async with holdings.stage(NEWER.version, dest) as staging:
            await fill(staging, NEWER)
            with pytest.raises(SwarmError, match="killed"):
                await staging.commit()
    monkeypatch.undo()
    for page in (home / "pages").glob("*/*"):
        page.unlink()
    async with open_holdings(home) as holdings:
        await keep(holdings, MADE)
        with pytest.raises(RefusedError) as caught:
            async with holdings.stage(MADE.version, dest):
                pass
        assert NEWER.id.hex() in caught.value.hint
        await fetch(holdings, NEWER, dest)
    assert listing(dest) == expected(NEWER)
    assert os.listdir(dest.parent) == ["dest"]
