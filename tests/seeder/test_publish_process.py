"""A publish as a process: killed at any moment and run again; and how much memory it takes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from swarm.protocol.manifest import version_of
from swarm.protocol.records import decode_tag_record
from swarm.store import open_store
from tests.dataset.trees import make_tree
from tests.seeder.test_publish import noise

ROOT = Path(__file__).parents[2]
GIB = 1024**3


def command(data: Path, store: Path, average: int) -> list[str]:
    return [sys.executable, "-m", "tests.seeder.publish_process", str(data), str(store), "name", str(average)]


def run(data: Path, store: Path, average: int = 64 * 1024) -> dict[str, Any]:
    output = subprocess.run(command(data, store, average), check=True, capture_output=True, text=True, cwd=ROOT).stdout
    facts: dict[str, Any] = json.loads(output)
    return facts


def blocks_in(store: Path) -> dict[Path, int]:
    """Every whole block and when it was written."""
    return {path: path.stat().st_mtime_ns for path in store.glob("blocks/??/" + "?" * 64)}


async def root_of_tag(store: Path) -> bytes | None:
    async with open_store(str(store)) as opened:
        data = await opened.newest_tag("name", "latest") if opened.is_initialised else None
        root = decode_tag_record(data).root if data else None
        return await opened.get_root(root) if root else None


def run_and_kill(data: Path, store: Path, blocks_more: int) -> None:
    """A publish that is killed when it has written that many blocks, in the midst of others."""
    words = [*command(data, store, 64 * 1024), str(blocks_more)]
    killed = subprocess.run(words, check=False, cwd=ROOT, stdout=subprocess.DEVNULL)
    assert killed.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_a_publish_that_is_killed_anywhere_is_continued(tmp_path: Path) -> None:
    data = make_tree(tmp_path / "data", {f"{n}": noise(n, 1_000_000) for n in range(20)})
    store, rng = tmp_path / "store", random.Random(5)
    whole = run(data, tmp_path / "other")
    for _ in range(8):
        run_and_kill(data, store, rng.randrange(whole["blocks"] // 10))
    assert trio.run(root_of_tag, store) is None
    before = blocks_in(store)
    assert len(before) > whole["blocks"] // 4
    assert run(data, store)["blocks_new"] == whole["blocks"] - len(before)
    assert {path: time for path, time in blocks_in(store).items() if path in before} == before
    root = trio.run(root_of_tag, store)
    assert root is not None
    assert version_of(root).hex() == whole["version"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_a_file_of_1_gib(tmp_path: Path) -> None:
    """A quarter of it is sent; the rest is holes. About 100 MiB are the interpreter with its libraries and windows.

    `tests/e2e/test_shapes.py` looks at what is past 4 GiB.
    """
    with (tmp_path / "large").open("wb") as file:
        file.truncate(GIB)
        for place in range(4):
            file.seek(place * GIB // 4)
            file.write(noise(place, GIB // 16))
    facts = run(tmp_path / "large", tmp_path / "store", 1024 * 1024)
    assert facts["blocks_new"] > 150
    assert facts["rss_kib_max"] < 320 * 1024


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thirty_thousand_files(tmp_path: Path) -> None:
    """`tests/e2e/test_shapes.py` has three times as many, and fetches them."""
    make_tree(tmp_path / "data", {f"{n // 1000}/{n}": n.to_bytes(4, "big") * 256 for n in range(30_000)})
    facts = run(tmp_path / "data", tmp_path / "store", 256 * 1024)
    assert facts["files"] == 30_030
    assert facts["blocks_new"] < 300
    assert facts["rss_kib_max"] < 180 * 1024
    assert run(tmp_path / "data", tmp_path / "store", 256 * 1024)["blocks_new"] == 0
