"""What a follower must know after a restart and cannot see in DEST: a small file in `$SWARM_HOME`.

    $SWARM_HOME/follow/<32 hex of DEST's path>.json

Losing it harms little: what was refused is tried again, and a hook that a kill has interrupted does not run again.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarm.holdings.oserror import translated
from swarm.protocol.ids import VersionId, digest
from swarm.protocol.records import TagRecord

BYTES_MAX = 64 * 1024
INSTALLED_MAX = 64
"""Versions that were current, the newest first: they say which are the old ones. More are never kept by a rule."""


@dataclass(frozen=True, slots=True)
class Step:
    """One signed step of a tag, as much of it as a follower needs. `time` is the record's, Unix ms."""

    digest: str
    tag: str
    realm: str
    epoch: int
    seq: int
    time: int

    @classmethod
    def of(cls, record: TagRecord) -> Step:
        """Of a record that points at something."""
        assert record.root is not None
        realm, root = record.realm.hex(), record.root.hex()
        return cls(root, record.tag, realm, record.epoch, record.seq, record.time)

    @property
    def version(self) -> VersionId:
        return VersionId(bytes.fromhex(self.digest))

    @property
    def order(self) -> tuple[int, int]:
        return self.epoch, self.seq

    def is_after(self, other: Step) -> bool:
        """Whether this is not the past of `other`: of one tag the higher number is later."""
        is_of_one_history = (self.realm, self.tag) == (other.realm, other.tag)
        return self != other and (not is_of_one_history or self.order > other.order)


@dataclass(frozen=True, slots=True)
class FollowRecord:
    """`settled`: the step that is current and whose hook has ended well. `pending`: the one that is being switched to;
    where a restart finds `current` there, its hook has not ended. `refused`: not to be tried again, and why."""

    settled: Step | None = None
    pending: Step | None = None
    refused: Step | None = None
    reason: str = ""
    installed: tuple[str, ...] = ()

    def settle(self, step: Step) -> FollowRecord:
        """`step` is current, and nothing more is to be done about it."""
        installed = (step.digest, *(one for one in self.installed if one != step.digest))[:INSTALLED_MAX]
        return FollowRecord(step, None, None, "", installed)

    def begin(self, step: Step) -> FollowRecord:
        return replace(self, pending=step, refused=None, reason="")

    def retried(self) -> FollowRecord:
        """Nothing is refused any more."""
        return replace(self, refused=None, reason="")

    def refuse(self, step: Step, reason: str) -> FollowRecord:
        return replace(self, pending=None, refused=step, reason=reason)


class RecordFile:
    """Synchronous. Raises PermissionError_ and NoSpaceError where the disk does."""

    def __init__(self, home: Path, dest: Path, name: str) -> None:
        number = digest(os.fsencode(os.path.realpath(dest)))[:16].hex()
        self._path = home / "follow" / f"{number}.json"
        self._dest = dest
        self._name = name

    def load(self) -> FollowRecord:
        """An empty one where there is none, it is of another name, or it cannot be read as one."""
        name, record = self.load_any()
        return record if name == self._name else FollowRecord()

    def load_any(self) -> tuple[str | None, FollowRecord]:
        """What is followed to DEST, and its record; None and an empty one where there is none that can be read."""
        with translated(f"read {self._path}"):
            try:
                data = self._path.read_bytes()[:BYTES_MAX]
            except FileNotFoundError:
                return None, FollowRecord()
        try:
            found = json.loads(data)
            return str(found["name"]), _record(found)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None, FollowRecord()

    def save(self, record: FollowRecord) -> None:
        """Replaced whole, and on the disk when this returns."""
        body = {
            "name": self._name,
            "dest": str(self._dest),
            "settled": _plain(record.settled),
            "pending": _plain(record.pending),
            "refused": _plain(record.refused),
            "reason": record.reason,
            "installed": list(record.installed),
        }
        with translated(f"write {self._path}"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                    json.dump(body, file)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(self._path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise


_FIELDS = {"digest": str, "tag": str, "realm": str, "epoch": int, "seq": int, "time": int}


def _plain(step: Step | None) -> dict[str, Any] | None:
    return None if step is None else {name: getattr(step, name) for name in _FIELDS}


def _record(found: dict[str, Any]) -> FollowRecord:
    installed = tuple(str(one) for one in found["installed"])[:INSTALLED_MAX]
    settled, pending, refused = (_step(found[name]) for name in ("settled", "pending", "refused"))
    return FollowRecord(settled, pending, refused, str(found["reason"]), installed)


def _step(found: dict[str, Any] | None) -> Step | None:
    if found is None:
        return None
    step = Step(**{name: kind(found[name]) for name, kind in _FIELDS.items()})
    if len(step.version) != 32:
        raise ValueError("a digest has 32 bytes")
    return step
