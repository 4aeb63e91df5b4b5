"""How long the program takes to begin: `--help`, a fetch to `ready`, a fetch of 10 MiB from a running seeder."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from bench.processes import environment, finish, seeding, start_fetch, swarm
from bench.table import show, spread

MIB = 1 << 20
RUNS = 5


def main() -> None:
    """Prints the table, or with `--json` one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        root = Path(place)
        data = root / "data"
        data.mkdir()
        (data / "ten.bin").write_bytes(_random(10 * MIB))
        helped = [_help(root) for _ in range(RUNS)]
        with seeding(data, "ten:1.0.0", root / "seed-home") as seeder:
            fetched = [_fetch(root, seeder["http"], number) for number in range(RUNS)]
    ready, whole = [each["seconds_to_ready"] for each in fetched], [each["seconds"] for each in fetched]
    if options.json:
        print(json.dumps({"help_s": helped, "ready_s": ready, "whole_s": whole, "load": os.getloadavg()[0]}))
        return
    rows = [
        ("swarm --help, s", spread(helped)),
        ("fetch to ready, s (of the process)", spread(ready)),
        ("10 MiB whole, s (of the process)", spread(whole)),
    ]
    show("Start-up", rows)


def _help(root: Path) -> float:
    started_at = time.monotonic()
    subprocess.run(swarm("--help"), check=True, stdout=subprocess.DEVNULL, env=environment(root / "help-home"))
    return time.monotonic() - started_at


def _fetch(root: Path, tracker: str, number: int) -> dict[str, float]:
    process = start_fetch("ten:1.0.0", root / f"copy{number}", root / f"home{number}", tracker, "--linger", "0s")
    return finish(process, time.monotonic()).receipt


def _random(count: int) -> bytes:
    return Path("/dev/urandom").open("rb").read(count)


if __name__ == "__main__":
    main()
