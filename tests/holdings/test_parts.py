"""The small parts, each by itself: descriptors, trees, locks, journals, bitmaps of scopes, kernel calls."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from swarm.dataset.entries import Signature, signature_of
from swarm.dataset.selection import Selection
from swarm.errors import NoSpaceError, PermissionError_, SwarmError, UsageError
from swarm.holdings import journal as journals
from swarm.holdings import linux
from swarm.holdings.descriptors import Descriptors
from swarm.holdings.lock import owner, try_lock
from swarm.holdings.oserror import explain, shown, translated
from swarm.holdings.place import areas, place
from swarm.holdings.scope import Body, selected
from swarm.holdings.signature import UNKNOWN, Signatures, is_untouched
from swarm.holdings.space import in_units
from swarm.holdings.tree import Tree
from swarm.protocol.ids import VersionId
from tests.holdings.versions import make, some_bytes


def count_open() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_descriptors_are_bounded_and_reused(tmp_path: Path) -> None:
    before = count_open()
    cache = Descriptors(4)
    opened: list[int] = []

    def opener(number: int) -> int:
        opened.append(number)
        return os.open(tmp_path, os.O_RDONLY)

    for number in [*range(10), 9, 8, 0]:
        with cache.borrow(number, lambda number=number: opener(number)):  # type: ignore[misc]
            cache.check()
    assert opened == [*range(10), 0]
    assert count_open() <= before + 4
    cache.close()
    assert count_open() == before


def test_a_descriptor_in_use_is_not_closed_under_its_user(tmp_path: Path) -> None:
    cache = Descriptors(1)
    with cache.borrow("a", lambda: os.open(tmp_path, os.O_RDONLY)) as first:
        with cache.borrow("b", lambda: os.open(tmp_path, os.O_RDONLY)):
            os.fstat(first)
        cache.forget("a")
        os.fstat(first)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(first)
    cache.close()


def test_threads_share_descriptors(tmp_path: Path) -> None:
    before = count_open()
    cache = Descriptors(3)

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(300):
            with cache.borrow(rng.randrange(8), lambda: os.open(tmp_path, os.O_RDONLY)) as descriptor:
                os.fstat(descriptor)
            if rng.random() < 0.05:
                cache.forget(rng.randrange(8))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.check()
    cache.close()
    assert count_open() == before


@pytest.mark.parametrize("call", ["open", "stat", "unlink", "set_mode", "create", "link", "read_link"])
def test_a_link_in_the_place_of_a_directory_is_not_followed(tmp_path: Path, call: str) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"mine")
    (tmp_path / "top" / "link").symlink_to("../outside")
    before = (tmp_path / "outside").stat()
    tree = Tree(os.fsencode(tmp_path / "top"))
    arguments: dict[str, tuple[object, ...]] = {"set_mode": (0,), "open": (os.O_RDWR,), "create": (os.O_RDWR,)}
    arguments["link"] = (b"target",)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        getattr(tree, call)(b"link/file", *arguments.get(call, ()))
    assert (tmp_path / "outside" / "file").read_bytes() == b"mine"
    assert (tmp_path / "outside").stat().st_mtime_ns == before.st_mtime_ns
    assert tree.find(b"link/file") is None
    tree.close()


def test_the_mode_of_a_link_is_never_set_through_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to("../file")
    tree = Tree(os.fsencode(tmp_path / "top"))
    with suppress(OSError):
        tree.set_mode(b"link", 0)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    tree.close()


def test_a_tree_stays_the_directory_that_it_was(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "file").write_bytes(b"")
    tree = Tree(os.fsencode(tmp_path / "one"))
    tree.stat(b"file")
    (tmp_path / "one").rename(tmp_path / "two")
    tree.stat(b"file")
    tree.close()
    assert tree.find(b"file") is None


def test_a_walk_lists_everything_and_follows_nothing(tmp_path: Path) -> None:
    for name in ("a/b/c", "d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "loop").symlink_to("..")
    tree = Tree(os.fsencode(tmp_path))
    assert [found.path for found in tree.walk()] == [b"a", b"a/b", b"a/b/c", b"a/loop", b"d"]
    tree.close()


def test_a_lock_excludes_and_ends_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with try_lock(path) or pytest.fail("not free"):
        assert try_lock(path) is None
        assert owner(path) == os.getpid()
        # Who removes the file while it holds the lock leaves nothing behind that could be locked beside it.
        path.unlink()
        with try_lock(path) or pytest.fail("not free"):
            pass
    with try_lock(path) or pytest.fail("not free"):
        pass


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last owner removed it between our open and our flock, and somebody else made and locked a new one."""
    path = tmp_path / "lock"
    real = fcntl.flock
    others: list[object] = []

    def slow(descriptor: int, operation: int) -> None:
        if not others:
            others.append(None)
            path.unlink()
            others.append(try_lock(path))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    assert try_lock(path) is None
    assert others[1] is not None


