"""swarm: a seeder with a tracker inside, and a fetch on every consumer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from bench.contestants.background import background
from bench.contestants.contestant import ORIGIN, Receipts, Work, environment
from bench.processes import swarm
from bench.race import DONE, READY, Entrant, Run

NAME = "lab:1.0.0"
STORE_PORT, TRACKER_PORT = 8000, 4180


class Swarm:
    """`seed_options` are given to the seeder."""

    name = "swarm"

    def __init__(self, seed_options: Sequence[str] = (), name: str | None = None) -> None:
        self._seed_options = tuple(seed_options)
        self.name = name or self.name

    def lacks(self) -> str | None:
        """It is here."""
        return None

    @contextmanager
    def entrants(self, work: Work) -> Iterator[Sequence[Entrant]]:
        """See Contestant."""
        address = work.lab.address(ORIGIN)
        words = ("seed", str(work.source), NAME, "--http", f"{address}:0", *_listen(address), *self._seed_options)
        with _at_origin(work, words) as line:
            yield self._fetches(work, json.loads(line)["http"])

    def _fetches(self, work: Work, tracker: str, *options: str) -> list[Entrant]:
        return [self._entrant(work, name, ("--tracker", tracker, *options)) for name in work.everybody]

    def _entrant(self, work: Work, name: str, options: Sequence[str]) -> Entrant:
        home = work.home(name)
        words = ("fetch", NAME, str(home / "copy"), *options, *_listen(work.lab.address(name)), "--json")
        site = ("--site", work.lab.site(name)) if work.lab.site(name) else ()
        command = work.lab.command(name, swarm(*words, *site))
        return Entrant(name, command, environment(home), _moment, work.log(name), ends_itself=True)

    def copy(self, work: Work, consumer: str) -> Path:
        """See Contestant."""
        return work.home(consumer) / "copy" / "data.bin"

    def receipts(self, runs: Sequence[Run]) -> Receipts:
        """See Contestant."""
        receipts = [_receipt(run) for run in runs]
        return Receipts(sum(one["bytes_origin"] for one in receipts), sum(one["bytes_wasted"] for one in receipts))


class SwarmBooting(Swarm):
    """The version is in a store, which the origin gives by HTTP; its tracker starts when the consumers do."""

    name = "booting"

    @contextmanager
    def entrants(self, work: Work) -> Iterator[Sequence[Entrant]]:
        """See Contestant. Without a store whoever comes before the tracker would end: nothing else could serve it."""
        address, store = work.lab.address(ORIGIN), work.place / "store"
        words = ("seed", str(work.source), NAME, "--store", str(store), "--once", "--no-lan", "--quiet")
        command = swarm(*words, *self._seed_options)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(work.home("producer")))
        http = ["-u", "-m", "http.server", "--bind", address, "--directory", str(store), "--protocol", "HTTP/1.1"]
        command = work.lab.command(ORIGIN, [sys.executable, *http, str(STORE_PORT)])
        listen = ("--http", f"{address}:{TRACKER_PORT}", "--listen", f"{address}:0", "--no-lan")
        with (
            background(
                command, environment(work.home("store-home")), work.log("store"), lambda line: "Serving" in line
            ),
            _at_origin(work, ("tracker", "--store", str(store), *listen), is_awaited=False),
        ):
            yield self._fetches(work, f"http://{address}:{TRACKER_PORT}", "--store", f"http://{address}:{STORE_PORT}")


def _at_origin(work: Work, words: Sequence[str], *, is_awaited: bool = True) -> AbstractContextManager[str]:
    """Gives its `ready`."""
    command = work.lab.command(ORIGIN, swarm(*words, "--json"))
    is_ready = (lambda line: _event(line) == "ready") if is_awaited else None
    return background(command, environment(work.home(ORIGIN)), work.log(ORIGIN), is_ready)


def _listen(address: str) -> tuple[str, ...]:
    return ("--no-lan", "--listen", f"{address}:0")


def _event(line: str) -> str:
    return str(json.loads(line)["event"]) if line.startswith("{") else ""


def _moment(line: str) -> str | None:
    return {"ready": READY, "committed": DONE}.get(_event(line))


def _receipt(run: Run) -> dict[str, Any]:
    return next(event for event in map(json.loads, reversed(run.lines)) if event["event"] == "receipt")
