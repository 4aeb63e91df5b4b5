"""Cutting and hashing of real files gives what the reference gives for the bytes laid end to end."""

from __future__ import annotations

import json
import mmap
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.dataset import reference, window
from swarm.dataset.cutter import cutter_of
from swarm.dataset.entries import Scan
from swarm.dataset.hashing import BlockFound, FileHashed, cut_and_hash
from swarm.dataset.scan import scan
from swarm.dataset.source import Source
from swarm.errors import SourceChangedError
from tests.dataset.trees import make_tree

AVERAGE = 1024


def hashed(found: Scan, average: int = AVERAGE) -> tuple[list[BlockFound], dict[int, bytes]]:
    results = list(cut_and_hash(found, cutter_of(average)))
    blocks = [result for result in results if isinstance(result, BlockFound)]
    files = [result for result in results if isinstance(result, FileHashed)]
    assert [file.number for file in files] == sorted(file.number for file in files)
    return blocks, dict(files)


def expected(found: Scan, contents: list[bytes], average: int = AVERAGE) -> tuple[list[BlockFound], dict[int, bytes]]:
    stream, offset, blocks = b"".join(contents), 0, []
    for length in reference.cut_lengths(stream, average, average // 4, average * 4):
        blocks.append(BlockFound(blake3(stream[offset : offset + length]).digest(), length, offset))
        offset += length
    return blocks, {number: blake3(content).digest() for number, content in enumerate(contents)}


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few kilobytes pass through many windows, as gigabytes do."""
    monkeypatch.setattr(window, "FRESH_BYTES", 1)  # a window then takes the cutter's maximum
    monkeypatch.setattr(window, "PARTS_MAX", 5)


@pytest.mark.usefixtures("small_windows")
@given(st.lists(st.integers(0, 9000), max_size=12), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_of_every_size_are_one_stream(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int
) -> None:
    rng = random.Random(seed)
    contents = [rng.randbytes(size) for size in sizes]
    root = make_tree(tmp_path_factory.mktemp("data"), {f"{n:02}": content for n, content in enumerate(contents)})
    found = scan(root)
    assert hashed(found) == expected(found, contents)


@pytest.mark.parametrize("sizes", [[], [0], [0, 0, 0], [4096], [4096, 0], [0, 4096 * 3], [4095, 1, 4097], [1] * 40])
@pytest.mark.usefixtures("small_windows")
def test_files_that_end_with_a_window_are_one_stream(tmp_path: Path, sizes: list[int]) -> None:
    contents = [random.Random(n).randbytes(size) for n, size in enumerate(sizes)]
    found = scan(make_tree(tmp_path, {f"{n:02}": content for n, content in enumerate(contents)}))
    assert hashed(found) == expected(found, contents)


def test_directories_and_links_have_no_bytes_and_no_digest(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {"d/a": b"1", "e": "d/a", "f": b"2"}))
    blocks, digests = hashed(found)
    assert sum(block.length for block in blocks) == 2
    assert {found.entries[number].path for number in digests} == {b"d/a", b"f"}


def test_a_run_of_zeros_is_one_block_many_times(tmp_path: Path) -> None:
    with (tmp_path / "zeros").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    blocks, _ = hashed(scan(tmp_path), 256 * 1024)
    assert len(blocks) == 64
    assert len({block.id for block in blocks}) == 1


def test_what_was_cut_can_be_read_again(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {f"{n}": random.Random(n).randbytes(700 * n) for n in range(9)}))
    source = Source(found)
    for block in hashed(found)[0]:
        assert blake3(source.read(block.offset, block.length)).digest() == block.id


def test_progress_is_told_and_can_cancel(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {"a": b"12", "b": b"345"}))
    seen: list[int] = []
    list(cut_and_hash(found, cutter_of(AVERAGE), seen.append))
    assert seen == [5]

    def cancel(_bytes: int) -> None:
        raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        list(cut_and_hash(found, cutter_of(AVERAGE), cancel))
    assert threading.active_count() == threads


@pytest.mark.usefixtures("small_windows")
def test_an_iterator_that_is_given_up_leaves_no_thread(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {"a": bytes(100_000)}))
    threads = threading.active_count()
    results = cut_and_hash(found, cutter_of(AVERAGE))
    next(iter(results))
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads


# --- change -------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(b"x"),
    "grown": lambda path: path.write_bytes(bytes(50_001)),
    "rewritten": lambda path: path.write_bytes(b"y" * 50_000),
    "removed": lambda path: path.unlink(),
    "a FIFO": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link": lambda path: (path.rename(path.with_name("other")), path.symlink_to("other")),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_changed_between_scan_and_reading_is_named(tmp_path: Path, change: Callable[[Path], object]) -> None:
    found = scan(make_tree(tmp_path, {"a": bytes(50_000), "b": b""}))
    change(tmp_path / "a")
    with pytest.raises(SourceChangedError, match="changed while being published: a "):
        hashed(found)
    with pytest.raises(SourceChangedError, match="changed while being published: a "):
        Source(found).read(0, 100)


@pytest.mark.usefixtures("small_windows")
def test_a_file_changed_while_it_is_read_is_named(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {"a": bytes(100_000)}))

    def change(bytes_read: int) -> None:
        if bytes_read >= 50_000:
            with (tmp_path / "a").open("r+b") as file:
                file.write(b"x")

    with pytest.raises(SourceChangedError, match="a"):
        list(cut_and_hash(found, cutter_of(AVERAGE), change))


def test_a_change_by_mmap_with_times_set_back_is_noticed(tmp_path: Path) -> None:
    found = scan(make_tree(tmp_path, {"a": bytes(8192)}))
    hashed(found)  # waits for the clock to tick
    status = (tmp_path / "a").stat()
    with (tmp_path / "a").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[5:6] = b"x"
        memory.flush()
    os.utime(tmp_path / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(SourceChangedError, match="a"):
        Source(found).read(0, 10)


# --- size ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """2 GiB, of which 64 MiB are not a hole; 64 MiB for the interpreter, 32 for windows, and room to spare.

    `tests/e2e/test_shapes.py` looks at what is past 4 GiB.
    """
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2 * 1024**3)
        file.seek(1024**3)
        file.write(random.Random(1).randbytes(64 * 1024**2))
    command = [sys.executable, "-m", "swarm.dataset", str(tmp_path / "large")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    facts = json.loads(output)
    assert facts["bytes"] == 2 * 1024**3
    assert facts["rss_kib_max"] < 160 * 1024
