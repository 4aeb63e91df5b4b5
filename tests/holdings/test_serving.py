"""What is read again is what was published: edited files are noticed, however they were edited."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.dataset.scan import ScanOptions, scan
from swarm.errors import InternalError, NotFoundError
from swarm.holdings import HoldingKind, Holdings, open_holdings
from swarm.protocol.ids import BlockId, Runs, VersionId
from tests.holdings.versions import Made, fetch, fill, keep, make, some_bytes

CONTENTS = {"a": some_bytes(3_000_000, 1), "b/c": some_bytes(1_500, 2), "b/d": b"small", "e": some_bytes(40_000, 3)}
MADE = make(CONTENTS, piece=50_000)


def overwrite(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def overwrite_with_times_restored(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.write(bytes(100))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def overwrite_by_mmap(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0] ^= 255
        memory.flush()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_rename(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    before = path.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)


def truncate(path: Path) -> None:
    os.truncate(path, 10)


def remove(path: Path) -> None:
    path.unlink()


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


EDITS: list[Callable[[Path], None]] = [
    overwrite,
    overwrite_with_times_restored,
    overwrite_by_mmap,
    replace_by_rename,
    truncate,
    remove,
    replace_by_link,
    replace_by_fifo,
    replace_by_directory,
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
@pytest.mark.parametrize("is_open", [False, True], ids=["unread", "read before"])
async def test_an_edited_file_is_never_served(
    home: Path, dest: Path, edit: Callable[[Path], None], is_open: bool
) -> None:
    lost: list[tuple[VersionId, Runs]] = []
    async with open_holdings(home, on_lost=lambda version, runs: lost.append((version, runs))) as holdings:
        await fetch(holdings, MADE, dest)
        touched = range(MADE.version.space.page_count, MADE.version.space.page_count + 60)
        if is_open:
            for index in MADE.block_indexes():
                assert await holdings.read(MADE.id, index) == MADE.block(index)
        edit(dest / "a")
        for index in MADE.block_indexes():
            data = await holdings.read(MADE.id, index)
            assert data in {None, MADE.block(index)}
            assert (data is None) == (index in touched)
        have = await holdings.have(MADE.id)
        assert have is not None
        assert [index for index in MADE.block_indexes() if index in have] == list(MADE.block_indexes()[60:])
        assert {version for version, _runs in lost} == {MADE.id}
        told = [index for _version, runs in lost for first, count in runs for index in range(first, first + count)]
        assert sorted(told) == list(touched)
        report = await holdings.verify(dest)
        assert (report.edited, report.missing) == (((b"a",), ()) if edit is not remove else ((), (b"a",)))


async def test_what_another_directory_still_has_is_not_lost(home: Path, tmp_path: Path) -> None:
    lost: list[Runs] = []
    async with open_holdings(home, on_lost=lambda _version, runs: lost.append(runs)) as holdings:
        await fetch(holdings, MADE, tmp_path / "one")
        await fetch(holdings, MADE, tmp_path / "two")
        for name in ("one", "two"):
            for index in MADE.block_indexes():
                assert await holdings.read(MADE.id, index) == MADE.block(index)
            assert lost == []
            overwrite(tmp_path / name / "a")
        for index in MADE.block_indexes():
            await holdings.read(MADE.id, index)
        assert lost


async def test_a_touched_file_is_served_again_once_it_is_verified(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, MADE, dest)
    (dest / "a").touch()
    first = MADE.block_indexes()[0]
    assert await holdings.read(MADE.id, first) is None
    report = await holdings.verify(dest)
    assert report.is_whole
    assert (report.intact, report.bytes_intact) == (len(MADE.entries), sum(map(len, CONTENTS.values())))
    assert await holdings.read(MADE.id, first) == MADE.block(first)


async def test_an_edit_is_noticed_by_the_process_that_starts_next(home: Path, dest: Path) -> None:
    async with open_holdings(home) as holdings:
        await fetch(holdings, MADE, dest)
    overwrite_by_mmap(dest / "b" / "c")
    async with open_holdings(home) as holdings:
        have = await holdings.have(MADE.id)
        assert have is not None
        assert not have.is_full
    async with open_holdings(home) as holdings:
        assert have == await holdings.have(MADE.id)


async def test_another_process_sees_what_this_one_fetched(home: Path, dest: Path) -> None:
    index = MADE.block_indexes()[-1]
    async with open_holdings(home) as one, open_holdings(home) as two:
        assert await two.have(MADE.id) is None
        assert await two.read(MADE.id, index) is None
        await fetch(one, MADE, dest)
        assert await two.read(MADE.id, index) == MADE.block(index)
        assert await two.read_block(MADE.version.id_of(index)) == MADE.block(index)
        await one.remove(dest)
        assert await two.read(MADE.id, index) is None
        assert await two.records() == []


async def test_blocks_of_the_old_version_are_gone_after_an_update_and_the_common_ones_stay(
    holdings: Holdings, dest: Path
) -> None:
    newer = make({**CONTENTS, "a": CONTENTS["a"][:1_000_000]}, piece=50_000)
    await fetch(holdings, MADE, dest)
    await fetch(holdings, newer, dest)
    assert await holdings.read(MADE.id, MADE.block_indexes()[30]) is None
    common = MADE.version.id_of(MADE.block_indexes()[3])
    assert await holdings.read_block(common) == MADE.block(MADE.block_indexes()[3])


async def test_blocks_can_be_read_in_every_moment_of_a_commit(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarm.holdings import commit

    newer = make({**CONTENTS, "f": b"new"}, piece=50_000)
    index = newer.block_indexes()[40]
    seen: list[bytes | None] = []

    def spy(name: str) -> Callable[..., object]:
        real = getattr(commit, name)

        def spying(*arguments: object, **named: object) -> object:
            result = real(*arguments, **named)
            staging = holdings._stagings[0]
            seen.append(staging.read(index))
            return result

        return spying

    await fetch(holdings, MADE, dest)
    await keep(holdings, newer)
    for name in ("finish_files", "look_again", "swap", "take_old_away", "end_whole"):
        monkeypatch.setattr(commit, name, spy(name))
    async with holdings.stage(newer.version, dest) as staging:
        await staging.reuse()
        await fill(staging, newer)
        await staging.commit()
    assert seen == [newer.block(index)] * 5


async def test_a_producers_directory_is_served_without_a_copy(holdings: Holdings, tmp_path: Path) -> None:
    made = _publish(tmp_path / "source", CONTENTS)
    await _add(holdings, made, tmp_path / "source")
    for index in made.block_indexes():
        assert await holdings.read(made.id, index) == made.block(index)
    record = await holdings.find(tmp_path / "source")
    assert record is not None
    assert record.kind is HoldingKind.SOURCE
    overwrite(tmp_path / "source" / "e")
    have = await holdings.have(made.id)
    assert have is not None
    assert await holdings.read(made.id, made.block_indexes()[-1]) is None
    assert await holdings.read(made.id, made.block_indexes()[0]) == made.block(made.block_indexes()[0])


async def test_publishing_again_withdraws_what_changed(home: Path, tmp_path: Path) -> None:
    lost: list[tuple[VersionId, Runs]] = []
    source = tmp_path / "source"
    async with open_holdings(home, on_lost=lambda version, runs: lost.append((version, runs))) as holdings:
        older = _publish(source, CONTENTS)
        await _add(holdings, older, source)
        assert await holdings.have(older.id) is not None
        newer = _publish(source, {**CONTENTS, "e": some_bytes(40_000, 77)})
        await _add(holdings, newer, source)
        assert [version for version, _runs in lost] == [older.id]
        for index in newer.block_indexes():
            assert await holdings.read(newer.id, index) == newer.block(index)
        assert await holdings.read(older.id, older.block_indexes()[0]) == older.block(older.block_indexes()[0])
        assert await holdings.read(older.id, older.block_indexes()[-1]) is None
        assert [record.version for record in await holdings.records()] == [newer.id, older.id]


async def test_a_source_of_one_file(holdings: Holdings, tmp_path: Path) -> None:
    (tmp_path / "data.db").write_bytes(CONTENTS["a"])
    (tmp_path / "other").write_bytes(b"not published")
    made = make({"data.db": CONTENTS["a"]}, piece=50_000)
    await _add(holdings, made, tmp_path / "data.db")
    for index in made.block_indexes():
        assert await holdings.read(made.id, index) == made.block(index)
    report = await holdings.verify(tmp_path / "data.db")
    assert report.is_whole
    assert report.extra == ()
    await fetch(holdings, MADE, tmp_path / "beside")
    await holdings.remove(tmp_path / "data.db")
    assert (tmp_path / "data.db").read_bytes() == CONTENTS["a"]


async def test_a_source_whose_links_are_followed(holdings: Holdings, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "outside").write_bytes(CONTENTS["e"])
    (source / "link").symlink_to("../outside")
    found = scan(source, ScanOptions(links="follow"))
    made = make({"link": CONTENTS["e"]}, piece=50_000)
    await keep(holdings, made)
    await holdings.add_source(made.version, found, "x:1")
    assert await holdings.read(made.id, made.block_indexes()[0]) == made.block(made.block_indexes()[0])
    assert (await holdings.verify(source)).is_whole


async def test_a_scan_of_something_else_is_refused(holdings: Holdings, tmp_path: Path) -> None:
    _publish(tmp_path / "source", {"x": b"y"})
    await keep(holdings, MADE)
    with pytest.raises(InternalError):
        await holdings.add_source(MADE.version, scan(tmp_path / "source"))


async def test_what_is_not_held_is_not_there(holdings: Holdings, dest: Path) -> None:
    assert await holdings.read_block(BlockId(bytes(32))) is None
    assert await holdings.version(MADE.id) is None
    assert await holdings.find(dest) is None
    with pytest.raises(NotFoundError):
        await holdings.verify(dest)


async def test_a_page_that_rotted_is_noticed(holdings: Holdings, home: Path) -> None:
    await keep(holdings, MADE)
    page = next((home / "pages").glob("*/*"))
    page.write_bytes(bytes(page.stat().st_size))
    have = await holdings.have(MADE.id)
    assert have is not None
    assert have.count == len(MADE.pages) - 1
    assert await holdings.version(MADE.id) is None
    assert not page.exists()


def _publish(source: Path, contents: dict[str, bytes]) -> Made:
    for name, content in contents.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    return make(contents, piece=50_000)


async def _add(holdings: Holdings, made: Made, source: Path) -> None:
    await keep(holdings, made)
    await holdings.add_source(made.version, scan(source), "x:1")
