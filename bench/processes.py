"""Runs swarm's commands for a measurement: start, wait for `ready`, collect the receipt, end by process id."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READY_TIMEOUT_S = 60.0
END_TIMEOUT_S = 10.0

NOT_KEPT = ("SWARM_", "PYTHONDONTWRITEBYTECODE")

LOOPBACK = ("--no-lan", "--listen", "127.0.0.1:0")


@dataclass(frozen=True, slots=True)
class Fetched:
    """`receipt` is the command's last line; times in seconds; `cpu_s` and `rss_bytes` are the whole process's."""

    receipt: dict[str, Any]
    wall_s: float
    cpu_s: float
    rss_bytes: int


def swarm(*words: str) -> list[str]:
    """The command line of the installed program, by this interpreter."""
    return [sys.executable, "-m", "cli.main", *words]


def environment(home: Path) -> dict[str, str]:
    """An empty home, and nothing of the caller's settings; modules are compiled once, as where swarm is installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_KEPT)}
    return {**kept, "SWARM_HOME": str(home), "HOME": str(home)}


@contextmanager
def seeding(source: Path, name: str, home: Path, *options: str) -> Iterator[dict[str, Any]]:
    """A running seeder with a tracker inside; gives its `ready` line."""
    with seeding_process(source, name, home, *options) as (_, events):
        yield events["ready"]


@contextmanager
def seeding_process(
    source: Path, name: str, home: Path, *options: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The same, with the process itself, and what it has said until it was ready by the event's name."""
    command = swarm("seed", str(source), name, "--http", "127.0.0.1:0", *LOOPBACK, "--json", *options)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(home), text=True)
    try:
        yield process, _wait_ready(process)
    finally:
        end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """Ends a service by its number, gently first."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    deadline, events = time.monotonic() + READY_TIMEOUT_S, {}
    for line in process.stdout:
        event = json.loads(line)
        events[event["event"]] = event
        if "ready" in events:
            return events
        if time.monotonic() > deadline:
            break
    raise SystemExit("the seeder was not ready in time")


def start_fetch(name: str, dest: Path, home: Path, tracker: str, *options: str) -> subprocess.Popen[str]:
    """A fetch that leaves at once when it is done."""
    command = swarm("fetch", name, str(dest), "--tracker", tracker, *LOOPBACK, "--json", *options)
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(home), text=True
    )


def finish(process: subprocess.Popen[str], started_at: float) -> Fetched:
    """Waits for the end; raises SystemExit where there is no receipt."""
    assert process.stdout is not None
    receipt: dict[str, Any] = {}
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "receipt":
            receipt = event
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if not receipt:
        raise SystemExit(f"a fetch ended with {process.returncode} and without a receipt")
    return Fetched(receipt, time.monotonic() - started_at, _cpu(usage), usage.ru_maxrss * 1024)


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime
