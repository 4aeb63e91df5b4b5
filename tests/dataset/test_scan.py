"""What a scan takes, what it keeps of it, what it refuses, and how it notices change."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarm.dataset.entries import Scan, ScanOptions, Signature
from swarm.dataset.scan import TICK_ENTRIES, check_unchanged, scan
from swarm.dataset.selection import Selection
from swarm.errors import NotFoundError, PermissionError_, SourceChangedError, UsageError
from swarm.protocol.pages import Kind
from tests.dataset.trees import as_nobody, make_tree


def paths(found: Scan) -> list[bytes]:
    return [entry.path for entry in found.entries]


def targets(found: Scan) -> dict[bytes, bytes | None]:
    return {entry.path: entry.target for entry in found.entries if entry.kind is Kind.SYMLINK}


def test_entries_are_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    make_tree(tmp_path, {"b": b"", "a/c": b"1", "a-b": b"22", "a.b": b"", "a/B": b"", "é": b"", "empty/": b""})
    found = scan(tmp_path)
    assert paths(found) == [b"a", b"a-b", b"a.b", b"a/B", b"a/c", b"b", b"empty", "é".encode()]
    assert paths(found) == sorted(paths(found))
    assert found.total_bytes == 3
    assert found.file_count == 6
    assert [found.layout().size(number) for number in range(8)] == [0, 2, 0, 0, 1, 0, 0, 0]


def test_kinds_and_permission_bits_are_kept(tmp_path: Path) -> None:
    make_tree(tmp_path, {"file": b"x", "program": b"x", "directory/": b"", "link": "file"})
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "program").chmod(0o6755)
    (tmp_path / "directory").chmod(0o1750)
    found = {entry.path: (entry.kind, entry.mode) for entry in scan(tmp_path).entries}
    assert found[b"file"] == (Kind.FILE, 0o640)
    assert found[b"program"] == (Kind.FILE, 0o755)
    assert found[b"directory"] == (Kind.DIRECTORY, 0o750)
    assert found[b"link"][0] is Kind.SYMLINK


def test_times_are_kept_to_the_nanosecond_left_out_or_replaced(tmp_path: Path) -> None:
    make_tree(tmp_path, {"file": b"x"})
    os.utime(tmp_path / "file", ns=(1, 123_456_789_123_456_789))
    assert [scan(tmp_path, ScanOptions(mtime=rule)).entries[0].mtime_ns for rule in ("keep", "none", 5)] == [
        123_456_789_123_456_789,
        None,
        5,
    ]


def test_a_file_is_a_dataset_of_one_file(tmp_path: Path) -> None:
    make_tree(tmp_path, {"dir/file": b"123", "link": "dir/file"})
    for name in (b"dir/file", b"link"):
        found = scan(os.fsencode(tmp_path) + b"/" + name)
        assert paths(found) == [name.rpartition(b"/")[2]]
        assert found.entries[0].kind is Kind.FILE
        assert found.os_path(found.entries[0]) == os.fsencode(tmp_path) + b"/" + name


def test_a_link_given_as_path_is_followed(tmp_path: Path) -> None:
    make_tree(tmp_path, {"dir/file": b"123", "link": "dir"})
    assert paths(scan(tmp_path / "link")) == [b"file"]


def test_an_empty_directory_is_a_dataset(tmp_path: Path) -> None:
    assert scan(tmp_path).entries == ()


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        scan(tmp_path / "nowhere")


def test_a_fetchs_own_directory_is_left_out_at_the_top_only(tmp_path: Path) -> None:
    make_tree(tmp_path, {".swarm/staging": b"x", "d/.swarm/kept": b"x"})
    assert paths(scan(tmp_path)) == [b"d", b"d/.swarm", b"d/.swarm/kept"]


@pytest.mark.parametrize(
    "name", [b"a b", b"'\"", b"-rf", b"\n\t", "ü".encode(), "u\u0308".encode(), b"\xff\xfe", b"n" * 255]
)
def test_every_name_that_the_system_allows_is_kept(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    assert paths(scan(tmp_path)) == [name]


def test_paths_up_to_the_formats_bound_are_kept_and_no_longer_ones(tmp_path: Path) -> None:
    base = os.open(tmp_path, os.O_RDONLY)
    length = 0
    try:
        while length < 4096:
            os.mkdir(b"d" * 200, dir_fd=base)
            deeper = os.open(b"d" * 200, os.O_RDONLY, dir_fd=base)
            os.close(base)
            base, length = deeper, length + 201
    finally:
        os.close(base)
    with pytest.raises((UsageError, SourceChangedError)):
        scan(tmp_path)


# --- what is selected ---------------------------------------------------------------------------


def selected(root: Path, *, include: str = "", exclude: str = "") -> list[bytes]:
    return paths(scan(root, ScanOptions(Selection(include.split(), exclude.split()))))


def test_includes_take_the_directories_above_what_they_take(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a/b/x.txt": b"", "a/b/y": b"", "c/z": b"", "e/": b""})
    assert selected(tmp_path, include="*.txt") == [b"a", b"a/b", b"a/b/x.txt"]
    assert selected(tmp_path, include="e") == [b"e"]
    assert selected(tmp_path, include="a/b") == [b"a", b"a/b", b"a/b/x.txt", b"a/b/y"]


def test_excludes_take_out_files_and_whole_directories(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a/b/x.txt": b"", "a/y": b"", "c/z": b""})
    assert selected(tmp_path, exclude="b c/z") == [b"a", b"a/y", b"c"]
    assert selected(tmp_path, exclude="c/") == [b"a", b"a/b", b"a/b/x.txt", b"a/y"]


def test_an_excluded_fifo_is_no_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert selected(tmp_path, exclude="pipe") == []


# --- symlinks -----------------------------------------------------------------------------------


def test_links_within_the_dataset_are_kept_as_they_are(tmp_path: Path) -> None:
    links = {"a/up": "../b", "a/c/up": "../../b/x", "here": "b", "dangling": "nothing/here", "a/top": ".."}
    make_tree(tmp_path, {"b/x": b"", "a/c/": b"", **links})
    assert targets(scan(tmp_path)) == {path.encode(): target.encode() for path, target in links.items()}


def test_parts_that_mean_nothing_are_taken_out_of_a_target(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a": "./b//c/.", "d/e": ".././b/"})
    assert targets(scan(tmp_path)) == {b"a": b"b/c", b"d/e": b"../b"}


@pytest.mark.parametrize(
    ("path", "target", "reason"),
    [
        ("l", "/etc/passwd", "is absolute"),
        ("l", "../x", "leaves the dataset"),
        ("l", "..", "leaves the dataset"),
        ("a/l", "../../x", "leaves the dataset"),
        ("a/l", "b/../../../x", "has `..` after a name"),
        ("a/l", "b/..", "has `..` after a name"),
        ("l", ".", "points to its own directory"),
    ],
)
def test_links_that_a_version_cannot_hold_are_refused(tmp_path: Path, path: str, target: str, reason: str) -> None:
    make_tree(tmp_path, {path: target})
    with pytest.raises(UsageError, match=f"{path} -> .*{reason}") as caught:
        scan(tmp_path)
    assert "--links follow" in caught.value.hint


def test_an_absolute_link_into_the_dataset_is_told_its_relative_form(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a/b/l": str(tmp_path / "c" / "x"), "c/x": b""})
    with pytest.raises(UsageError, match=r"as a relative one it would be \.\./\.\./c/x"):
        scan(tmp_path)


def test_all_bad_links_are_named_at_once(tmp_path: Path) -> None:
    make_tree(tmp_path, {f"l{number:02}": "/x" for number in range(12)})
    with pytest.raises(UsageError, match=r"l00 .*l09.* and 2 more"):
        scan(tmp_path)


def test_skipped_links_are_left_out_and_listed(tmp_path: Path) -> None:
    make_tree(tmp_path, {"file": b"", "l": "/etc/passwd"})
    found = scan(tmp_path, ScanOptions(links="skip"))
    assert paths(found) == [b"file"]
    assert found.skipped == (b"l",)


def test_followed_links_become_what_they_point_to(tmp_path: Path) -> None:
    make_tree(tmp_path / "outside", {"file": b"123", "d/x": b"4"})
    make_tree(tmp_path / "data", {"f": "../outside/file", "d": str(tmp_path / "outside" / "d")})
    found = scan(tmp_path / "data", ScanOptions(links="follow"))
    assert [(entry.path, entry.kind, entry.size) for entry in found.entries] == [
        (b"d", Kind.DIRECTORY, 0),
        (b"d/x", Kind.FILE, 1),
        (b"f", Kind.FILE, 3),
    ]


def test_followed_links_that_never_end_are_refused(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a/b/loop": "../..", "self": "self"})
    with pytest.raises(UsageError, match="a/b/loop leads back to a directory above it, self leads nowhere") as caught:
        scan(tmp_path, ScanOptions(links="follow"))
    assert "--links follow" not in caught.value.hint


def test_two_links_to_one_directory_are_two_directories(tmp_path: Path) -> None:
    make_tree(tmp_path / "data", {"d/x": b"1", "l": "d", "m": "d"})
    assert paths(scan(tmp_path / "data", ScanOptions(links="follow"))) == [b"d", b"d/x", b"l", b"l/x", b"m", b"m/x"]


# --- what is no file ----------------------------------------------------------------------------


@pytest.fixture
def special(tmp_path: Path) -> Iterator[Path]:
    make_tree(tmp_path, {"file": b"x"})
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path is at most 107 bytes long
        unix.bind("sock")
        os.chdir(here)
        yield tmp_path


def test_special_files_are_an_error_that_names_them(special: Path) -> None:
    with pytest.raises(UsageError, match=r"pipe \(FIFO\), sock \(socket\)") as caught:
        scan(special)
    assert "--skip-special" in caught.value.hint


def test_special_files_can_be_skipped(special: Path) -> None:
    found = scan(special, ScanOptions(skip_special=True))
    assert paths(found) == [b"file"]
    assert found.skipped == (b"pipe", b"sock")


def test_a_special_file_given_as_path_is_refused(special: Path) -> None:
    with pytest.raises(UsageError, match="FIFO"):
        scan(special / "pipe")


def test_unreadable_files_and_directories_are_one_error_that_names_them() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = make_tree(Path(name), {"open": b"", "shut": b"", "d/x": b"", "e/secret": b""})
        root.chmod(0o755)
        (root / "shut").chmod(0)
        (root / "d").chmod(0)
        (root / "e" / "secret").chmod(0o200)
        with as_nobody(), pytest.raises(PermissionError_, match=r"^cannot read d, e/secret, shut "):
            scan(root)
        (root / "d").chmod(0o700)


# --- change -------------------------------------------------------------------------------------


def set_back(path: Path, change: Callable[[Path], object]) -> None:
    """Changes a file and gives it its old times again."""
    status = path.stat()
    change(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": lambda root: (root / "d/a").write_bytes(b"longer"),
    "rewritten": lambda root: (root / "d/a").write_bytes(b"ABC"),
    "rewritten, times set back": lambda root: set_back(root / "d/a", lambda path: path.write_bytes(b"ABC")),
    "replaced": lambda root: (root / "new").write_bytes(b"abc") and (root / "new").rename(root / "d/a"),
    "mode changed": lambda root: (root / "d/a").chmod(0o600),
    "removed": lambda root: (root / "d/a").unlink(),
    "became a directory": lambda root: ((root / "d/a").unlink(), (root / "d/a").mkdir()),
    "became a FIFO": lambda root: ((root / "d/a").unlink(), os.mkfifo(root / "d/a")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed_and_named(tmp_path: Path, change: Callable[[Path], object]) -> None:
    make_tree(tmp_path, {"d/a": b"abc", "b": b""})
    found = scan(tmp_path)
    check_unchanged(found)
    wait_a_tick(found)
    change(tmp_path)
    with pytest.raises(SourceChangedError, match="d/a"):
        check_unchanged(found)


def wait_a_tick(found: Scan) -> None:
    """Until the file system's clock has moved on from the newest time in the scan: no shorter way to make it so."""
    newest = max(entry.signature.ctime_ns for entry in found.entries if entry.signature)
    with tempfile.NamedTemporaryFile() as probe:
        while Path(probe.name).stat().st_ctime_ns <= newest:
            os.utime(probe.name)


