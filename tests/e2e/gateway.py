"""Ceph's gateway on a host of a test's network, and what its own log says that it gave, and to whom."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.lab import Host
from tests.e2e.processes import ROOT, until
from tests.servers.processes import running
from tests.servers.rgw import SCRIPT
from tests.servers.s3server import S3Server

PORT, MON_PORT = 7480, 3300
"""Ceph's own: nobody else is in the namespace."""

ACCESS = re.compile(r'beast: \S+: (\S+) - \S+ \[[^]]*\] "(\S+) (\S+) HTTP/[\d.]+" (\d+) (\d+) ')
"""One answered request: who, method, target, status, bytes of the body."""


@dataclass(frozen=True)
class Read:
    """One GET of a block (a page is one too). `bytes` left the server, also when the reader hung up."""

    address: str
    key: str
    status: int
    bytes: int


@dataclass(frozen=True)
class Gateway:
    """The server as hosts of its network reach it."""

    server: S3Server
    host: Host
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """As users have it: one variable names the endpoint of all services."""
        found = self.server.environment
        found["AWS_ENDPOINT_URL"] = found.pop("AWS_ENDPOINT_URL_S3")
        return found

    def new_bucket(self) -> str:
        command = [*self.host.prefix, sys.executable, "-m", "tests.servers.new_bucket", self.server.endpoint]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    def reads_of_blocks(self, addresses: Iterable[str]) -> list[Read]:
        """By these hosts, from the beginning until now. The log lags a little behind, so a request marks the end."""
        mark = f'"PUT /{self.new_bucket()} '
        until(lambda: mark in self.log.read_text(errors="replace"), f"{mark} in the server's log")
        wanted = frozenset(addresses)
        found = map(_read_of, self.log.read_text(errors="replace").splitlines())
        return [read for read in found if read is not None and read.address in wanted]


@contextmanager
def gateway_on(host: Host, place: Path) -> Iterator[Gateway]:
    """Until the end of the block. All of Ceph is in the host's namespace; its state is below `place`."""
    with running([*host.prefix, str(SCRIPT), "run", str(place), str(PORT), str(MON_PORT), host.address]):
        server = S3Server("rgw", f"http://{host.address}:{PORT}")
        yield Gateway(server, host, place / "log" / "client.rgw.log")


def _read_of(line: str) -> Read | None:
    match = ACCESS.search(line)
    if match is None:
        return None
    address, method, target, status, size = match.groups()
    key = target.partition("?")[0]
    if method != "GET" or "/blocks/" not in key:
        return None
    return Read(address, key, int(status), int(size))
