"""libtorrent (python3-libtorrent of Debian, so Debian's own Python) with its default settings and TCP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.contestants.background import background
from bench.contestants.bittorrent import PORT, tracked_torrent
from bench.contestants.contestant import DATA, ORIGIN, Receipts, Work, environment
from bench.race import DONE, READY, Entrant, Run

PYTHON = "/usr/bin/python3"
PEER = Path(__file__).parent / "debian" / "libtorrent_peer.py"
"""In a folder of its own: the folder of a script comes first where its imports are sought."""


class Libtorrent:
    """See Contestant."""

    name = "libtorrent"

    def lacks(self) -> str | None:
        """See Contestant."""
        is_here = Path(PYTHON).exists() and subprocess.run(
            (PYTHON, "-c", "import libtorrent"), capture_output=True, check=False
        )
        return None if is_here and not is_here.returncode else "libtorrent: apt-get install python3-libtorrent"

    @contextmanager
    def entrants(self, work: Work) -> Iterator[Sequence[Entrant]]:
        """See Contestant."""
        with tracked_torrent(work) as torrent:
            command = work.lab.command(ORIGIN, _command(work, ORIGIN, torrent, work.source))
            with background(command, environment(work.home(ORIGIN)), work.log(ORIGIN), lambda line: line == "DONE"):
                yield [self._entrant(work, name, torrent) for name in work.everybody]

    def _entrant(self, work: Work, name: str, torrent: Path) -> Entrant:
        home = work.home(name)
        command = work.lab.command(name, _command(work, name, torrent, home))
        return Entrant(name, command, environment(home), _moment, work.log(name))

    def copy(self, work: Work, consumer: str) -> Path:
        """See Contestant."""
        return work.home(consumer) / DATA

    def receipts(self, runs: Sequence[Run]) -> Receipts | None:  # noqa: ARG002
        """It gives none."""
        return None


def _command(work: Work, name: str, torrent: Path, directory: Path) -> list[str]:
    return [PYTHON, str(PEER), str(torrent), str(directory), f"{work.lab.address(name)}:{PORT}"]


def _moment(line: str) -> str | None:
    return {"READY": READY, "DONE": DONE}.get(line.strip())
