"""What aria2 and libtorrent share: the tracker in the origin's namespace, and the torrent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contestants.background import background
from bench.contestants.contestant import DATA, ORIGIN, Work, environment
from bench.contestants.torrent import write_torrent

PORT = 6881


@contextmanager
def tracked_torrent(work: Work) -> Iterator[Path]:
    """A running tracker and the file that names it."""
    command = [sys.executable, "-m", "bench.contestants.tracker", work.lab.address(ORIGIN)]
    log = work.log("tracker")
    with background(
        work.lab.command(ORIGIN, command), environment(work.place), log, lambda line: line.startswith("http")
    ) as url:
        torrent = work.place / "lab.torrent"
        write_torrent(work.source / DATA, url, torrent)
        yield torrent
