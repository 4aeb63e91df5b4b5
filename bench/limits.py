"""How exactly rate limits hold over ten seconds, over real sockets: `python -m bench limits`.

Three limits of 1 MB/s: what one machine takes, what a seeder gives to three at once, what is read from a store. Counted
are bytes of whole blocks of 64 KiB, as the fetches' own progress says, from step to step. Goal: within 5 %.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from bench.processes import END_TIMEOUT_S, LOOPBACK, environment, seeding, start_fetch, swarm
from bench.table import show

RATE = 1_000_000
WINDOW_S = 10.0
START_S = 30.0
SIZE = 24 * RATE
NAME = "data:1.0.0"
SMALL = ("--block-size", "64KiB")
LIMIT = "1MB"


def main() -> None:
    """Prints the table, and with `--json` one object: each limit's rate over what was allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        root = Path(place)
        (root / "data").mkdir()
        (root / "data" / "file").write_bytes(os.urandom(SIZE))
        found = {"download": download(root), "upload": upload(root), "origin": origin(root)}
    show("Rate over ten seconds / limit", [(name, f"{ratio:.3f}") for name, ratio in found.items()])
    if options.json:
        worst = max(abs(ratio - 1) for ratio in found.values())
        print(json.dumps({"ratio": found, "worst": worst, "load": os.getloadavg()[0]}))


def download(root: Path) -> float:
    """Of one consumer that takes from a seeder."""
    with seeding(root / "data", NAME, root / "seed-download", *SMALL) as ready:
        return ratio_of(start_fetch(NAME, root / "d", root / "d-home", ready["http"], "--download-limit", LIMIT))


def upload(root: Path) -> float:
    """Of a seeder that gives to three."""
    with seeding(root / "data", NAME, root / "seed-upload", *SMALL, "--upload-limit", LIMIT) as ready:
        # Only what the seeder gave: consumers pass on among themselves without a limit.
        return ratio_of(*(start_fetch(NAME, root / f"u{n}", root / f"u{n}-home", ready["http"]) for n in range(3)))


def origin(root: Path) -> float:
    """Of one consumer that reads from a store."""
    store = str(root / "store")
    publish = swarm("seed", str(root / "data"), NAME, "--store", store, "--once", "--json", *SMALL)
    subprocess.run(publish, check=True, stdout=subprocess.DEVNULL, env=environment(root / "seed-origin"))
    command = swarm("fetch", NAME, str(root / "o"), "--store", store, "--origin-limit", LIMIT, *LOOPBACK, "--json")
    pipe, quiet, home = subprocess.PIPE, subprocess.DEVNULL, environment(root / "o-home")
    return ratio_of(subprocess.Popen(command, stdout=pipe, stderr=quiet, env=home, text=True))


def ratio_of(*fetches: subprocess.Popen[str]) -> float:
    """What all of them took from the origin in the window, over the limit; ends them."""
    samples: list[list[tuple[float, int]]] = [[] for _ in fetches]
    readers = [
        threading.Thread(target=_read, args=(fetch, mine), daemon=True)
        for fetch, mine in zip(fetches, samples, strict=True)
    ]
    for reader in readers:
        reader.start()
    _wait_for_all(samples)
    began_at = time.monotonic()
    time.sleep(WINDOW_S)
    rates = [_rate(mine, began_at) for mine in samples]
    for fetch in fetches:
        fetch.terminate()
        fetch.wait(END_TIMEOUT_S)
    return sum(rates) / RATE


def _read(fetch: subprocess.Popen[str], samples: list[tuple[float, int]]) -> None:
    assert fetch.stdout is not None
    for line in fetch.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["bytes_origin"] > (samples[-1][1] if samples else 0):
            samples.append((time.monotonic(), event["bytes_origin"]))


def _wait_for_all(samples: list[list[tuple[float, int]]]) -> None:
    deadline = time.monotonic() + START_S
    while not all(samples):
        if time.monotonic() > deadline:
            raise SystemExit("a fetch has not begun in time")
        time.sleep(0.05)


def _rate(samples: list[tuple[float, int]], began_at: float) -> float:
    inside = [(moment, count) for moment, count in samples if moment >= began_at]
    (first_at, first), (last_at, last) = inside[0], inside[-1]
    return (last - first) / (last_at - first_at)


if __name__ == "__main__":
    main()
