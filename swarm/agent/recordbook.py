"""The newest signed records that this machine has seen, on disk: what it refuses to go back behind, and what it can
tell a neighbour when tracker and store are gone.

    $SWARM_HOME/records/<name>/tags/<tag>            the newest tag record seen
    $SWARM_HOME/records/<name>/history/<tag>/<seq>   those that it followed, as far as they were seen
    $SWARM_HOME/records/<name>/names/<n>             the chain of name records

Small files, replaced whole by rename. The book believes nothing: who writes into it has verified (`trust`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from swarm.agent.claims import Seen
from swarm.holdings.oserror import translated
from swarm.protocol.bounds import NAME_RECORDS_MAX
from swarm.protocol.names import is_name, is_tag
from swarm.protocol.records import Order, compare, decode_tag_record, record_id

HISTORY = "history"
HISTORY_MAX = 256
"""Records of a tag that stay: what a bundle from here can tell of its past."""


class Recordbook:
    """Signed records by name and tag; synchronous, small, and safe with several threads and processes under one home.

    Every method raises PermissionError_ and NoSpaceError where the disk does.
    """

    def __init__(self, home: Path) -> None:
        self._root = home / "records"

    def seen(self, name: str) -> Seen:
        """What has been seen of a name, for `trust`."""
        return Seen(lambda tag: self.newest(name, tag), self.chain(name))

    def newest(self, name: str, tag: str) -> bytes | None:
        """The newest tag record seen, None where none was."""
        return _read(self._root / name / "tags" / tag)

    def keep(self, name: str, tag: str, tag_record: bytes, chain: tuple[bytes, ...]) -> None:
        """Remembers a verified record and the chain that it was verified by.

        What another process has seen meanwhile and is newer stays. The chain replaces the one before: it is longer, or
        the name has begun anew in another realm.
        """
        names = self._root / name / "names"
        for n, record in enumerate(chain):
            if _read(names / str(n)) != record:
                _write(names / str(n), record)
        for n in range(len(chain), len(self.chain(name))):
            with translated(f"write {names}"):
                (names / str(n)).unlink(missing_ok=True)
        if not self._has_as_new(name, tag, tag_record):
            self._keep_before(name, tag)
            _write(self._root / name / "tags" / tag, tag_record)

    def history(self, name: str, tag: str) -> tuple[bytes, ...]:
        """The newest tag record seen and those that it follows, as far back as all of them were seen; oldest first."""
        found: list[bytes] = []
        data = self.newest(name, tag)
        while data is not None and len(found) < HISTORY_MAX:
            found.append(data)
            record = decode_tag_record(data)
            before = _read(self._before(name, tag) / str(record.seq - 1)) if record.seq else None
            data = before if before is not None and record_id(before) == record.prev else None
        return tuple(reversed(found))

    def forget(self, name: str) -> None:
        """Nothing was seen of `name`: somebody has looked, and it has begun anew."""
        for place in (self._root / name / "names", self._root / name / "tags"):
            for entry in _listed(place):
                with translated(f"remove {place / entry}"):
                    (place / entry).unlink(missing_ok=True)
        for tag in _listed(self._root / name / HISTORY):
            self._forget_before(name, tag)

    def forget_tag(self, name: str, tag: str) -> None:
        """Nothing was seen of one tag: somebody has looked, and its producer has moved a release."""
        place = self._root / name / "tags" / tag
        with translated(f"remove {place}"):
            place.unlink(missing_ok=True)
        self._forget_before(name, tag)

    def chain(self, name: str) -> tuple[bytes, ...]:
        """The name records seen, n = 0 first, without a gap."""
        names = self._root / name / "names"
        found: list[bytes] = []
        while len(found) < NAME_RECORDS_MAX and (record := _read(names / str(len(found)))) is not None:
            found.append(record)
        return tuple(found)

    def names(self) -> list[str]:
        """Every name of which a record is here, sorted."""
        return sorted(name for name in self._entries() if is_name(name) and (self._root / name / "tags").is_dir())

    def tags(self, name: str) -> list[str]:
        """Every tag of a name of which a record is here, sorted."""
        return sorted(tag for tag in _listed(self._root / name / "tags") if is_tag(tag))

    def _entries(self) -> Iterator[str]:
        """What may be a name: `part`, and `@scope/part`. A part may well be called `tags`."""
        for first in _listed(self._root):
            if not first.startswith("@"):
                yield first
                continue
            for second in _listed(self._root / first):
                yield f"{first}/{second}"

    def _before(self, name: str, tag: str) -> Path:
        return self._root / name / HISTORY / tag

    def _keep_before(self, name: str, tag: str) -> None:
        """What was the newest becomes history."""
        data = self.newest(name, tag)
        if data is None:
            return
        seq = decode_tag_record(data).seq
        _write(self._before(name, tag) / str(seq), data)
        oldest = self._before(name, tag) / str(seq - HISTORY_MAX)
        with translated(f"remove {oldest}"):
            oldest.unlink(missing_ok=True)

    def _forget_before(self, name: str, tag: str) -> None:
        for entry in _listed(self._before(name, tag)):
            with translated(f"remove {self._before(name, tag) / entry}"):
                (self._before(name, tag) / entry).unlink(missing_ok=True)

    def _has_as_new(self, name: str, tag: str, tag_record: bytes) -> bool:
        here = self.newest(name, tag)
        if here is None or here == tag_record:
            return here is not None
        known, record = decode_tag_record(here), decode_tag_record(tag_record)
        return known.realm == record.realm and compare(known, record) is Order.OLDER


def _read(path: Path) -> bytes | None:
    with translated(f"read {path}"):
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None


def _listed(path: Path) -> list[str]:
    with translated(f"read {path}"):
        try:
            return [entry.name for entry in path.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []


def _write(path: Path, data: bytes) -> None:
    """Synced before it gets its name: what protects from the past must survive a power cut."""
    with translated(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
