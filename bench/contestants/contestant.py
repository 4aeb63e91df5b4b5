"""What every contestant is given, and what it tells."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import processes
from bench.namespaces import Lab
from bench.race import Entrant, Run

ORIGIN = "origin"
DATA = "data.bin"


@dataclass(frozen=True, slots=True)
class Work:
    """One file of `size` bytes at `source / DATA`; a contestant may write below `place`, which is new for every run."""

    lab: Lab
    source: Path
    size: int
    consumers: tuple[str, ...]
    place: Path
    late: tuple[str, ...] = ()
    """Consumers who come half-way."""

    @property
    def everybody(self) -> tuple[str, ...]:
        """Those from the beginning first."""
        return self.consumers + self.late

    def home(self, name: str) -> Path:
        """A host's own directory."""
        path = self.place / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, name: str) -> Path:
        """Where a host's stderr goes."""
        return self.place / f"{name}.log"


@dataclass(frozen=True, slots=True)
class Receipts:
    """What the consumers say themselves: bytes out of the origin and bytes for nothing, of all together."""

    origin: int
    wasted: int


class Contestant(Protocol):
    """One way to replicate."""

    name: str

    def lacks(self) -> str | None:
        """What is to be installed first, or None."""

    def entrants(self, work: Work) -> AbstractContextManager[Sequence[Entrant]]:
        """Starts the origin's side; gives `work.everybody`'s programs, which are still to be started."""

    def copy(self, work: Work, consumer: str) -> Path | None:
        """Where a consumer's file is when it is done; None where it throws the bytes away."""

    def receipts(self, runs: Sequence[Run]) -> Receipts | None:
        """Where they say."""


def program(name: str) -> str | None:
    """What to install where a program is missing."""
    return None if shutil.which(name) else f"{name} is not installed"


def environment(home: Path) -> dict[str, str]:
    """The caller's, with a home of its own and nothing of the caller's swarm settings."""
    return {**processes.environment(home), "SWARM_HOME": str(home / "swarm-home")}


@contextmanager
def place_for(root: Path) -> Iterator[Path]:
    """A run's directory, removed after it."""
    root.mkdir(parents=True)
    try:
        yield root
    finally:
        shutil.rmtree(root)
