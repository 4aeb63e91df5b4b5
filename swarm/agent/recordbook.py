"""The newest signed records that this machine has seen, on disk: what it refuses to go back behind, and what it can
tell a neighbour when tracker and store are gone.

    $SWARM_HOME/records/<name>/tags/<tag>     the newest tag record seen
    $SWARM_HOME/records/<name>/names/<n>      the chain of name records

Small files, replaced whole by rename. The book believes nothing: who writes into it has verified (`trust`).
"""

from __future__ import annotations

import os
from pathlib import Path

CHAIN_MAX = 10_000
"""Name records of one name: a key changed daily for 27 years."""


class Recordbook:
    """Signed records by name and tag; synchronous, small, and safe with several processes under one home."""

    def __init__(self, home: Path) -> None:
        self._root = home / "records"

    def newest(self, name: str, tag: str) -> bytes | None:
        """The newest tag record seen, None where none was."""
        return _read(self._root / name / "tags" / tag)

    def keep(self, name: str, tag: str, tag_record: bytes, chain: tuple[bytes, ...]) -> None:
        """Remembers a verified record and the chain that it was verified by."""
        for n, record in enumerate(chain):
            path = self._root / name / "names" / str(n)
            if not path.exists():
                _write(path, record)
        _write(self._root / name / "tags" / tag, tag_record)

    def chain(self, name: str) -> tuple[bytes, ...]:
        """The name records seen, n = 0 first, without a gap."""
        found: list[bytes] = []
        while len(found) < CHAIN_MAX and (record := _read(self._root / name / "names" / str(len(found)))) is not None:
            found.append(record)
        return tuple(found)

    def names(self) -> list[str]:
        """Every name of which a record is here, sorted."""
        return sorted(str(path.parent.relative_to(self._root)) for path in self._root.glob("**/tags"))

    def tags(self, name: str) -> list[str]:
        """Every tag of a name of which a record is here, sorted."""
        folder = self._root / name / "tags"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
