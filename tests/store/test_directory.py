"""The directory store against the operating system: durable before it is named, several processes, nothing outside."""

# The tests prepare and look at directories while nothing else runs in their loop.
# ruff: noqa: ASYNC110, ASYNC221

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from swarm.errors import CorruptError, MissingError, PermissionError_, RefusedError, UsageError
from swarm.store._objects import CreateUnsupportedError
from swarm.store.directory import TEMPORARY, TEMPORARY_LIFE_S, DirectoryObjects
from swarm.store.store import open_store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def files_below(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python of its own that knows `DirectoryObjects`, `run` (a trio main) and its arguments."""
    prelude = """
        import os, resource, sys, trio
        from pathlib import Path
        from swarm.errors import SwarmError
        from swarm.store.directory import DirectoryObjects
        trio.run(trio.sleep, 0)  # imports what trio imports late, before anybody gives up the right to
        def run(main):
            try: trio.run(main)
            except SwarmError as error: print(type(error).__name__, error)
    """
    program = textwrap.dedent(prelude) + textwrap.dedent(code)
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


# --- durability


@pytest.mark.parametrize("operation", ["put", "create"])
async def test_bytes_are_on_the_disk_before_they_have_a_name_and_the_name_after(
    root: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    objects = DirectoryObjects(root)
    await objects.put("blocks/ab/first", b"makes the directories")
    log: list[str] = []

    def logged(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            kind = name
            if name == "fsync":
                kind += " directory" if Path(os.readlink(f"/proc/self/fd/{args[0]}")).is_dir() else " file"
            log.append(kind)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    for name in ("write", "fsync", "link", "rename"):
        logged(name)
    await getattr(objects, operation)("blocks/ab/second", b"data")
    named = "link" if operation == "create" else "rename"
    order = ["write", "fsync file", named, "fsync directory"]
    assert [entry for entry in log if entry in order] == order


async def test_new_directories_are_synced_into_their_parents(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{file}"), root))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    await DirectoryObjects(root).put("history/@a/b/tag/0", b"data")
    assert {".", "history", "history/@a", "history/@a/b", "history/@a/b/tag"} <= set(synced)


async def test_what_a_killed_writer_left_is_swept_after_a_day(root: Path) -> None:
    await DirectoryObjects(root).put("key", b"data")
    old, young = root / TEMPORARY / "old", root / TEMPORARY / "young"
    for path in (old, young):
        path.write_bytes(b"half a block")
    long_ago = old.stat().st_mtime - TEMPORARY_LIFE_S - 60
    os.utime(old, (long_ago, long_ago))
    again = DirectoryObjects(root)
    assert [listed.key for listed in (await again.list_page("")).objects] == ["key"]
    await again.put("other", b"data")
    assert not old.exists()
    assert young.exists()


async def test_a_kill_in_the_middle_of_writing_leaves_whole_objects_only(root: Path) -> None:
    process = child(
        """
        async def main():
            objects = DirectoryObjects(Path(sys.argv[1]))
            print("go", flush=True)
            async def write(base):
                for n in range(10_000):
                    await objects.put(f"blocks/{base}/{n}", b"x" * 400_000)
            async with trio.open_nursery() as nursery:
                for base in range(4):
                    nursery.start_soon(write, base)
        run(main)
        """,
        root,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    while len(files_below(root)) < 20:
        await trio.sleep(0.01)
    process.kill()
    process.communicate()
    page = await DirectoryObjects(root).list_page("")
    assert page.objects
    assert {listed.size for listed in page.objects} == {400_000}


# --- several processes


async def test_creators_in_several_processes_win_once(root: Path) -> None:
    code = """
        async def main():
            objects = DirectoryObjects(Path(sys.argv[1]))
            sys.stdin.readline()
            for n in range(50):
                if await objects.create(f"names/{n}", sys.argv[2].encode() * 1000):
                    print(n, flush=True)
        run(main)
        """
    children = [child(code, root, number) for number in range(4)]
    won: Counter[str] = Counter()
    for process in children:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in children:
        won.update(process.communicate()[0].split())
    assert won == {str(n): 1 for n in range(50)}
    assert not list((root / TEMPORARY).iterdir())
    assert {(root / f"names/{n}").stat().st_size for n in range(50)} == {1000}


async def test_a_link_whose_answer_was_lost_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS repeats the request, and is then told that the name is taken: by itself."""
    real = os.link

    def link(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)  # type: ignore[arg-type]
        raise FileExistsError(errno.EEXIST, "File exists")

    objects = DirectoryObjects(root)
    monkeypatch.setattr(os, "link", link)
    assert await objects.create("key", b"mine")
    assert not await objects.create("key", b"mine")


async def test_a_file_system_without_hard_links_cannot_create(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(CreateUnsupportedError, match="no hard links"):
        await DirectoryObjects(root).create("key", b"mine")
    async with open_store(str(root)) as store:
        with pytest.raises(RefusedError, match="atomically"):
            await store.initialise()


# --- nothing outside the root


@pytest.mark.parametrize("planted", ["blocks", "blocks/ab"])
async def test_a_planted_directory_link_is_not_followed(root: Path, tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    (outside / "ab").mkdir(parents=True)
    (outside / "ab" / "name").write_bytes(b"secret")
    (outside / "name").write_bytes(b"secret")
    (root / planted).parent.mkdir(parents=True)
    (root / planted).symlink_to(outside)
    before = files_below(outside)
    objects = DirectoryObjects(root)
    for call in (objects.put, objects.create):
        with pytest.raises(CorruptError, match="not a directory of its own"):
            await call("blocks/ab/name", b"data")
    with pytest.raises(CorruptError, match="not a directory of its own"):
        await objects.get("blocks/ab/name", max_bytes=100)
    assert not (await objects.list_page("blocks/ab/")).objects
    assert files_below(outside) == before
    assert (outside / "name").read_bytes() == b"secret"


async def test_a_planted_file_link_is_replaced_never_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    root.mkdir()
    (root / "key").symlink_to(outside)
    objects = DirectoryObjects(root)
    with pytest.raises(CorruptError, match="symbolic links"):
        await objects.get("key", max_bytes=100)
    assert not await objects.create("key", b"data")
    await objects.put("key", b"data")
    assert outside.read_bytes() == b"secret"
    assert not (root / "key").is_symlink()


async def test_what_is_no_file_is_corrupt_and_holds_nobody_up(root: Path) -> None:
    root.mkdir()
    os.mkfifo(root / "pipe")
    (root / "directory").mkdir()
    objects = DirectoryObjects(root)
    for key in ("pipe", "directory"):
        with pytest.raises(CorruptError, match=key):
            await objects.get(key, max_bytes=100)


# --- modes, permissions, room


async def test_modes_follow_the_umask(root: Path) -> None:
    process = child(
        """
        os.umask(0o002)
        async def main():
            await DirectoryObjects(Path(sys.argv[1])).put("blocks/ab/name", b"data")
        run(main)
        """,
        root,
    )
    process.communicate()
    modes = {path.name: path.stat().st_mode & 0o777 for path in [root, root / "blocks/ab", root / "blocks/ab/name"]}
    assert modes == {"store": 0o775, "ab": 0o775, "name": 0o664}


async def test_no_permission_says_so_and_what_to_do() -> None:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own can be entered by its user only
        root = Path(directory)
        root.chmod(0o755)
        await DirectoryObjects(root).put("blocks/ab/name", b"data")
        for path in [root / "blocks/ab", root / TEMPORARY]:
            path.chmod(0o555)
        process = child(
            """
            if os.getuid() == 0:
                os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
            async def main():
                objects = DirectoryObjects(Path(sys.argv[1]))
                print(bytes(await objects.get("blocks/ab/name", max_bytes=10)))
                await objects.put("blocks/ab/other", b"data")
            run(main)
            """,
            root,
        )
        output = process.communicate()[0]
    assert output.startswith("b'data'\nPermissionError_ no permission for blocks/ab/other")
    assert "chmod g+rws" in output


async def test_a_file_that_cannot_grow_is_no_space_and_leaves_nothing(root: Path) -> None:
    process = child(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        async def main():
            await DirectoryObjects(Path(sys.argv[1])).put("blocks/ab/name", b"x" * 20_000)
        run(main)
        """,
        root,
    )
    assert process.communicate()[0].startswith("NoSpaceError no room for blocks/ab/name")
    assert files_below(root) == set()


@pytest.mark.lab
async def test_a_full_disk_is_no_space_and_leaves_nothing(root: Path) -> None:
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("mounting a small file system needs root and unshare")
    root.mkdir()
    script = f'mount -t tmpfs -o size=1m none {root} && exec {sys.executable} -c "$1"'
    program = f"""
import trio
from pathlib import Path
from swarm.errors import SwarmError
from swarm.store.directory import DirectoryObjects
async def main():
    objects = DirectoryObjects(Path({str(root)!r}))
    await objects.put("blocks/ab/one", b"x" * 700_000)
    try:
        await objects.put("blocks/ab/two", b"x" * 700_000)
    except SwarmError as error:
        print(type(error).__name__, error)
    print(sorted(p.name for p in Path({str(root)!r}).rglob("*") if p.is_file()))
trio.run(main)
"""
    command = ["unshare", "--mount", "sh", "-c", script, "sh", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.stdout.startswith("NoSpaceError no room for blocks/ab/two"), done.stderr
    assert done.stdout.endswith("['one']\n")


async def test_a_file_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"data")
    objects = DirectoryObjects(path)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: objects.get("key", max_bytes=1),
        lambda: objects.put("key", b""),
        lambda: objects.list_page(""),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="is a file"):
            await call()
    with pytest.raises(UsageError, match="is a file"):
        async with open_store(str(path)):
            pass
    assert path.read_bytes() == b"data"


async def test_looking_at_a_path_that_is_not_there_makes_nothing(root: Path) -> None:
    objects = DirectoryObjects(root)
    with pytest.raises(MissingError):
        await objects.get("key", max_bytes=1)
    assert await objects.stat("key") is None
    assert not (await objects.list_page("blocks/")).objects
    await objects.delete("key")
    assert not root.exists()


async def test_the_root_of_a_mounted_disk_may_be_a_store(root: Path) -> None:
    (root / "lost+found").mkdir(parents=True)
    async with open_store(root.as_uri()) as store:
        await store.initialise()
        assert store.is_initialised


async def test_an_unreadable_place_is_said_to_be_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    await DirectoryObjects(root).put("key", b"data")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError_, match="no permission"):
        await DirectoryObjects(root).get("key", max_bytes=10)
