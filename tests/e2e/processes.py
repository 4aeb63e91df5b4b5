"""swarm as its users run it: one process a command, a machine for each, everything on loopback.

A `Machine` is a SWARM_HOME, an empty HOME and a directory to work in. A `Process` writes what it says into files, so
that it never waits for its reader. A `Stage` ends what it started, each by its number, whatever happened.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]

PATIENCE_S = 150.0
"""For whatever must happen at all: the machine may be busy with other things, and no test is about time."""

POLL_S = 0.02

LOOPBACK = ("--listen", "127.0.0.1:0", "--no-lan")

LISTENERS = ("fetch", "follow", "seed", "serve", "tracker")

Event = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """What a command left behind. `events` are its JSON lines."""

    code: int
    events: list[Event]
    err: str

    @property
    def receipt(self) -> Event:
        """The last line of a fetch that succeeded."""
        assert self.code == 0, f"exit code {self.code}: {self.err}"
        assert self.events[-1]["event"] == "receipt", self.events[-1]
        return self.events[-1]

    @property
    def error(self) -> Event:
        """The last line of a command that failed; stderr says the same in words."""
        assert self.code != 0, self.events[-1:]
        assert self.events, f"exit code {self.code} and not a word: {self.err}"
        last = self.events[-1]
        assert last["event"] == "error", last
        assert last["exit_code"] == self.code
        assert "Traceback" not in self.err
        return last

    @property
    def complaint(self) -> str:
        """Message and hint in one."""
        return f"{self.error['message']} | {self.error['hint']}"

    def all(self, event: str) -> list[Event]:
        return [one for one in self.events if one["event"] == event]

    def one(self, event: str) -> Event:
        """The last of a kind."""
        return self.all(event)[-1]

    @property
    def notes(self) -> str:
        return "\n".join(one["text"] for one in self.all("note"))


class Process:
    """One command that runs, or has run."""

    def __init__(self, words: Sequence[str], popen: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.words = tuple(words)
        self.popen = popen
        self._out = out
        self._err = err

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

    def events(self) -> list[Event]:
        """Every whole JSON line so far."""
        lines = self._out.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def wait_for(self, event: str, when: Callable[[Event], bool] = lambda _event: True) -> Event:
        """The first event of a kind for which `when` holds; fails when the process ends without one."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            has_ended = not self.is_running
            for one in self.events():
                if one["event"] == event and when(one):
                    return one
            assert not has_ended, f"{self} ended with {self.popen.returncode} before {event}: {self.said()}"
            assert time.monotonic() < deadline, f"{self} has not said {event}: {self.said()}"
            time.sleep(POLL_S)

    def wait(self) -> Ended:
        """Until it has ended by itself."""
        try:
            code = self.popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self} does not end: {self.said()}") from None
        return Ended(code, self.events(), self._err.read_text(errors="replace"))

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def stop(self) -> Ended:
        """SIGTERM, as systemd does."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.popen.kill()
        self.popen.wait()

    def said(self) -> str:
        """For the message of a failed test."""
        out, err = self._out.read_text(errors="replace"), self._err.read_text(errors="replace")
        return f"\n{out[-3000:]}\n{err[-3000:]}"

    def __str__(self) -> str:
        return f"swarm {' '.join(self.words[:4])} …"


class Machine:
    """A machine of its own, as far as swarm can see. `prefix` runs its commands elsewhere (a namespace)."""

    def __init__(self, stage: Stage, name: str, *, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None):
        self._stage = stage
        self._prefix = tuple(prefix)
        self.place = stage.place / name
        self.home = self.place / "swarm"
        (self.place / "home").mkdir(parents=True)
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.place / "home"),
            "SWARM_HOME": str(self.home),
            "LANG": "C.UTF-8",
            **(env or {}),
        }

    def start(self, *words: str, env: Mapping[str, str] | None = None, is_loopback: bool = True) -> Process:
        """Starts `swarm WORDS --json`. Commands that listen do so on loopback only, and do not look for the LAN."""
        more = LOOPBACK if is_loopback and words[0] in LISTENERS else ()
        if is_loopback and (words[0] == "tracker" or (words[0] == "seed" and "--tracker" not in words)):
            more = (*more, "--http", "127.0.0.1:0") if "--http" not in words else more
        return self._stage.start(
            (*self._prefix, sys.executable, "-m", "cli.main", *words, *more, "--json"),
            words,
            cwd=self.place,
            env={**self.env, **(env or {})},
        )

    def run(self, *words: str, env: Mapping[str, str] | None = None, is_loopback: bool = True) -> Ended:
        """Starts it and waits for its end."""
        return self.start(*words, env=env, is_loopback=is_loopback).wait()

    def fetch(self, *words: str) -> Event:
        """`swarm fetch WORDS` without lingering; the receipt."""
        return self.run("fetch", *words, "--linger", "0").receipt

    @property
    def copy(self) -> Path:
        """Where this machine's copy goes, if the test has no reason for another place."""
        return self.place / "copy"


class Stage(AbstractContextManager["Stage"]):
    """Machines and processes below one directory; leaving it ends every process that still runs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._processes: list[Process] = []

    def machine(self, name: str, *, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Machine:
        return Machine(self, name, prefix=prefix, env=env)

    def start(self, command: Sequence[str], words: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Process:
        """Starts any program of ours whose stdout is JSON lines."""
        number = len(self._processes)
        logs = self.place / "logs"
        logs.mkdir(exist_ok=True)
        out, err = logs / f"{number}.jsonl", logs / f"{number}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=cwd, env=dict(env)
            )
        process = Process(words, popen, out, err)
        self._processes.append(process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Nothing of a test is worth a tidy end, and a stopped process would not hear of one.
        for process in self._processes:
            if process.is_running:
                process.kill()


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for something that a process brings about."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(POLL_S)