def test_a_journal_says_what_was_appended_and_not_taken_back(tmp_path: Path) -> None:
    area = Tree(os.fsencode(tmp_path))
    header = journals.header_for(VersionId(b"v" * 32), b"s" * 32)
    journal = journals.create(area, header, [7])
    for position in (3, 1, 2):
        journal.append(position)
    journal.take_back(2)
    journal.append(100)
    journal.close()
    assert journals.read(area, 50) == (header, [1, 3, 7])
    with (tmp_path / "journal").open("ab") as file:
        file.write(b"\x05\x00")
    journal = journals.reopen(area)
    journal.append(9)
    journal.close()
    assert journals.read(area, 50) == (header, [1, 3, 7, 9])
    area.close()


def test_a_journal_on_a_full_disk_ends_at_a_whole_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    area = Tree(os.fsencode(tmp_path))
    journal = journals.create(area, journals.header_for(VersionId(b"v" * 32), b"s" * 32), [1])
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:2]))
    with pytest.raises(OSError, match="space"):
        journal.append(2)
    monkeypatch.undo()
    journal.append(3)
    journal.close()
    found = journals.read(area, 50)
    assert found is not None
    assert found[1] == [1, 3]
    area.close()


def test_a_signature_is_of_one_untouched_regular_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    signature = signature_of(path.stat())
    assert is_untouched(signature, path.stat())
    path.chmod(0o600)
    os.utime(path, ns=(0, signature.mtime_ns))
    assert not is_untouched(signature, path.stat())
    assert not is_untouched(signature_of(tmp_path.stat()), tmp_path.stat())


def test_signatures_are_kept_to_the_bit() -> None:
    signatures = Signatures(3)
    odd = Signature(2**60, -5, 2**62, 2**64 - 1)
    signatures[1] = odd
    again = Signatures.from_bytes(signatures.to_bytes())
    assert len(again) == 3
    assert again[1] == odd
    assert again[0] == UNKNOWN
    assert [again.is_known(number) for number in range(3)] == [False, True, False]
    again.forget(1)
    assert again[1] == UNKNOWN
    with pytest.raises(ValueError, match="whole"):
        Signatures.from_bytes(bytes(24))


@pytest.mark.parametrize("seed", range(20))
def test_needed_and_whole_blocks_of_a_selection_by_a_naive_model(seed: int) -> None:
    rng = random.Random(seed)
    tree = {
        f"{number:02}": rng.choice([b"", bytes(3000), some_bytes(rng.randrange(3000), number)]) for number in range(12)
    }
    made = make(tree, piece=500)
    chosen = [name for name in tree if rng.random() < 0.5] or ["00"]
    scope = selected(Body(made.version), Selection(include=chosen))
    owners = [name for name in sorted(tree) for _ in tree[name]]
    needed, whole = set(), set()
    for position, block in enumerate(made.version.stream):
        files = set(owners[position * 500 : position * 500 + 500])
        if files & set(chosen):
            needed.add(block)
        if files <= set(chosen):
            whole.add(block)
    assert set(scope.needed) == needed
    assert set(scope.whole) == whole


def test_areas_of_one_dest_are_told_from_those_of_another(tmp_path: Path) -> None:
    version = VersionId(bytes.fromhex("0123456789abcdef" * 4))
    one, two = (os.fsencode(tmp_path / name) for name in ("one", "one.swarm-01234567"))
    assert place(one, version).area == os.fsencode(tmp_path / ".one.swarm-01234567")
    for dest in (one, two):
        os.mkdir(place(dest, version).area)
    assert areas(one) == [place(one, version).area]
    long = os.fsencode(tmp_path / ("x" * 255))
    os.mkdir(place(long, version).area)
    assert areas(long) == [place(long, version).area]


