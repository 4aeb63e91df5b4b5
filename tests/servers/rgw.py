"""Ceph's gateway with a store in memory, by `.ci/rgw`. Skipped where Debian's packages are not installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.processes import NotReadyError, free_port, running
from tests.servers.s3server import S3Server

SCRIPT = Path(__file__).parents[2] / ".ci" / "rgw"
STARTS_MAX = 3
PROGRAMS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool")


@pytest.fixture(scope="session")
def rgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    skip_without_rgw()
    with ExitStack() as stack:
        yield _start(stack, tmp_path_factory)


def skip_without_rgw() -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"no Ceph RGW here ({', '.join(missing)}): as root, .ci/rgw install")


def _start(stack: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> S3Server:
    """Somebody else may take a port between our look and Ceph's, so it is tried again with others."""
    for _ in range(STARTS_MAX):
        directory, port, mon_port = tmp_path_factory.mktemp("rgw"), free_port(), free_port(2)
        command = [str(SCRIPT), "run", str(directory), str(port), str(mon_port)]
        try:
            stack.enter_context(running(command))
        except NotReadyError:
            continue
        return S3Server("rgw", f"http://127.0.0.1:{port}")
    log = directory / "log" / "start.out"
    raise NotReadyError(f"Ceph RGW did not start {STARTS_MAX} times: {log.read_text()[-2000:] if log.exists() else ''}")
