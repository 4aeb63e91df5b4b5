"""The demonstration's processes: seeders that run until the end, fetches that end by themselves.

Each writes JSON lines to a file of its own, which `--keep` leaves to be looked at. Nothing here listens on anything
but loopback.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cli.processes import child_environment, swarm_command, without_settings
from swarm.errors import (
    ConflictError,
    InternalError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
    SourceChangedError,
    SwarmError,
    UnreachableError,
    UsageError,
    VerificationError,
)

READY_TIMEOUT_S = 120.0
"""Publishing a large --path takes its time; a seeder that says nothing for so long will not."""

FETCH_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05

LOOPBACK = ("--listen", "127.0.0.1:0", "--no-lan")


_ERRORS: tuple[type[SwarmError], ...] = (
    UsageError,
    NotFoundError,
    UnreachableError,
    RefusedError,
    NoSpaceError,
    VerificationError,
    ConflictError,
    SourceChangedError,
)
"""One for each exit code that a process of ours can end with: the demonstration ends with the same."""


class Actor:
    """One process and what it has said so far."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    def events(self) -> list[dict[str, Any]]:
        """Every whole JSON line so far."""
        lines = self._log.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def find(self, event: str) -> dict[str, Any] | None:
        """The last object of a kind."""
        return next((one for one in reversed(self.events()) if one["event"] == event), None)

    def failure(self) -> SwarmError:
        """Why it ended, in its own words."""
        error = self.find("error") or {}
        code = self.process.returncode or 1
        message = f"{self.name} ended with exit code {code}: {error.get('message', 'it did not say why')}"
        kind = next((one for one in _ERRORS if one.exit_code == code), InternalError)
        return kind(message, hint=error.get("hint") or "see its log: swarm demo --keep")


class Stage:
    """Starts processes below one directory and ends them all in the end."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = without_settings(environment)
        self._actors: list[Actor] = []
        self._files = ExitStack()

    def __enter__(self) -> Stage:
        (self._directory / "logs").mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self._actors:
            if actor.process.poll() is None:
                actor.process.terminate()
        for actor in self._actors:
            _end(actor.process)
        self._files.close()

    def home(self, name: str) -> Path:
        """An actor's own SWARM_HOME."""
        return self._directory / name / "home"

    def start(self, name: str, run: str, *words: str) -> Actor:
        """Starts `swarm WORDS --json` with the actor's own home; its output goes to `logs/<name>-<run>`."""
        log = self._directory / "logs" / f"{name}-{run}.jsonl"
        out = self._files.enter_context(log.open("wb"))
        error = self._files.enter_context(log.with_suffix(".err").open("wb"))
        environment = child_environment(self._environment, SWARM_HOME=str(self.home(name)))
        # A session of its own: a Ctrl-C in the terminal reaches only us, and we end them in order.
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and our own words
            swarm_command(*words, "--json"),
            stdin=subprocess.DEVNULL, stdout=out, stderr=error, env=environment, start_new_session=True,
        )  # fmt: skip
        actor = Actor(name, process, log)
        self._actors.append(actor)
        return actor


def wait_for(actor: Actor, event: str, timeout_s: float = READY_TIMEOUT_S) -> dict[str, Any]:
    """The last object of a kind. Raises the process's own error where it ends first, UnreachableError on time-out."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        has_ended = actor.process.poll() is not None
        found = actor.find(event)
        if found is not None:
            return found
        if has_ended:
            raise actor.failure()
        time.sleep(POLL_S)
    raise UnreachableError(f"{actor.name} was not {event} after {timeout_s:.0f} s", hint="try swarm doctor")


def receipts_of(actors: list[Actor]) -> list[dict[str, Any]]:
    """Waits for all fetches and returns their receipts in order. Raises the error of the first that failed."""
    deadline = time.monotonic() + FETCH_TIMEOUT_S
    for actor in actors:
        try:
            actor.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise UnreachableError(f"{actor.name} did not finish", hint="try swarm doctor") from None
    found = []
    for actor in actors:
        receipt = actor.find("receipt")
        if actor.process.returncode != 0 or receipt is None:
            raise actor.failure()
        found.append(receipt)
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
