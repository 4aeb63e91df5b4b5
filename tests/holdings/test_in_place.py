"""Updates file by file: little room, whole files at every moment, and what the two holdings of a DEST say meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarm.errors import EditedFilesError, RefusedError
from swarm.holdings import Committed, HoldingKind, Holdings
from tests.holdings.versions import MTIME_NS, Link, Made, expected, fetch, fill, keep, listing, make, some_bytes

SAME = some_bytes(50_000, 1)
OLD = make(
    {
        "a": some_bytes(20_500, 2),
        "b/c": some_bytes(20_500, 3),
        "d": some_bytes(20_500, 4),
        "gone/x": b"x",
        "link": Link(b"a"),
        "same": SAME,
    }
)
NEW = make(
    {
        "a": some_bytes(20_500, 5),
        "b/c": some_bytes(20_500, 6),
        "d": some_bytes(20_500, 7),
        "link": Link(b"d"),
        "new/y": b"y",
        "same": SAME,
    },
    modes={"same": 0o600, "b": 0o555},
    mtime_ns=MTIME_NS + 10**9,
)


@pytest.fixture(autouse=True)
def _one_file_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm.holdings.in_place._room", lambda *_arguments: 0)


async def part(holdings: Holdings, made: Made, dest: Path, **options: object) -> tuple[Committed, int]:
    """One part of an update, and the room that it took."""
    async with holdings.stage(made.version, dest, in_place=True, **options) as staging:  # type: ignore[arg-type]
        await staging.reuse()
        await fill(staging, made)
        return await staging.commit(), staging.space.required


async def test_file_by_file_until_the_end(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    same = (dest / "same").stat().st_ino
    await keep(holdings, NEW)

    parts: list[Committed] = []
    while not parts or not parts[-1].is_end:
        committed, room = await part(holdings, NEW, dest)
        parts.append(committed)
        assert room < 40_000
        whole = {entry[-1] for made in (OLD, NEW) for entry in expected(made).values() if entry[0] == "file"}
        assert all(entry[-1] in whole for entry in listing(dest).values() if entry[0] == "file")

    assert len(parts) == 4
    assert not any(each.is_atomic for each in parts)
    assert "in place" in parts[0].reason
    assert listing(dest) == expected(NEW)
    assert (dest / "same").stat().st_ino == same
    (record,) = await holdings.records()
    assert (record.kind, record.version) == (HoldingKind.FETCHED, NEW.id)
    assert (await holdings.verify(dest)).is_whole
    assert sorted(os.listdir(tmp_path)) == ["dest", "home"]


async def test_meanwhile_whole_files_of_both_versions_are_given(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)

    await part(holdings, NEW, dest)

    for made, expects_some in ((OLD, True), (NEW, True)):
        have = await holdings.have(made.id)
        assert have is not None
        read = {index: await holdings.read(made.id, index) for index in made.block_indexes()}
        assert {index for index, data in read.items() if data is not None} == {
            index for index in made.block_indexes() if index in have
        }
        assert any(data is not None for data in read.values()) is expects_some
        assert all(data in (None, made.block(index)) for index, data in read.items())


async def test_what_has_not_come_yet_is_pending_and_not_edited(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)
    await part(holdings, NEW, dest)
    (dest / "same").write_bytes(b"by hand")
    (dest / "added").write_bytes(b"by hand")

    found = await holdings.verify(dest)

    assert set(found.pending) >= {b"b/c", b"d", b"link", b"new/y"}
    assert b"a" not in found.pending
    assert (found.edited, found.missing, found.extra) == ((b"same",), (), (b"added",))
    assert not found.is_whole


async def test_a_run_without_the_option_ends_what_was_begun_with_it(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)
    await part(holdings, NEW, dest)

    ended = False
    while not ended:
        async with holdings.stage(NEW.version, dest) as staging:
            await staging.reuse()
            await fill(staging, NEW)
            ended = (await staging.commit()).is_end

    assert listing(dest) == expected(NEW)


async def test_another_version_is_refused_until_then(holdings: Holdings, tmp_path: Path) -> None:
    third = make({"a": b"third", "same": SAME})
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)
    await part(holdings, NEW, dest)
    await keep(holdings, third)

    with pytest.raises(RefusedError, match=r"in place to .* was broken off"):
        await part(holdings, third, dest)

    await fetch(holdings, third, dest, repair=True)
    assert listing(dest) == expected(third)
    assert [record.version for record in await holdings.records()] == [third.id]


async def test_edited_and_added_files_stop_it(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)
    await part(holdings, NEW, dest)
    (dest / "d").write_bytes(b"edited")
    with pytest.raises(EditedFilesError, match="d"):
        await part(holdings, NEW, dest)
    (dest / "d").write_bytes(OLD.contents[b"d"])
    (dest / "d-wal").write_bytes(b"added")
    with pytest.raises(EditedFilesError, match="d-wal"):
        await part(holdings, NEW, dest)
    (dest / "d-wal").unlink()

    while not (await part(holdings, NEW, dest))[0].is_end:
        pass

    assert listing(dest) == expected(NEW)


async def test_an_edit_in_the_last_moment_stops_it_too(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)
    async with holdings.stage(NEW.version, dest, in_place=True) as staging:
        await fill(staging, NEW)
        (dest / "a").write_bytes(b"edited")
        with pytest.raises(EditedFilesError, match="a"):
            await staging.commit()
    assert (dest / "a").read_bytes() == b"edited"


async def test_with_room_for_all_changed_files_it_is_one_part(
    holdings: Holdings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.holdings.in_place._room", lambda *_arguments: 1 << 30)
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)

    committed, _room = await part(holdings, NEW, dest)

    assert committed.is_end
    assert listing(dest) == expected(NEW)


async def test_what_is_removed_in_the_middle_is_removed_whole(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    await fetch(holdings, OLD, dest)
    await keep(holdings, NEW)
    await part(holdings, NEW, dest)

    assert (await holdings.remove(dest)).kept == ()

    assert not dest.exists()
    assert await holdings.records() == []
