"""How soon followers act: tag moved → first byte asked, and how far apart they flip: `python -m bench follow`.

One tracker, one store (a directory in memory), N followers on loopback; K small changes are published one after the
other, each by a `swarm seed --once` that tells the tracker. Moved is the time in the signed record, asked and flipped
are the followers' own times: one clock, since all run here. Goals: median ≤ 0.5 s, N flips within 3 s of each other.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.processes import LOOPBACK, end, environment, swarm
from bench.table import show, spread

MIB = 1 << 20
WAIT_S = 60.0
LOOK_S = 0.02

Event = dict[str, Any]


def main() -> None:
    """Prints the table, and with `--json` one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=8)
    parser.add_argument("--changes", type=int, default=4)
    parser.add_argument("--mib", type=int, default=32, help="of the dataset; each change rewrites 64 KiB of it")
    parser.add_argument(
        "--untold", action="store_true", help="nobody tells the tracker: it finds the moves in its store"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        found = measure(Path(place), options.followers, options.changes, options.mib, is_told=not options.untold)
    rows = [
        ("moved → heard, s", spread(found["heard"])),
        ("moved → first byte asked, s (goal: median 0.5)", spread(found["asked"])),
        ("moved → current, s", spread(found["flipped"])),
        ("first flip → last flip of a change, s (goal: 3)", spread(found["apart"])),
    ]
    show(f"{options.followers} followers, {options.changes} changes of {options.mib} MiB", rows)
    if options.json:
        medians = {name: statistics.median(values) for name, values in found.items()}
        print(json.dumps({"followers": options.followers, "changes": options.changes, "median_s": medians, "s": found}))


def measure(root: Path, followers: int, changes: int, mib: int, *, is_told: bool) -> dict[str, list[float]]:
    """Seconds: of every follower and change, and for `apart` of every change."""
    data = root / "data"
    data.mkdir()
    (data / "big.bin").write_bytes(os.urandom(mib * MIB))
    with ExitStack() as stack:
        store = str(root / "store")
        ready = stack.enter_context(running(root, "tracker", "tracker", "--store", store, "--http", "127.0.0.1:0"))
        url = ready.wait("ready", 0)["http"]
        first = publish(root, data, store, url, 0, is_told=is_told)
        logs = [
            stack.enter_context(
                running(
                    root, f"f{n}", "follow", "data:stable", str(root / f"copy{n}"), "--store", store, "--tracker", url
                )
            )
            for n in range(followers)
        ]
        for log in logs:
            log.wait("following", first, "current", state="current")
        numbers: dict[str, list[float]] = {"heard": [], "asked": [], "flipped": [], "apart": []}
        for number in range(1, changes + 1):
            digest = publish(root, data, store, url, number, is_told=is_told)
            add(numbers, [log.times(digest) for log in logs])
    return numbers


def add(numbers: dict[str, list[float]], times: list[dict[str, float]]) -> None:
    """One change's times, in ms, of every follower."""
    for name in ("heard", "asked", "flipped"):
        numbers[name] += [(each[name] - each["moved"]) / 1000 for each in times]
    flips = [each["flipped"] for each in times]
    numbers["apart"].append((max(flips) - min(flips)) / 1000)


def publish(root: Path, data: Path, store: str, tracker: str, number: int, *, is_told: bool) -> str:
    """A small change under the tag; its digest."""
    with (data / "big.bin").open("r+b") as file:
        file.seek(number * 97_003)
        file.write(os.urandom(64 << 10))
    told = ("--tracker", tracker) if is_told else ()
    command = swarm("seed", str(data), "data:stable", "--store", store, "--once", "--json", *told)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment(root / "seed"), text=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return str(next(event["digest"] for event in events if event["event"] == "published"))


class Log:
    """What a process has said so far, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def events(self) -> list[Event]:
        """Whole lines."""
        return [json.loads(line) for line in self._path.read_text().split("\n")[:-1]]

    def wait(self, event: str, digest: object = 0, key: str = "digest", **fields: object) -> Event:
        """The first event of a kind with these fields; of this digest, unless that is 0."""
        wanted = {**fields, **({key: digest} if digest else {})}
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            for one in self.events():
                if one["event"] == event and wanted.items() <= one.items():
                    return one
            time.sleep(LOOK_S)
        raise SystemExit(f"never said: {event} {wanted}; see {self._path}")

    def times(self, digest: str) -> dict[str, float]:
        """Unix ms: the record's, and when it was heard of, asked for and current here."""
        flipped = self.wait("current", digest)
        moved, asked = self.wait("moved", digest), self.wait("asked", digest)
        return {"moved": moved["time"], "heard": moved["heard"], "asked": asked["time"], "flipped": flipped["time"]}


@contextmanager
def running(root: Path, home: str, *words: str) -> Iterator[Log]:
    """A service on loopback, ended by its number."""
    path = root / f"{home}.jsonl"
    with path.open("wb") as out, (root / f"{home}.err").open("wb") as err:
        command = swarm(*words, *LOOPBACK, "--json")
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment(root / home))
    try:
        yield Log(path)
    finally:
        end(process)


if __name__ == "__main__":
    main()
