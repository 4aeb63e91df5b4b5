"""How fast a publish cuts and hashes, by running it: `python bench/publish_speed.py [--json]`.

Two datasets in the page cache (tmpfs where there is one): one file of random bytes, and many small files. Each is
measured several times; the best run counts, since other work on the machine only slows it. Goal: 1.5 GB/s on 2 cores.
*again*: the large file published to a directory store that has it, held against cutting and hashing it, in turns; goal:
no block sent, and 1.2 times that at most.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MIB = 1024 * 1024
GOAL_BYTES_PER_S = 1_500_000_000
GOAL_AGAIN = 1.2
MEMORY_DIRECTORY = Path("/dev/shm")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=2048, help="size of the one large file")
    parser.add_argument("--files", type=int, default=100_000, help="how many small files, of 1 KiB each")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    place = MEMORY_DIRECTORY if MEMORY_DIRECTORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        large = make_large_file(Path(name) / "large", options.mib)
        small = make_small_files(Path(name) / "small", options.files)
        results = {
            "cores": os.cpu_count(),
            "large": best(large, options.runs),
            "small": best(small, options.runs),
            "command": time_command(large, Path(name) / "home", options.runs),
            "again": time_again(large, Path(name), options.runs),
            "goal_bytes_per_second": GOAL_BYTES_PER_S,
            "goal_again": GOAL_AGAIN,
        }
    show(results, as_json=options.json)
    return 0


def make_large_file(path: Path, mib: int) -> Path:
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
    return path


def make_small_files(path: Path, count: int) -> Path:
    for number in range(count):
        directory = path / str(number // 1000)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / str(number)).write_bytes(os.urandom(1024))
    return path


def best(path: Path, runs: int) -> dict[str, float]:
    """The fastest of `runs` runs of the command, as it describes itself."""
    command = [sys.executable, "-m", "swarm.dataset", str(path)]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(runs)]
    found: list[dict[str, float]] = [json.loads(output) for output in outputs]
    return min(found, key=lambda facts: facts["seconds_scan"] + facts["seconds_hash"])


def time_command(path: Path, home: Path, runs: int) -> dict[str, float]:
    """The fastest of `runs` of the whole command, from its start to its end, without a store."""
    command = [str(Path(sys.executable).with_name("swarm")), "seed", "--dry-run", "--quiet", str(path), "measured"]
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"SWARM_HOME": str(home)})
        seconds.append(time.perf_counter() - started)
    return {"seconds": round(min(seconds), 3), "bytes_per_second": round(path.stat().st_size / min(seconds))}


def time_again(path: Path, place: Path, runs: int) -> dict[str, float]:
    """What an unchanged publish takes by its own account (its start, and whoever waits for it, apart) to what reading
    and hashing takes."""
    seed = [str(Path(sys.executable).with_name("swarm")), "seed", str(path), "measured", "--once", "--json"]
    command = [*seed, "--store", str(place / "store"), "--no-lan"]
    environment = os.environ | {"SWARM_HOME": str(place / "home")}
    published(command, environment)
    again, alone = [], []
    for _ in range(runs):
        alone.append(best(path, 1))
        again.append(published(command, environment))
    reading = min(facts["seconds_scan"] + facts["seconds_hash"] for facts in alone)
    seconds = min(float(facts["seconds"]) for facts in again)
    return {
        "seconds": seconds,
        "seconds_reading": round(reading, 3),
        "ratio": round(seconds / reading, 2),
        "blocks_sent": max(int(facts["blocks_new"]) for facts in again),
    }


def published(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """What the command says that it has published."""
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found: list[dict[str, float]] = [json.loads(line) for line in output.splitlines() if '"published"' in line]
    return found[-1]


def show(results: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(results))
        return
    for name in ("large", "small"):
        facts = results[name]
        assert isinstance(facts, dict)
        print(
            f"{name}: {facts['files']} files, {facts['bytes'] / MIB:.0f} MiB: scan {facts['seconds_scan']:.2f} s, "
            f"cut and hash {facts['seconds_hash']:.2f} s, {facts['bytes_per_second'] / 1e9:.2f} GB/s, "
            f"{facts['rss_kib_max'] / 1024:.0f} MiB of memory"
        )
    command = results["command"]
    assert isinstance(command, dict)
    speed = command["bytes_per_second"] / 1e9
    print(f"the whole `swarm seed --dry-run` of the large file: {command['seconds']:.2f} s, {speed:.2f} GB/s")
    again = results["again"]
    assert isinstance(again, dict)
    print(
        f"the large file again, unchanged: {again['seconds']:.2f} s, {again['ratio']:.2f} x the "
        f"{again['seconds_reading']:.2f} s of cutting and hashing (goal {GOAL_AGAIN}); "
        f"blocks sent: {again['blocks_sent']}"
    )
    print(f"goal: {GOAL_BYTES_PER_S / 1e9:.1f} GB/s on 2 cores; here are {results['cores']}")


if __name__ == "__main__":
    sys.exit(main())
