"""Ceph's gateway with a store in memory, by `.ci/rgw`. Skipped where Debian's packages are not installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.processes import free_port, running
from tests.servers.s3server import S3Server

SCRIPT = Path(__file__).parents[2] / ".ci" / "rgw"
PROGRAMS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool")


@pytest.fixture(scope="session")
def rgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"no Ceph RGW here ({', '.join(missing)}): as root, .ci/rgw install")
    # Sockets of Ceph's daemons are in this directory, and a socket's path has at most 107 bytes.
    directory = tmp_path_factory.mktemp("rgw")
    port, mon_port = free_port(), free_port(2)
    with running([str(SCRIPT), "run", str(directory), str(port), str(mon_port)]):
        yield S3Server("rgw", f"http://127.0.0.1:{port}")
