"""What a version of many blocks costs in memory: `python -m bench.memory [--blocks 100000] [--json]`.

A seeder and one fetch on loopback; data that is cut into blocks as short as the cutter makes them, 16 KiB, so that it
is quick. Each side's greatest RSS, over that of the same command with a version of one block (idle): of the seeder
while it publishes, and while it gives; of the fetch. Goal: at most 90 MiB over idle.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.processes import finish, seeding_process, start_fetch
from bench.table import show
from swarm.dataset.cutter import StreamCutter, cutter_of

MIB = 1 << 20
AVERAGE = 64 * 1024
WINDOW_BYTES = 64
"""The cutter's hash forgets what came before the last 64 bytes."""

TRIALS, ATTEMPTS_MAX = 16, 50

SAMPLE_S = 0.1
GOAL_MIB = 90
SIDES = ("seeder, publishing", "seeder, giving", "fetch")


def main() -> None:
    """Prints the table, or with `--json` one object."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    idle, full = _measure(1), _measure(options.blocks)
    over = {side: full[side] - idle[side] for side in SIDES}
    if options.json:
        facts = {"blocks": full["blocks"], "idle_mib": idle, "full_mib": full, "over_idle_mib": over}
        print(json.dumps({**facts, "load": os.getloadavg()[0]}))
        return
    rows = [(f"{side}, MiB over idle (goal: {GOAL_MIB})", _cell(over[side], full[side])) for side in SIDES]
    rows += [("the fetch, s; CPU s", f"{full['seconds']:.1f}; {full['cpu_s']:.1f}")]
    show(f"{full['blocks']:,} blocks of {full['mib'] / full['blocks'] * 1024:.1f} KiB", rows)


def _cell(over: float, whole: float) -> str:
    return f"{over:.0f} of {whole:.0f}"


def _measure(blocks: int) -> dict[str, Any]:
    """Greatest RSS in MiB of each side; what the receipt says."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="swarm-memory-") as name:
        place = Path(name)
        make_data(place / "data", blocks)
        size = ("--block-size", f"{AVERAGE // 1024}KiB")
        with seeding_process(place / "data", "many:1.0.0", place / "seed-home", *size) as (process, events):
            publishing = _memory(process.pid)["VmHWM"]
            with _greatest(process.pid) as giving:
                fetch = start_fetch(
                    "many:1.0.0", place / "copy", place / "home", events["ready"]["http"], "--linger", "0s"
                )
                fetched = finish(fetch, time.monotonic())
        shutil.rmtree(place / "copy")
    receipt = fetched.receipt
    return {
        **dict(zip(SIDES, (publishing, max(giving), fetched.rss_bytes / MIB), strict=True)),
        "blocks": events["published"]["blocks"],
        "mib": receipt["bytes"] / MIB,
        "seconds": fetched.wall_s,
        "cpu_s": fetched.cpu_s,
    }


def make_data(directory: Path, blocks: int) -> None:
    """Each block is random bytes of the cutter's least length, and those in which it finds a cut."""
    directory.mkdir()
    window = cutting_bytes()
    with (directory / "data.bin").open("wb") as file:
        for _ in range(blocks):
            file.write(_block(window))


def cutting_bytes() -> bytes:
    """What the hash covered where a cut was found in random bytes. Tried: some cut only at every other place."""
    cutter = StreamCutter(cutter_of(AVERAGE))
    for _ in range(ATTEMPTS_MAX):
        data = memoryview(os.urandom(64 * AVERAGE))
        for end in cutter.cut(data, is_last=False)[:-1]:
            window = bytes(data[end + 1 - WINDOW_BYTES : end + 1])
            trial = b"".join(_block(window) for _ in range(TRIALS))
            if len(cutter.cut(memoryview(trial), is_last=True)) == TRIALS:
                return window
    raise SystemExit("no bytes were found after which the cutter cuts: its rule must have changed")


def _block(window: bytes) -> bytes:
    """The cutter looks at one byte more before it cuts: the next block's first."""
    return window[-1:] + os.urandom(cutter_of(AVERAGE).minimum - 1) + window[:-1]


@contextmanager
def _greatest(pid: int) -> Iterator[list[float]]:
    """The samples of the process's RSS in MiB, while the context lasts."""
    samples, ended = [_memory(pid)["VmRSS"]], threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_S):
            samples.append(_memory(pid)["VmRSS"])

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _memory(pid: int) -> dict[str, float]:
    """Of proc(5)'s status, what is in kB; in MiB."""
    lines = [line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines if words[-1:] == ["kB"]}


if __name__ == "__main__":
    main()
