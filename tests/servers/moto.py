"""moto's S3 for a test session, in a process of its own: its locks and its memory are not ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.servers.processes import running
from tests.servers.s3server import S3Server


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with running([sys.executable, "-W", "ignore", "-m", "tests.servers.moto_process"]) as port:
        yield S3Server("moto", f"http://127.0.0.1:{port}")
