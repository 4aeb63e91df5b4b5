"""aria2 as Debian has it: BitTorrent with a tracker; one that is done goes on seeding until all are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.contestants.background import background
from bench.contestants.bittorrent import PORT, tracked_torrent
from bench.contestants.contestant import DATA, ORIGIN, Receipts, Work, environment, program
from bench.race import DONE, Entrant, Run

OPTIONS = (
    "--no-conf",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--disable-ipv6=true",
    "--file-allocation=none",
    "--seed-ratio=0.0",
    "--bt-max-peers=0",
    "--bt-request-peer-speed-limit=1000M",
    "--console-log-level=notice",
    "--summary-interval=0",
    "--show-console-readout=false",
    "--download-result=hide",
    f"--listen-port={PORT}",
)


class Aria2:
    """See Contestant."""

    name = "aria2"

    def lacks(self) -> str | None:
        """See Contestant."""
        return program("aria2c") and "aria2: apt-get install aria2"

    @contextmanager
    def entrants(self, work: Work) -> Iterator[Sequence[Entrant]]:
        """See Contestant."""
        hook = work.place / "done.sh"
        hook.write_text("#!/bin/sh\necho DONE\n")
        hook.chmod(0o755)
        with tracked_torrent(work) as torrent:
            seed = [*_command(torrent, work.source), "--bt-seed-unverified=true"]
            command = work.lab.command(ORIGIN, seed)
            with background(
                command,
                environment(work.home(ORIGIN)),
                work.log(ORIGIN),
                lambda line: "IPv4 BitTorrent: listening" in line,
            ):
                yield [self._entrant(work, name, torrent, hook) for name in work.everybody]

    def _entrant(self, work: Work, name: str, torrent: Path, hook: Path) -> Entrant:
        home = work.home(name)
        command = [*_command(torrent, home), f"--on-bt-download-complete={hook}"]
        return Entrant(name, work.lab.command(name, command), environment(home), _moment, work.log(name))

    def copy(self, work: Work, consumer: str) -> Path:
        """See Contestant."""
        return work.home(consumer) / DATA

    def receipts(self, runs: Sequence[Run]) -> Receipts | None:  # noqa: ARG002
        """It gives none."""
        return None


def _command(torrent: Path, directory: Path) -> list[str]:
    return ["aria2c", *OPTIONS, f"--dir={directory}", str(torrent)]


def _moment(line: str) -> str | None:
    return DONE if line.strip() == "DONE" else None
