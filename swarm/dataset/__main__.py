"""`python -m swarm.dataset PATH`: scans, cuts and hashes, publishes nothing, prints one JSON object: for measuring."""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import time
from pathlib import Path

from swarm.dataset.average import check_average, choose_average
from swarm.dataset.cutter import cutter_of
from swarm.dataset.hashing import BlockFound, cut_and_hash
from swarm.dataset.scan import scan


def main(arguments: list[str] | None = None) -> int:
    """Prints what a publish would find, and how fast: seconds, bytes, bytes per second, kilobytes of memory (Linux)."""
    parser = argparse.ArgumentParser(prog="python -m swarm.dataset", description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--average", type=int, help="average block length in bytes")
    options = parser.parse_args(arguments)
    json.dump(measure(options.path, options.average), sys.stdout)
    sys.stdout.write("\n")
    return 0


def measure(path: Path, average: int | None) -> dict[str, int | float]:
    """What there is under `path`, and the time that scanning, and cutting with hashing, took."""
    started = time.perf_counter()
    found = scan(path)
    scanned = time.perf_counter()
    chosen = check_average(average) if average else choose_average(found.total_bytes)
    blocks, ids = 0, set()
    for result in cut_and_hash(found, cutter_of(chosen)):
        if isinstance(result, BlockFound):
            blocks += 1
            ids.add(result.id)
    ended = time.perf_counter()
    return {
        "files": found.file_count,
        "bytes": found.total_bytes,
        "average": chosen,
        "stream_blocks": blocks,
        "blocks": len(ids),
        "seconds_scan": round(scanned - started, 4),
        "seconds_hash": round(ended - scanned, 4),
        "bytes_per_second": round(found.total_bytes / (ended - started)),
        "rss_kib_max": rss_kib_max(),
    }


def rss_kib_max() -> int:
    """The most memory that this process has had. getrusage alone would tell that of whoever started it, if greater."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
