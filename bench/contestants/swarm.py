"""swarm: a seeder with a tracker inside, and a fetch on every consumer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.contestants.background import background
from bench.contestants.contestant import ORIGIN, Receipts, Work, environment
from bench.processes import swarm
from bench.race import DONE, READY, Entrant, Run

NAME = "lab:1.0.0"


class Swarm:
    """`options` are given to every fetch."""

    name = "swarm"

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._options = tuple(options)

    def lacks(self) -> str | None:
        """It is here."""
        return None

    @contextmanager
    def entrants(self, work: Work) -> Iterator[Sequence[Entrant]]:
        """See Contestant."""
        address, home = work.lab.address(ORIGIN), work.home(ORIGIN)
        words = ("seed", str(work.source), NAME, "--http", f"{address}:0", *_listen(address), "--json")
        command = work.lab.command(ORIGIN, swarm(*words))
        with background(command, environment(home), work.log(ORIGIN), lambda line: _event(line) == "ready") as line:
            tracker = json.loads(line)["http"]
            yield [self._entrant(work, name, tracker) for name in work.consumers]

    def _entrant(self, work: Work, name: str, tracker: str) -> Entrant:
        home = work.home(name)
        words = ("fetch", NAME, str(home / "copy"), "--tracker", tracker, *_listen(work.lab.address(name)), "--json")
        command = work.lab.command(name, swarm(*words, *self._options))
        return Entrant(name, command, environment(home), _moment, work.log(name), ends_itself=True)

    def copy(self, work: Work, consumer: str) -> Path:
        """See Contestant."""
        return work.home(consumer) / "copy" / "data.bin"

    def receipts(self, runs: Sequence[Run]) -> Receipts:
        """See Contestant."""
        receipts = [_receipt(run) for run in runs]
        return Receipts(sum(one["bytes_origin"] for one in receipts), sum(one["bytes_wasted"] for one in receipts))


def _listen(address: str) -> tuple[str, ...]:
    return ("--no-lan", "--listen", f"{address}:0")


def _event(line: str) -> str:
    return str(json.loads(line)["event"]) if line.startswith("{") else ""


def _moment(line: str) -> str | None:
    return {"ready": READY, "committed": DONE}.get(_event(line))


def _receipt(run: Run) -> dict[str, Any]:
    return next(event for event in map(json.loads, reversed(run.lines)) if event["event"] == "receipt")
