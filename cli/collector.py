"""Who collects garbage under this `$SWARM_HOME`: one process at a time, under a name that outlives it.

A collection that was killed is taken up at once by the next one of the same name, because the lock proves that the one
before is dead; anybody else has to wait until its time has run out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm.errors import ConflictError
from swarm.holdings.lock import owner, try_lock
from swarm.holdings.oserror import translated


@contextmanager
def collector_of(home: Path) -> Iterator[str]:
    """This home's name as a collector, while nobody else uses it. Raises ConflictError, PermissionError_."""
    with translated(f"use {home}"):
        (home / "locks").mkdir(parents=True, exist_ok=True)
        path = home / "locks" / "gc"
        lock = try_lock(path)
        if lock is None:
            raise ConflictError(f"another swarm gc runs here (process {owner(path)})", hint="wait for its end")
    with lock:
        yield _name(home / "collector")


def _name(path: Path) -> str:
    with translated(f"use {path}"):
        try:
            name = path.read_text().strip()
        except FileNotFoundError:
            name = ""
        if len(name) != 32:
            name = uuid.uuid4().hex
            temporary = path.with_name(f".{path.name}")
            temporary.write_text(name)
            temporary.replace(path)
        return name
