"""`swarm verify` and `swarm rm`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarm.errors import NotFoundError
from swarm.holdings import Holdings
from tests.holdings.versions import Link, expected, fetch, fill, keep, listing, make, some_bytes

MADE = make(
    {"a": some_bytes(2_500, 1), "b/c": some_bytes(1_500, 2), "b/link": Link(b"c"), "ro/x": b"1", "empty": None},
    modes={"ro": 0o555, "ro/x": 0o444},
)


async def test_an_untouched_holding_is_whole(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    report = await holdings.verify(dest)
    assert report.is_whole
    assert report.intact == len(MADE.entries)
    assert (report.edited, report.missing, report.modes, report.extra, report.unreadable) == ((), (), (), (), ())


async def test_everything_that_differs_is_listed(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    before = (dest / "a").stat()
    (dest / "a").write_bytes(bytes(2_500))
    os.utime(dest / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    (dest / "b" / "link").unlink()
    (dest / "b" / "link").symlink_to("elsewhere")
    (dest / "empty").rmdir()
    (dest / "b" / "c").chmod(0o600)
    (dest / "new").mkdir()
    (dest / "new" / "inside").write_bytes(b"")
    (dest / "b" / "new").write_bytes(b"")
    report = await holdings.verify(dest)
    assert not report.is_whole
    assert report.edited == (b"a", b"b/link")
    assert report.missing == (b"empty",)
    assert report.modes == (b"b/c",)
    assert report.extra == (b"b/new", b"new/")
    assert report.intact == len(MADE.entries) - 3


async def test_bits_that_rotted_without_a_trace_are_found(holdings: Holdings, dest: Path) -> None:
    """The stat is what was recorded, and the bytes are not: as on a bad disk."""
    await fetch(holdings, MADE, dest)
    (dest / "a").write_bytes(bytes(2_500))
    held = holdings._catalog.held((await holdings.records())[0])
    assert held is not None
    _believe(held, dest / "a")
    assert await holdings.read(MADE.id, MADE.block_indexes()[0]) is None
    _believe(held, dest / "a")
    report = await holdings.verify(dest)
    assert report.edited == (b"a",)


def _believe(held: object, path: Path) -> None:
    from swarm.dataset.entries import signature_of
    from swarm.holdings.held import Held

    assert isinstance(held, Held)
    held.signatures[0] = signature_of(path.stat())
    held.have = held._readable()


async def test_progress_is_told(holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm.holdings.workers.TICK_INTERVAL_S", 0.0)
    told: list[int] = []
    await fetch(holdings, MADE, dest)
    await holdings.verify(dest, told.append)
    assert sum(told) == 4_001


async def test_a_vanished_directory_is_all_missing(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    dest.rename(dest.parent / "elsewhere")
    report = await holdings.verify(dest)
    assert len(report.missing) == len(MADE.entries)


async def test_removing_takes_what_is_ours(holdings: Holdings, dest: Path, home: Path) -> None:
    await fetch(holdings, MADE, dest, label="x:1")
    removed = await holdings.remove(dest)
    assert (removed.labels, removed.kept) == (("x:1",), ())
    assert not dest.exists()
    assert await holdings.records() == []
    with pytest.raises(NotFoundError):
        await holdings.remove(dest)


async def test_removing_leaves_what_is_a_users(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "b" / "c").write_bytes(b"edited")
    (dest / "b" / "mine").write_bytes(b"added")
    (dest / "empty" / "mine").write_bytes(b"added")
    removed = await holdings.remove(dest)
    assert removed.kept == (b"b/c", b"b/mine", b"empty/mine")
    assert {path: entry[-1] for path, entry in listing(dest).items() if entry[0] == "file"} == {
        b"b/c": b"edited",
        b"b/mine": b"added",
        b"empty/mine": b"added",
    }
    assert await holdings.find(dest) is None


async def test_removing_takes_what_was_staged(holdings: Holdings, dest: Path) -> None:
    await keep(holdings, MADE)
    async with holdings.stage(MADE.version, dest) as staging:
        await fill(staging, MADE)
    assert os.listdir(dest.parent) != []
    await holdings.remove(dest)
    assert os.listdir(dest.parent) == []


async def test_manifests_nobody_needs_are_pruned_once_they_are_old(
    holdings: Holdings, tmp_path: Path, home: Path
) -> None:
    other = make({"a": some_bytes(2_500, 1), "x": b"y"})
    await fetch(holdings, MADE, tmp_path / "one")
    await fetch(holdings, other, tmp_path / "two")
    await holdings.remove(tmp_path / "one")
    assert await holdings.root(MADE.id) is not None
    for path in home.rglob("*"):
        if path.is_file() and path.parent.parent.parent == home:
            os.utime(path, (0, 0))
    await fetch(holdings, other, tmp_path / "three")
    await holdings.remove(tmp_path / "three")
    assert await holdings.root(MADE.id) is None
    assert await holdings.version(other.id) is not None
    assert expected(other) == listing(tmp_path / "two")
    assert not (home / "versions" / MADE.id.hex()).exists()
    assert len(list((home / "pages").glob("*/*"))) == len(other.pages)
