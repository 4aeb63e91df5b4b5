"""One seeder and N fetches on one machine, unshaped: rates, CPU seconds, memory, and what left the origin.

python -m bench.transfer [--mib 1024] [--agents 1] [--runs 3]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from bench.processes import Fetched, finish, seeding, start_fetch
from bench.table import median, show, spread

MIB = 1 << 20
GIB = 1 << 30


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        root = Path(place)
        _make_data(root / "data", options.mib)
        with seeding(root / "data", "big:1.0.0", root / "seed-home") as ready:
            runs = [_run(root, ready["http"], options.agents) for _ in range(options.runs)]
    _show(options.mib * MIB, options.agents, runs)


def _make_data(directory: Path, mib: int) -> None:
    directory.mkdir()
    with Path("/dev/urandom").open("rb") as source, (directory / "big.bin").open("wb") as target:
        for _ in range(mib):
            target.write(source.read(MIB))


def _run(root: Path, tracker: str, agents: int) -> list[Fetched]:
    started_at = time.monotonic()
    processes = [
        start_fetch("big:1.0.0", root / f"copy{number}", root / f"home{number}", tracker, "--linger", "auto")
        for number in range(agents)
    ]
    fetched = [finish(process, started_at) for process in processes]
    for number in range(agents):
        shutil.rmtree(root / f"copy{number}")
        shutil.rmtree(root / f"home{number}")
    return fetched


def _show(size: int, agents: int, runs: list[list[Fetched]]) -> None:
    last = [max(each.receipt["seconds"] for each in run) for run in runs]
    origin = [sum(each.receipt["bytes_origin"] for each in run) / size for run in runs]
    cpu = [sum(each.cpu_s for each in run) / agents for run in runs]
    rss = [max(each.rss_bytes for each in run) / MIB for run in runs]
    rows = [
        ("last finish, s from process start", spread(last)),
        ("MiB/s to each, from process start", f"{size / MIB / median(last):.0f}"),
        ("copies out of the origin", spread(origin)),
        ("CPU s per GiB, each agent", f"{median(cpu) / (size / GIB):.2f}"),
        ("greatest RSS of an agent, MiB", f"{median(rss):.0f}"),
    ]
    show(f"{size // MIB} MiB, 1 seeder, {agents} agents, loopback, unshaped, {len(runs)} runs", rows)


if __name__ == "__main__":
    main()
