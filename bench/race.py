"""N programs started at once, watched until each says that it is done: when each was ready and when it finished."""

from __future__ import annotations

import os
import queue
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

END_S = 20.0
"""How long a program may take to end by itself once all are done: swarm lingers for 10 s at most."""

READY = "ready"
DONE = "done"


class RaceError(SystemExit):
    """Somebody ended without being done, or time ran out; printed as it is."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """One program. `moment` turns a line of its stdout into READY, DONE or None."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    moment: Callable[[str], str | None]
    log: Path
    ends_itself: bool = False


@dataclass(slots=True)
class Run:
    """Seconds from the start of the race. `lines` is all of stdout."""

    entrant: Entrant
    process: subprocess.Popen[str]
    moments: dict[str, float] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    cpu_s: float = 0.0
    rss_bytes: int = 0
    is_silent: bool = False
    """Its stdout has ended."""

    @property
    def name(self) -> str:
        """The entrant's."""
        return self.entrant.name


def race(entrants: Sequence[Entrant], timeout_s: float) -> list[Run]:
    """Starts all, waits until all are done, ends them. Raises RaceError."""
    told: queue.SimpleQueue[Run] = queue.SimpleQueue()
    started_at = time.monotonic()
    runs = [_start(entrant) for entrant in entrants]
    readers = [threading.Thread(target=_read, args=(run, started_at, told)) for run in runs]
    for reader in readers:
        reader.start()
    try:
        _wait_done(runs, told, started_at + timeout_s)
    finally:
        for run in runs:
            _end(run)
        for reader in readers:
            reader.join()
    return runs


def _start(entrant: Entrant) -> Run:
    with entrant.log.open("ab") as log:
        process = subprocess.Popen(
            entrant.command, stdout=subprocess.PIPE, stderr=log, env=dict(entrant.environment), text=True
        )
    return Run(entrant, process)


def _read(run: Run, started_at: float, told: queue.SimpleQueue[Run]) -> None:
    assert run.process.stdout is not None
    for line in run.process.stdout:
        at = time.monotonic() - started_at
        run.lines.append(line)
        if moment := run.entrant.moment(line):
            run.moments.setdefault(moment, at)
            told.put(run)
    run.is_silent = True
    told.put(run)


def _wait_done(runs: Sequence[Run], told: queue.SimpleQueue[Run], deadline: float) -> None:
    lacking = {run.name for run in runs}
    while lacking:
        try:
            run = told.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise RaceError(
                f"not done in time: {', '.join(sorted(lacking))}; see {runs[0].entrant.log.parent}"
            ) from None
        if DONE in run.moments:
            lacking.discard(run.name)
        elif run.is_silent:
            raise RaceError(f"{run.name} ended before it was done; see {run.entrant.log}")


def _end(run: Run) -> None:
    process, deadline = run.process, time.monotonic() + END_S
    if DONE not in run.moments or not run.entrant.ends_itself:
        process.send_signal(signal.SIGTERM)
    while process.returncode is None and not _reap(run):
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.02)


def _reap(run: Run) -> bool:
    pid, status, usage = os.wait4(run.process.pid, os.WNOHANG)
    if not pid:
        return False
    run.process.returncode = os.waitstatus_to_exitcode(status)
    run.cpu_s, run.rss_bytes = _cpu(usage), usage.ru_maxrss * 1024
    return True


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime
