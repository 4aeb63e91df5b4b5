"""One stock py-libp2p host that gives each consumer the bytes by a raw stream: no blocks, no files, no neighbours.

What our connections are built upon, so what an exchange in Python is held against where no link is the limit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.contestants.background import background
from bench.contestants.contestant import ORIGIN, Receipts, Work, environment
from bench.race import DONE, READY, Entrant, Run

PEER = Path(__file__).parents[1] / "transport_peer.py"
MIB = 1 << 20


class RawStreams:
    """See Contestant."""

    name = "raw"

    def lacks(self) -> str | None:
        """It is among what swarm needs."""
        return None

    @contextmanager
    def entrants(self, work: Work) -> Iterator[Sequence[Entrant]]:
        """See Contestant."""
        command = _command(work, ORIGIN, "serve", work.lab.address(ORIGIN))
        home = environment(work.home(ORIGIN))
        with background(command, home, work.log(ORIGIN), lambda line: line.startswith("/ip4")) as address:
            yield [self._entrant(work, name, address) for name in work.everybody]

    def _entrant(self, work: Work, name: str, address: str) -> Entrant:
        command = _command(work, name, "receive", address)
        return Entrant(name, command, environment(work.home(name)), _moment, work.log(name), ends_itself=True)

    def copy(self, work: Work, consumer: str) -> Path | None:  # noqa: ARG002
        """See Contestant."""
        return None

    def receipts(self, runs: Sequence[Run]) -> Receipts | None:  # noqa: ARG002
        """It gives none."""
        return None


def _command(work: Work, name: str, role: str, address: str) -> list[str]:
    # -P: a module beside the script must not hide a library's of the same name.
    words = [sys.executable, "-u", "-P", str(PEER), "raw", role, str(work.size // MIB), address]
    return work.lab.command(name, words)


def _moment(line: str) -> str | None:
    """Its last line is two figures: seconds, CPU seconds."""
    return READY if line.strip() == "READY" else DONE if line[:1].isdigit() else None
