"""The index between processes and versions of swarm."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.errors import NoSpaceError, PermissionError_, RefusedError
from swarm.holdings import open_holdings
from swarm.holdings.index import Index, open_index
from swarm.holdings.oserror import explain_index
from swarm.holdings.record import HoldingKind, PendingRecord
from swarm.holdings.schema import NEWEST
from swarm.protocol.ids import VersionId
from tests.holdings.versions import expected, fetch, listing, make, some_bytes

TREE = Path(__file__).parents[2]
VERSION = VersionId(b"v" * 32)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return open_index(tmp_path / "index.sqlite", tmp_path / "lock")


def pending(dest: bytes = b"/dest") -> PendingRecord:
    return PendingRecord(
        dest, b"/area", True, (2**64 - 1, 2**64 - 2), VERSION, "x:1", b"\x80", None, b"signatures that are long"
    )


def test_a_commit_becomes_a_holding(index: Index) -> None:
    index.begin_commit(pending())
    assert index.pending() == [pending()]
    index.end_commit(pending(), b"signatures")
    assert index.pending() == []
    (record,) = index.holdings()
    assert (record.kind, record.version, record.directory) == (HoldingKind.FETCHED, VERSION, b"/dest")
    assert record.is_partial
    assert index.signatures(record.id) == b"signatures"


def test_a_directory_holds_one_fetched_version_and_some_of_a_producers(index: Index) -> None:
    for number in range(12):
        commit = pending()
        index.begin_commit(commit)
        index.end_commit(commit, b"")
        version = VersionId(bytes([number]) * 32)
        index.put_source(version, b"/source", "x", b"", follows_links=False, is_file=False)
        index.put_source(version, b"/source", "x", b"", follows_links=False, is_file=False)
    records = index.holdings()
    assert [record.kind for record in records].count(HoldingKind.FETCHED) == 1
    kept = [record.version[0] for record in records if record.kind is HoldingKind.SOURCE]
    assert kept == list(range(11, 3, -1))


def test_a_number_is_never_used_twice(index: Index) -> None:
    seen = set()
    for _ in range(3):
        index.put_source(VERSION, b"/source", "x", b"", follows_links=False, is_file=False)
        (record,) = index.holdings()
        seen.add(record.id)
        index.remove_holding(record.id)
    assert len(seen) == 3


def test_changes_of_others_are_noticed_and_our_own_are_not(index: Index, tmp_path: Path) -> None:
    other = open_index(tmp_path / "index.sqlite", tmp_path / "lock")
    before = index.data_version()
    index.put_staging(b"/a", b"/d", VERSION, "x")
    assert index.data_version() == before
    other.put_staging(b"/b", b"/d", VERSION, "x")
    assert index.data_version() != before
    assert [record.area for record in index.stagings()] == [b"/a", b"/b"]
    other.close()


def test_signatures_change_in_one_transaction(index: Index) -> None:
    index.put_source(VERSION, b"/source", "x", b"abc", follows_links=False, is_file=False)
    (record,) = index.holdings()
    index.change_signatures(record.id, bytes.upper)
    assert index.signatures(record.id) == b"ABC"
    index.change_signatures(record.id + 1, bytes.upper)
    with pytest.raises(ZeroDivisionError):
        index.change_signatures(record.id, lambda _data: bytes(1 // 0))
    assert index.signatures(record.id) == b"ABC"


async def test_an_index_of_a_newer_swarm_is_refused(home: Path) -> None:
    async with open_holdings(home):
        pass
    with sqlite3.connect(home / "index.sqlite") as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    connection.close()
    with pytest.raises(RefusedError, match="knows forms up to") as caught:
        async with open_holdings(home):
            pass
    assert caught.value.hint


async def test_a_file_that_is_no_index_is_refused(home: Path) -> None:
    home.mkdir()
    (home / "index.sqlite").write_bytes(b"something else " * 1000)
    with pytest.raises(RefusedError) as caught:
        async with open_holdings(home):
            pass
    assert "index.sqlite" in caught.value.hint
    assert (home / "index.sqlite").read_bytes().startswith(b"something else")


def test_what_sqlite_cannot_do_is_said_in_our_words() -> None:
    assert isinstance(explain_index(sqlite3.OperationalError("database or disk is full"), "x"), NoSpaceError)
    error = explain_index(sqlite3.OperationalError("attempt to write a readonly database"), "x")
    assert isinstance(error, PermissionError_)
    assert "again" in explain_index(sqlite3.OperationalError("database is locked"), "x").hint


async def test_the_home_is_for_its_owner_only(home: Path) -> None:
    async with open_holdings(home):
        assert home.stat().st_mode & 0o777 == 0o700
        assert (home / "index.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("is_same", [False, True], ids=["different DESTs", "one DEST"])
async def test_fetches_at_once_under_one_home_all_finish(tmp_path: Path, is_same: bool) -> None:
    made = make(BUSY)
    command = [sys.executable, "-m", "tests.holdings.test_index", str(tmp_path / "home")]
    dests = [tmp_path / ("dest" if is_same else f"dest {number}") for number in range(4)]
    children = [subprocess.Popen([*command, str(dest)], cwd=TREE, stderr=subprocess.PIPE) for dest in dests]
    for child in children:
        _out, errors = child.communicate()
        assert child.returncode == 0, errors.decode()[-2000:]
    for dest in dests:
        assert listing(dest) == expected(made)
    async with open_holdings(tmp_path / "home") as holdings:
        assert len(await holdings.records()) == (1 if is_same else 4)
    assert sorted(os.listdir(tmp_path)) == sorted({"home", *(dest.name for dest in dests)})


BUSY = {f"d{number % 5}/f{number}": some_bytes(3_000, number) for number in range(60)}


async def _fetch_here(home: str, dest: str) -> None:
    async with open_holdings(Path(home)) as holdings:
        await fetch(holdings, make(BUSY), Path(dest), on_wait=lambda _text: None)


if __name__ == "__main__":
    import trio

    trio.run(_fetch_here, *sys.argv[1:])
