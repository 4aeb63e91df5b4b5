"""What a collection of garbage is asked for, and what it says that it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarm.store.dropped import Dropping
from swarm.store.retention import Keep

Progress = Callable[[str, int, int | None], None]
"""(phase, done, of how many if that is known)."""


@dataclass(frozen=True, slots=True)
class Amount:
    """So many roots and blocks (pages among them), and the bytes of their objects."""

    versions: int = 0
    blocks: int = 0
    bytes: int = 0

    def plus(self, *, versions: int = 0, blocks: int = 0, size: int = 0) -> Amount:
        return Amount(self.versions + versions, self.blocks + blocks, self.bytes + size)


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did, or with `is_dry_run` would do. `young` is needed by nobody, and was written less than
    `young_s` ago: it may belong to a publish that goes on. `due_s`: Unix seconds, the store's clock, from which on all
    that is condemned may be deleted; None where nothing is. `waiting`: why what was condemned before still is there."""

    kept: Amount
    freed: Amount
    condemned: Amount
    pending: Amount
    young: Amount
    young_s: float
    due_s: float | None
    waiting: tuple[str, ...]
    is_dry_run: bool
    dropping: Dropping | None = None
    """What would go, version by version; only of a dry run."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a collection. `is_alone`: the user's word that nobody publishes, so nothing has to wait.
    `directory`: where a file of ids may lie for as long as it runs (32 bytes a block)."""

    keep: Keep
    directory: Path
    is_alone: bool = False
    is_dry_run: bool = False
