"""A flat listing of keys as the entries of a version."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.dataset.entries import Scan, ScanOptions
from swarm.dataset.keys import Listed, scan_listing
from swarm.dataset.selection import Selection
from swarm.errors import UsageError
from swarm.protocol.pages import Kind


def listing(*keys: str, size: int = 1) -> list[Listed]:
    return [Listed(key.encode(), 0 if key.endswith("/") else size, number) for number, key in enumerate(keys)]


def scanned(*keys: str, **options: object) -> Scan:
    return scan_listing(b"s3://b/p", listing(*keys), ScanOptions(**options))  # type: ignore[arg-type]


def test_keys_become_files_and_their_parts_directories_in_the_order_of_paths() -> None:
    found = scanned("b/x/2", "b/1", "b-", "a")
    assert [(entry.path, entry.kind, entry.mode) for entry in found.entries] == [
        (b"a", Kind.FILE, 0o644),
        (b"b", Kind.DIRECTORY, 0o755),
        (b"b-", Kind.FILE, 0o644),
        (b"b/1", Kind.FILE, 0o644),
        (b"b/x", Kind.DIRECTORY, 0o755),
        (b"b/x/2", Kind.FILE, 0o644),
    ]
    assert found.total_bytes == 4


def test_a_folder_of_a_console_is_a_directory() -> None:
    assert [(one.path, one.kind) for one in scanned("empty/", "").entries] == [(b"empty", Kind.DIRECTORY)]


def test_a_directory_is_as_new_as_what_is_below() -> None:
    times = {one.path: one.mtime_ns for one in scanned("d/a", "d/e/b", "c").entries}
    assert times == {b"d": 1, b"d/a": 0, b"d/e": 1, b"d/e/b": 1, b"c": 2}
    assert {one.mtime_ns for one in scanned("d/a", "c", mtime="none").entries} == {None}


@pytest.mark.parametrize("key", ["a//b", "/a", "a/../b", "./a", "a/.", "x" * 256, "n\0ul", "file/", "taken"])
def test_a_key_that_no_path_can_be_is_named_and_can_be_skipped(key: str) -> None:
    rows = [Listed(key.encode(), 7, 0), *listing("good", "taken/below")]
    with pytest.raises(UsageError, match="keys that no path") as caught:
        scan_listing(b"s3://b/p", rows, ScanOptions())
    assert "--skip-special" in caught.value.hint
    found = scan_listing(b"s3://b/p", rows, ScanOptions(skip_special=True))
    assert [one.path for one in found.entries] == [b"good", b"taken", b"taken/below"]
    assert found.skipped == (key.encode(),)


def test_patterns_choose_and_what_is_excluded_may_have_any_name() -> None:
    selection = Selection(["d/**"], ["*.tmp"])
    assert [one.path for one in scanned("d/a", "d/b.tmp", "c", "d//x.tmp", selection=selection).entries] == [
        b"d",
        b"d/a",
    ]


def test_what_is_swarms_own_is_left_out() -> None:
    assert [one.path for one in scanned(".swarm/x", "a").entries] == [b"a"]


PART = st.sampled_from(["a", "b", "", ".", "..", "c d", ".swarm", "é"])


@given(st.lists(st.lists(PART, min_size=1, max_size=4).map("/".join), max_size=8))
def test_whatever_is_listed_the_entries_are_in_order_with_their_parents(keys: list[str]) -> None:
    found = scanned(*keys, skip_special=True)
    paths = [entry.path for entry in found.entries]
    assert paths == sorted(set(paths))
    directories = {entry.path for entry in found.entries if entry.kind is Kind.DIRECTORY}
    assert all(path.rpartition(b"/")[0] in {b"", *directories} for path in paths)
