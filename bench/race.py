"""N programs started at once, watched until each says that it is done: when each was ready and when it finished.

With `Churn` some are killed on the way, and others are started then.
"""

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

LOOK_S = 0.05
"""How often it is asked whether the churn is due."""

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


@dataclass(frozen=True, slots=True)
class Churn:
    """Once `is_due` says so, those of `killed` are ended by SIGKILL, and those of `arriving` are started."""

    is_due: Callable[[], bool]
    killed: frozenset[str]
    arriving: Sequence[Entrant]


@dataclass(slots=True)
class Run:
    """Seconds from the start of the race. `lines` is all of stdout."""

    entrant: Entrant
    process: subprocess.Popen[str]
    started_s: float = 0.0
    is_late: bool = False
    """It came with the churn."""
    is_killed: bool = False
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


def race(entrants: Sequence[Entrant], timeout_s: float, churn: Churn | None = None) -> list[Run]:
    """Starts all, waits until all who live are done, ends them. Raises RaceError."""
    it = _Race(timeout_s, churn)
    try:
        it.start(entrants)
        it.wait()
    finally:
        it.end()
    return it.runs


class _Race:
    """The processes, and a thread for the stdout of each."""

    def __init__(self, timeout_s: float, churn: Churn | None) -> None:
        self.runs: list[Run] = []
        self._readers: list[threading.Thread] = []
        self._told: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._started_at = time.monotonic()
        self._deadline = self._started_at + timeout_s
        self._churn = churn

    def start(self, entrants: Sequence[Entrant], *, is_late: bool = False) -> None:
        """All, before anything else is done."""
        fresh = [_start(entrant, time.monotonic() - self._started_at, is_late=is_late) for entrant in entrants]
        self.runs += fresh
        readers = [threading.Thread(target=self._read, args=(run,)) for run in fresh]
        self._readers += readers
        for reader in readers:
            reader.start()

    def wait(self) -> None:
        """Until whoever lives is done, and nobody is still to come."""
        while self._churn or self._lacking():
            self._change()
            try:
                run = self._told.get(timeout=LOOK_S)
            except queue.Empty:
                if time.monotonic() > self._deadline:
                    raise RaceError(f"not done in time: {self._lacking()}; see {self._place()}") from None
                continue
            if run.is_silent and DONE not in run.moments and not run.is_killed:
                raise RaceError(f"{run.name} ended before it was done; see {run.entrant.log}")

    def end(self) -> None:
        """Those that go on by themselves too."""
        for run in self.runs:
            _end(run)
        for reader in self._readers:
            reader.join()

    def _change(self) -> None:
        if (churn := self._churn) is None or not churn.is_due():
            return
        self._churn = None
        for run in self.runs:
            if run.name in churn.killed:
                run.is_killed = True
                os.kill(run.process.pid, signal.SIGKILL)
        self.start(churn.arriving, is_late=True)

    def _lacking(self) -> list[str]:
        return sorted(run.name for run in self.runs if DONE not in run.moments and not run.is_killed)

    def _place(self) -> Path:
        return self.runs[0].entrant.log.parent

    def _read(self, run: Run) -> None:
        assert run.process.stdout is not None
        with run.process.stdout as stdout:
            for line in stdout:
                at = time.monotonic() - self._started_at
                run.lines.append(line)
                if moment := run.entrant.moment(line):
                    run.moments.setdefault(moment, at)
                    self._told.put(run)
        run.is_silent = True
        self._told.put(run)


def _start(entrant: Entrant, at_s: float, *, is_late: bool) -> Run:
    with entrant.log.open("ab") as log:
        process = subprocess.Popen(
            entrant.command, stdout=subprocess.PIPE, stderr=log, env=dict(entrant.environment), text=True
        )
    return Run(entrant, process, at_s, is_late)


def _end(run: Run) -> None:
    process, deadline = run.process, time.monotonic() + END_S
    is_at_work = DONE not in run.moments or not run.entrant.ends_itself
    if is_at_work and not run.is_killed:
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
