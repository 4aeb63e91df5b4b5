"""`fetch --dry-run`: what would be moved, what would become of DEST, and that nothing was touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarm.agent.notices import Planned, Progress
from swarm.agent.pacing import Limits, Pacer
from swarm.dataset.selection import Selection
from swarm.errors import EditedFilesError, NoSpaceError
from swarm.holdings.space import Space
from tests.agent.test_resume import interrupt
from tests.agent.world import KIB, Machine, make_data, open_world

Stamp = tuple[str, int, int, int]


def stamps(*tops: Path) -> list[Stamp]:
    """Everything below: path, size, time, inode."""
    paths = [path for top in tops for path in (top, *top.rglob("*")) if os.path.lexists(path)]
    return sorted((str(path), *_stamp(path)) for path in paths)


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_size, status.st_mtime_ns, status.st_ino


async def dry_run(machine: Machine, reference: str, dest: Path, **changes: object) -> Planned:
    await machine.fetch(reference, dest, dry_run=True, **changes)
    planned = machine.notices[-1] if isinstance(machine.notices[-1], Planned) else None
    planned = planned or next(one for one in reversed(machine.notices) if isinstance(one, Planned))
    assert planned.is_dry_run
    assert planned.bytes == planned.bytes_local + planned.bytes_to_fetch
    return planned


def changes(planned: Planned) -> tuple[int | None, int | None, int | None]:
    return planned.files_added, planned.files_changed, planned.files_removed


async def test_an_update_is_foretold_and_the_directory_is_as_it_was(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=8)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        first = await dry_run(consumer, "data:1.0.0", tmp_path / "copy")
        assert changes(first) == (8 + 3, 0, 0), "all files and links"
        assert first.bytes_needed > first.bytes_to_fetch > 0
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        (data / "new").write_bytes(b"new")
        (data / "newer").write_bytes(b"newer")
        (data / "again.bin").chmod(0o600)
        (data / "deep" / "file1.bin").write_bytes(b"another")
        (data / "link").unlink()
        await world.publish(data, "data:2.0.0")
        before = stamps(tmp_path / "copy")
        planned = await dry_run(consumer, "data:2.0.0", tmp_path / "copy")
        assert stamps(tmp_path / "copy") == before
        assert sorted(path.name for path in tmp_path.iterdir() if "copy" in path.name) == ["copy"]
        assert changes(planned) == (2, 2, 1)
        receipt = await consumer.fetch("data:2.0.0", tmp_path / "copy")
        assert planned.bytes_to_fetch == receipt.bytes_origin
        assert changes(await dry_run(consumer, "data:2.0.0", tmp_path / "copy")) == (0, 0, 0)


async def test_a_selection_and_a_repair_are_foretold_too(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=8)
    some = Selection(["deep/er/*"])
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        planned = await dry_run(consumer, "data:1.0.0", tmp_path / "copy", selection=some)
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy", selection=some)
        assert (planned.files, planned.bytes, planned.bytes_to_fetch) == (4, receipt.bytes, receipt.bytes_origin)
        assert changes(planned) == (4, 0, 0)
        whole = await dry_run(consumer, "data:1.0.0", tmp_path / "copy")
        assert changes(whole) == (7, 0, 0)
        (tmp_path / "copy" / "deep" / "er" / "file0.bin").write_bytes(b"edited")
        with pytest.raises(EditedFilesError):
            await dry_run(consumer, "data:1.0.0", tmp_path / "copy", selection=some)
        assert changes(await dry_run(consumer, "data:1.0.0", tmp_path / "copy", selection=some, repair=True)) == (
            0,
            1,
            0,
        )


async def test_what_an_interrupted_run_has_left_need_not_come_again(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=16)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        first = await world.machine(reads_store=True, home=tmp_path / "home")
        await interrupt(first, "data:1.0.0", tmp_path / "copy", 12)
        slow = Limits(origin=Pacer(6000 * KIB))
        second = await world.machine(reads_store=True, home=tmp_path / "home", limits=slow)
        (area,) = [path for path in tmp_path.iterdir() if path.name.startswith(".copy")]
        before = stamps(area)
        planned = await dry_run(second, "data:1.0.0", tmp_path / "copy")
        assert stamps(area) == before
        receipt = await second.fetch("data:1.0.0", tmp_path / "copy")
        told = next(one for one in reversed(second.notices) if isinstance(one, Planned))
        shown = [one for one in second.notices if isinstance(one, Progress) and one.bytes_resumed]
    assert 0 < planned.bytes_resumed < planned.bytes_local < planned.bytes
    assert planned.bytes_to_fetch == receipt.bytes_origin
    assert planned.bytes_needed < planned.bytes
    assert (told.bytes_resumed, told.bytes_to_fetch) == (planned.bytes_resumed, planned.bytes_to_fetch)
    assert not told.is_dry_run
    assert {one.bytes_resumed for one in shown} == {planned.bytes_resumed}
    assert receipt.bytes_local == planned.bytes_local


async def test_a_disk_that_is_too_small_is_told_with_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(tmp_path / "data", files=4)
    monkeypatch.setattr("swarm.holdings.preview.space_for", lambda *_: Space(1000, 10, "/dest"))
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        planned = await dry_run(consumer, "data:1.0.0", tmp_path / "copy")
    assert (planned.bytes_needed, planned.bytes_free) == (1000, 10)
    with pytest.raises(NoSpaceError):
        Space(1000, 10, "/dest").check()
