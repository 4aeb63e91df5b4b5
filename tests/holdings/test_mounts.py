"""Real mount points, file systems and users: as root, in a mount namespace of its own, a process for each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from swarm.holdings.mounts import is_mount_point, mount_of, mounts

TREE = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(sys.platform != "linux", reason="needs Linux"),
]


@pytest.mark.parametrize("scenario", ["tmpfs", "bind", "overlay", "full", "tight", "user", "xfs", "btrfs"])
def test_in_a_namespace(scenario: str, tmp_path: Path) -> None:
    for path in (tmp_path, *tmp_path.parents):
        if path == Path(tempfile.gettempdir()):
            break
        path.chmod(0o755)
    command = ["unshare", "-m", sys.executable, "-m", "tests.holdings.mounted", scenario, str(tmp_path)]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    if "skipped:" in done.stdout:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("right\n")


def test_the_table_of_mounts_is_read() -> None:
    assert any(mount.point == b"/" for mount in mounts())
    assert is_mount_point(b"/proc")
    assert not is_mount_point(b"/proc/self")
    found = mount_of(b"/proc/self")
    assert found is not None
    assert (found.type, found.is_network) == ("proc", False)
