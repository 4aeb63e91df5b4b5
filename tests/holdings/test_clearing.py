"""A tree of many files is taken away by several threads: what is its own goes, what is a user's stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarm.holdings import Holdings
from swarm.holdings.clearing import ARMFUL
from tests.holdings.versions import expected, fetch, listing, make, some_bytes

COUNT = 3 * ARMFUL
FILES = {f"{number % 7}/{number:03}": some_bytes(20, number) for number in range(COUNT)}
OLD, NEW = make(dict(FILES)), make({"a": b"new"})


async def test_an_update_removes_all_that_the_old_version_had(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, OLD, dest)
    await fetch(holdings, NEW, dest)
    assert listing(dest) == expected(NEW)
    assert os.listdir(dest.parent) == [dest.name]


async def test_rm_leaves_what_was_edited_and_what_was_added(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, OLD, dest)
    (dest / "3" / "010").write_bytes(b"edited")
    (dest / "5" / "added").write_bytes(b"mine")
    await holdings.remove(dest)
    assert {path.relative_to(dest).as_posix() for path in dest.rglob("*")} == {"3", "3/010", "5", "5/added"}
    assert (dest / "3" / "010").read_bytes() == b"edited"


async def test_a_touched_file_with_its_own_bytes_goes_too(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, OLD, dest)
    os.utime(dest / "3" / "010", ns=(1, 1))
    await holdings.remove(dest)
    assert not dest.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_directory_that_was_locked_is_opened_again(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, OLD, dest)
    (dest / "2").chmod(0o500)
    await holdings.remove(dest)
    assert not dest.exists()


async def test_a_failing_disk_is_said_and_the_next_try_ends_it(
    holdings: Holdings, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fetch(holdings, OLD, dest)
    real = os.unlink

    def fail(path: bytes, *, dir_fd: int | None = None) -> None:
        if path == b"100":
            raise OSError(5, "Input/output error")
        real(path, dir_fd=dir_fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", fail)
        with pytest.raises(Exception, match="Input/output error"):
            await holdings.remove(dest)
    assert [path.name for path in dest.rglob("*") if path.is_file()] == ["100"]
    await holdings.remove(dest)
    assert not dest.exists()
