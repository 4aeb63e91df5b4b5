"""What test_mounts.py runs in a mount namespace: `python -m tests.holdings.mounted SCENARIO DIRECTORY`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from swarm.errors import NoSpaceError, RefusedError
from swarm.holdings import Holdings, open_holdings
from tests.holdings.versions import Link, Made, expected, fill, keep, listing, make, some_bytes

OLD = make({"a": some_bytes(30_000, 1), "b/c": b"old", "b/link": Link(b"c"), "gone/x": b"", "kind": b"file"})
NEW = make({"a": some_bytes(30_000, 1), "b/c": b"new", "e": None, "gone": b"file", "kind/y": b"directory"})
FORBIDDEN = make(
    {"secret": some_bytes(3_000, 2), "ro/deep/file": b"x" * 1500, "ro/read only": b"", "none/inside": b"y"},
    modes={"secret": 0, "ro": 0o555, "ro/deep": 0o500, "ro/deep/file": 0o444, "none": 0},
)


def main() -> None:
    scenario, directory = sys.argv[1], Path(sys.argv[2])
    trio.run(SCENARIOS[scenario], directory)
    print("right")


async def tmpfs(directory: Path) -> None:
    dest = directory / "dest"
    dest.mkdir()
    _mount("-t", "tmpfs", "tmpfs", str(dest))
    await _inside(directory, dest, "mount point")


async def bind(directory: Path) -> None:
    dest = directory / "dest"
    dest.mkdir()
    (directory / "real").mkdir()
    _mount("--bind", str(directory / "real"), str(dest))
    await _inside(directory, dest, "mount point")


async def _inside(directory: Path, dest: Path, reason: str) -> None:
    async with open_holdings(directory / "home") as holdings:
        await keep(holdings, OLD)
        with pytest.raises(RefusedError, match=reason):
            async with holdings.stage(OLD.version, dest, atomic=True):
                pass
        for made in (OLD, NEW, OLD):
            assert not await _fetch(holdings, made, dest)
            assert listing(dest) == expected(made)
            assert (await holdings.verify(dest)).is_whole
        (dest / "a").write_bytes(b"edited")
        async with holdings.stage(OLD.version, dest, repair=True) as staging:
            await fill(staging, OLD)
            await staging.commit()
        assert listing(dest) == expected(OLD)
        assert (await holdings.remove(dest)).kept == ()
        assert os.listdir(dest) == []


async def overlay(directory: Path) -> None:
    for name in ("lower", "upper", "work", "upper2", "work2", "merged"):
        (directory / name).mkdir()
    merged = directory / "merged"
    dest = merged / "dest"
    try:
        _overlay(directory, "lower", "upper", "work")
    except subprocess.CalledProcessError as error:
        print(f"skipped: {error}")
        return
    async with open_holdings(directory / "home") as holdings:
        assert await _fetch(holdings, OLD, dest)
    _run("umount", str(merged))
    # What was written is now in the lower layer, as in a container image: its directories cannot be renamed.
    _overlay(directory, "upper", "upper2", "work2")
    async with open_holdings(directory / "home") as holdings:
        assert not await _fetch(holdings, NEW, dest)
        assert listing(dest) == expected(NEW)
        assert os.listdir(merged) == ["dest"]
        for index in NEW.block_indexes():
            assert await holdings.read(NEW.id, index) == NEW.block(index)


async def full(directory: Path) -> None:
    """A real disk of 4 MiB."""
    disk = directory / "disk"
    disk.mkdir()
    _mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk))
    small = make({"x": some_bytes(2 << 20, 1)}, piece=100_000)
    large = make({"x": some_bytes(5 << 20, 1)}, piece=100_000)
    async with open_holdings(directory / "home") as holdings:
        await keep(holdings, large)
        with pytest.raises(NoSpaceError, match="missing"):
            async with holdings.stage(large.version, disk / "dest"):
                pass
        assert os.listdir(disk) == []
        await keep(holdings, small)
        async with holdings.stage(small.version, disk / "dest") as staging:
            (disk / "other").write_bytes(bytes(3 << 20))
            with pytest.raises(NoSpaceError, match="again"):
                await fill(staging, small)
        assert not (disk / "dest").exists()
        (disk / "other").unlink()
        async with holdings.stage(small.version, disk / "dest") as staging:
            assert 0 < staging.bytes_resumed < 2 << 20
            await fill(staging, small)
            assert staging.bytes_refetched == 0
            await staging.commit()
        assert listing(disk / "dest") == expected(small)


async def tight(directory: Path) -> None:
    """A disk of 10 MiB with three files of 2 MiB, of which all change: links do not help, one file at a time does."""
    disk = directory / "disk"
    disk.mkdir()
    _mount("-t", "tmpfs", "-o", "size=10m", "tmpfs", str(disk))
    old, new = (
        make({name: some_bytes(2 * MIB, seed + number) for number, name in enumerate("xyz")}, piece=100_000)
        for seed in (1, 11)
    )
    dest = disk / "dest"
    async with open_holdings(directory / "home") as holdings:
        await _fetch(holdings, old, dest)
        await keep(holdings, new)
        with pytest.raises(NoSpaceError, match="missing") as found:
            async with holdings.stage(new.version, dest):
                pass
        assert "--in-place, which needs 2.2 MiB" in (found.value.hint or ""), found.value.hint
        parts, is_end = 0, False
        while not is_end:
            async with holdings.stage(new.version, dest, in_place=True) as staging:
                await staging.reuse()
                await fill(staging, new)
                is_end = (await staging.commit()).is_end
            parts += 1
        assert parts == 3
        assert listing(dest) == expected(new)
        assert os.listdir(disk) == ["dest"]


async def user(directory: Path) -> None:
    """An ordinary user: modes that forbid things forbid them."""
    place = directory / "place"
    place.mkdir()
    os.chown(place, 65534, 65534)
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    dest = place / "dest"
    async with open_holdings(place / "home") as holdings:
        await keep(holdings, FORBIDDEN)
        async with holdings.stage(FORBIDDEN.version, dest) as staging:
            await fill(staging, FORBIDDEN)
            # Broken off in mid-commit: the staged tree has its modes already.
            desk = staging._desk
            assert desk is not None
            desk.finish(lambda _bytes: None)
        async with holdings.stage(FORBIDDEN.version, dest) as staging:
            assert staging.is_complete
            assert (await staging.commit()).is_atomic
        assert os.lstat(dest / "secret").st_mode & 0o777 == 0
        assert os.lstat(dest / "none").st_mode & 0o777 == 0
        assert await holdings.read(FORBIDDEN.id, FORBIDDEN.block_indexes()[-1]) is None
        report = await holdings.verify(dest)
        assert report.unreadable == (b"none/inside", b"secret"), report
        assert report.missing == (), report
        dest.chmod(0o555)
        assert await _fetch(holdings, OLD, dest)
        assert dest.stat().st_mode & 0o777 == 0o555
        dest.chmod(0o755)
        assert listing(dest) == expected(OLD)
        await _fetch(holdings, FORBIDDEN, dest)
        assert (await holdings.remove(dest)).kept == ()
        assert sorted(os.listdir(place)) == ["home"]


MIB = 1 << 20
BASE = [some_bytes(100_000, number) for number in range(300)]


async def xfs(directory: Path) -> None:
    await _clones(directory, "mkfs.xfs", "-q", "-m", "reflink=1")


async def btrfs(directory: Path) -> None:
    await _clones(directory, "mkfs.btrfs", "-q")


async def _clones(directory: Path, *make_file_system: str) -> None:
    """A file system that shares bytes between files, of 400 MiB in a file."""
    if shutil.which(make_file_system[0]) is None:
        print(f"skipped: {make_file_system[0]} is not installed")
        return
    image, disk = directory / "image", directory / "disk"
    image.touch()
    os.truncate(image, 400 * MIB)
    disk.mkdir()
    try:
        _run(*make_file_system, str(image))
        _mount("-o", "loop", str(image), str(disk))
    except subprocess.CalledProcessError as error:
        print(f"skipped: no loop device or file system: {error.stderr!r}")
        return
    try:
        async with open_holdings(directory / "home") as holdings:
            await _update_by_clones(holdings, disk)
    finally:
        _run("umount", str(disk))


async def _update_by_clones(holdings: Holdings, disk: Path) -> None:
    """An unchanged file, a database of which three blocks of 300 changed, one that grew, small ones."""
    same, small = some_bytes(20 * MIB, 1000), {f"small/{number}": some_bytes(900, number) for number in range(50)}
    pages = [some_bytes(100_000, 5000 + number) if number in {7, 150, 299} else BASE[number] for number in range(300)]
    old = make({"base": b"".join(BASE), "same": same, **small}, piece=100_000)
    new = make({"base": b"".join(pages), "same": same, "small.txt": b"x", **small}, piece=100_000)
    dest, beside = disk / "dest", disk / "beside"
    await _fetch(holdings, old, dest)
    before, used = (dest / "same").stat().st_ino, _used(disk)
    await keep(holdings, new)
    names = sorted(os.listdir(disk))
    foretold = await holdings.plan(new.version, dest)
    assert sorted(os.listdir(disk)) == names, "to foretell it takes no file that has a name"
    async with holdings.stage(new.version, dest) as staging:
        assert staging.space.required < 2 * MIB, staging.space
        assert abs(foretold.space.required - staging.space.required) < 100_000, foretold.space
        await staging.reuse()
        assert await fill(staging, new) <= 5
        assert _used(disk) - used < 4 * MIB, "what is the same takes no room a second time"
        await staging.commit()
    assert listing(dest) == expected(new)
    assert (dest / "same").stat().st_ino != before, "a clone is a file of its own"
    assert (await holdings.verify(dest)).is_whole
    used = _used(disk)
    await _fetch(holdings, new, beside)
    assert _used(disk) - used < 4 * MIB
    with (beside / "base").open("r+b") as file:
        file.write(b"edited")
    assert listing(dest) == expected(new), "what is edited in one is not edited in the other"
    assert (await holdings.verify(beside)).edited == (b"base",)


def _used(disk: Path) -> int:
    os.sync()
    status = os.statvfs(disk)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


async def _fetch(holdings: Holdings, made: Made, dest: Path) -> bool:
    await keep(holdings, made)
    async with holdings.stage(made.version, dest) as staging:
        await staging.reuse()
        await fill(staging, made)
        return (await staging.commit()).is_atomic


def _mount(*arguments: str) -> None:
    _run("mount", *arguments)


def _overlay(directory: Path, lower: str, upper: str, work: str) -> None:
    places = f"lowerdir={directory / lower},upperdir={directory / upper},workdir={directory / work}"
    _mount("-t", "overlay", "overlay", "-o", places, str(directory / "merged"))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


SCENARIOS: dict[str, Callable[[Path], Awaitable[None]]] = {
    "tmpfs": tmpfs,
    "bind": bind,
    "overlay": overlay,
    "full": full,
    "tight": tight,
    "user": user,
    "xfs": xfs,
    "btrfs": btrfs,
}

if __name__ == "__main__":
    main()
