"""What a version does not keep of a file; and that docs/files.md names tests that exist."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from swarm.dataset.cutter import cutter_of
from swarm.dataset.entries import Scan, SourceEntry
from swarm.dataset.hashing import BlockFound, cut_and_hash
from swarm.dataset.scan import scan
from tests.dataset.trees import make_tree

ROOT = Path(__file__).parents[2]


def told(found: Scan) -> list[SourceEntry]:
    """The entries without what stays on this machine."""
    return [
        SourceEntry(entry.path, entry.kind, entry.mode, entry.size, entry.mtime_ns, entry.target, None)
        for entry in found.entries
    ]


def test_what_belongs_to_the_machine_changes_nothing(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a": b"1"})
    file = tmp_path / "a"
    before, status = told(scan(tmp_path)), file.stat()
    if os.geteuid() == 0:
        os.chown(file, 12345, 54321)
    with suppress(OSError):  # not every file system has them
        os.setxattr(file, "user.swarm.test", b"value")
    os.utime(file, ns=(1, status.st_mtime_ns))  # access time; the change time follows by itself
    assert told(scan(tmp_path)) == before
    assert file.stat().st_ctime_ns != status.st_ctime_ns


def test_hard_links_become_files_that_share_their_blocks(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a": random.Random(1).randbytes(100_000)})
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    found = scan(tmp_path)
    assert [entry.size for entry in found.entries] == [100_000, 100_000]
    blocks = [block for block in cut_and_hash(found, cutter_of(1024)) if isinstance(block, BlockFound)]
    assert len({block.id for block in blocks}) < 0.6 * len(blocks)


def test_of_the_top_directory_nothing_is_kept(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a": b"1"})
    before = told(scan(tmp_path))
    tmp_path.chmod(0o700 if tmp_path.stat().st_mode & 0o77 else 0o755)
    os.utime(tmp_path, ns=(1, 1))
    assert told(scan(tmp_path)) == before


MOUNT_AND_SCAN = """
import subprocess, sys
from pathlib import Path
from swarm.dataset.scan import scan
root = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", root / "mounted"], check=True)
(root / "mounted" / "inside").write_bytes(b"1")
print([entry.path for entry in scan(root).entries])
"""


@pytest.mark.lab
def test_a_mount_inside_is_published(tmp_path: Path) -> None:
    make_tree(tmp_path, {"mounted/hidden": b""})
    command = ["unshare", "--mount", sys.executable, "-c", MOUNT_AND_SCAN, str(tmp_path)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    assert found.stdout == "[b'mounted', b'mounted/inside']\n"


def test_the_table_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "files.md").read_text()
    named = re.findall(r"`(tests/[a-z_/0-9]+\.py)::(test_\w+)`", text)
    assert len(named) > 30
    for file, test in named:
        assert re.search(rf"^(?:async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| what ")]
    assert all("`tests/" in row for row in rows)