def test_a_new_file_is_noticed(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {"d/a": b"abc"}))
    make_tree(tmp_path, {"d/z": b""})
    with pytest.raises(SourceChangedError, match="d/z"):
        check_unchanged(found)


def test_a_moved_link_is_noticed(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {"l": "a"}), ScanOptions(mtime="none"))
    (tmp_path / "l").unlink()
    (tmp_path / "l").symlink_to("b")
    with pytest.raises(SourceChangedError, match="l"):
        check_unchanged(found)


def test_the_times_of_a_directory_are_no_change(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {"d/a": b"abc"}), ScanOptions(Selection(exclude=["*.tmp"])))
    os.utime(tmp_path / "d", ns=(1, 1))
    (tmp_path / "d" / "x.tmp").write_bytes(b"")
    check_unchanged(found)


def test_a_vanished_dataset_is_a_change(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path / "data", {"a": b""}))
    (tmp_path / "data" / "a").unlink()
    (tmp_path / "data").rmdir()
    with pytest.raises(SourceChangedError, match="there is no file or directory"):
        check_unchanged(found)


def test_a_signature_holds_all_that_a_change_shows_in(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {"a": b"abc"}))
    status = (tmp_path / "a").stat()
    assert found.entries[0].signature == Signature(3, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def test_a_scan_can_be_watched_and_cancelled(tmp_path: Path) -> None:
    make_tree(tmp_path, {f"{number}": b"" for number in range(TICK_ENTRIES + 1)})
    seen: list[int] = []
    scan(tmp_path, tick=seen.append)
    assert seen == [TICK_ENTRIES]

    def cancel(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(tmp_path, tick=cancel)


def test_a_disk_that_fails_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path, {"d/a": b"abc"})

    def fail(path: bytes) -> object:
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(PermissionError_, match=r"cannot read \.: Input/output error"):
        scan(tmp_path)
