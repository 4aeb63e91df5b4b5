"""What swarm replaces: every consumer downloads the whole file from the origin, by one TCP stream."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.contestants.background import background
from bench.contestants.contestant import DATA, ORIGIN, Receipts, Work, environment
from bench.race import DONE, READY, Entrant, Run

PORT = 8000
GET = """
import sys, urllib.request
print("READY", flush=True)
urllib.request.urlretrieve(sys.argv[1], sys.argv[2])
print("DONE", flush=True)
"""


class PlainHttp:
    """See Contestant."""

    name = "http"

    def lacks(self) -> str | None:
        """Python is here."""
        return None

    @contextmanager
    def entrants(self, work: Work) -> Iterator[Sequence[Entrant]]:
        """See Contestant."""
        address = work.lab.address(ORIGIN)
        words = ["-u", "-m", "http.server", "--bind", address, "--directory", str(work.source), str(PORT)]
        command = work.lab.command(ORIGIN, [sys.executable, *words])
        with background(command, environment(work.home(ORIGIN)), work.log(ORIGIN), lambda line: "Serving" in line):
            yield [self._entrant(work, name, f"http://{address}:{PORT}/{DATA}") for name in work.everybody]

    def _entrant(self, work: Work, name: str, url: str) -> Entrant:
        home = work.home(name)
        command = work.lab.command(name, [sys.executable, "-c", GET, url, str(home / DATA)])
        return Entrant(name, command, environment(home), _moment, work.log(name), ends_itself=True)

    def copy(self, work: Work, consumer: str) -> Path:
        """See Contestant."""
        return work.home(consumer) / DATA

    def receipts(self, runs: Sequence[Run]) -> Receipts | None:  # noqa: ARG002
        """It gives none."""
        return None


def _moment(line: str) -> str | None:
    return {"READY": READY, "DONE": DONE}.get(line.strip())