def test_system_errors_say_what_to_do() -> None:
    for number, kind in (
        (errno.ENOSPC, NoSpaceError),
        (errno.EDQUOT, NoSpaceError),
        (errno.EFBIG, NoSpaceError),
        (errno.EACCES, PermissionError_),
        (errno.EROFS, PermissionError_),
        (errno.EMFILE, PermissionError_),
        (errno.ENAMETOOLONG, UsageError),
    ):
        error = explain(OSError(number, os.strerror(number)), "write x")
        assert type(error) is kind
        assert error.hint
    assert type(explain(OSError(errno.EIO, "Input/output error"), "write x")) is SwarmError
    assert shown(b"a\xff") == "a\\xff"
    assert [in_units(n) for n in (5, 2048, 3 << 30, 5 << 40)] == ["5 bytes", "2.0 KiB", "3.0 GiB", "5.0 TiB"]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's calls")
def test_kernel_calls_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_bytes(b"x" * 10_000)
    directory = os.open(tmp_path, os.O_RDONLY)
    linux.exchange(directory, b"a", directory, b"b")
    assert (tmp_path / "b").is_dir()
    with pytest.raises(FileExistsError):
        linux.rename_to_free_name(directory, b"a", directory, b"b")
    linux.rename_to_free_name(directory, b"a", directory, b"c")
    with (tmp_path / "c").open("r+b") as file:
        linux.punch_hole(file.fileno(), 0, 4096)
    assert (tmp_path / "c").read_bytes() == bytes(4096) + b"x" * (10_000 - 4096)
    linux.sync_file_system(directory)
    with pytest.raises(FileNotFoundError):
        linux.exchange(directory, b"c", directory, b"nothing")
    # On another system, or with an older library, each has a way out.
    linux._function.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(OSError, match="not implemented"):
        linux.exchange(directory, b"c", directory, b"b")
    with pytest.raises(FileExistsError):
        linux.rename_to_free_name(directory, b"c", directory, b"b")
    linux.rename_to_free_name(directory, b"c", directory, b"d")
    with pytest.raises(OSError, match="not implemented"):
        linux.punch_hole(directory, 0, 1)
    linux.sync_file_system(directory)
    linux._function.cache_clear()
    os.close(directory)


def test_a_boot_has_one_name() -> None:
    assert len(linux.boot_id()) == 16
    assert linux.boot_id() == linux.boot_id()


def test_without_file_locks_everything_can_be_imported_and_a_home_is_refused(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; sys.modules['fcntl'] = None; import os\n"
        "for name in 'O_PATH O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_NONBLOCK SEEK_DATA'.split(): delattr(os, name)\n"
        "import swarm.holdings\n"
        "from swarm.holdings.home import open_home\n"
        f"open_home(pathlib.Path({str(tmp_path / 'home')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "RefusedError" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "home").exists()


def test_a_name_that_the_file_system_does_not_allow_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(os.fsencode(tmp_path))
    real = os.open

    def refusing(path: str | bytes, flags: int, *arguments: object, **named: object) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EINVAL, "Invalid argument", path)
        return real(path, flags, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(UsageError, match="a:b"), translated("write x"):
        tree.create(b"d/a:b", os.O_RDWR)
    tree.close()


def test_threads_make_the_same_directories_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(tree: Tree, number: int) -> None:
        try:
            os.close(tree.create(b"a/b/c/d/%d" % number, os.O_RDWR))
        except BaseException as error:
            failures.append(error)

    for turn in range(60):
        (tmp_path / str(turn)).mkdir()
        tree = Tree(os.fsencode(tmp_path / str(turn)))
        threads = [threading.Thread(target=work, args=(tree, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tree.close()
    assert failures == []


def test_a_place_is_named_once() -> None:
    error = OSError(errno.ENOENT, "No such file or directory", "/proc/x")
    assert explain(error, "stage in /proc/x").message == "cannot stage in /proc/x: No such file or directory"
    assert explain(error, "stage").message == "cannot stage: /proc/x: No such file or directory"
