"""The index: which version is in which directory, in SQLite. Synchronous, for worker threads; one lock serialises them.

Several processes at once are normal: WAL lets them read while one writes, writers wait for each other, and every
write is one short transaction. What the rows mean is said in `schema` and `record`.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm.holdings.lock import lock_waiting
from swarm.holdings.oserror import translated
from swarm.holdings.record import HoldingKind, HoldingRecord, PendingRecord, StagingRecord
from swarm.holdings.schema import migrate
from swarm.protocol.ids import VersionId

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another: the longest transaction writes 32 bytes for each of a million files."""

SOURCE_VERSIONS_MAX = 8
"""Of one directory: who follows its newest version may still ask for what an older one had in common with it."""

_IN_PLACE = 2
"""`pending.is_exchange` of a part of an update in place."""

_HOLDING = "id, kind, version, directory, label, time, follows_links, is_file, selected"
_PENDING = "dest, area, is_exchange, tree_device, tree_inode, version, label, selected, staged, signatures"


def open_index(path: Path, lock: Path) -> Index:
    """Opens or makes the file. Raises RefusedError (a newer swarm's, or no index at all), PermissionError_.

    Under `lock`, for a file that is just being made: SQLite does not wait for whoever changes it to WAL.
    """
    with translated(f"use the index {path}"), lock_waiting(lock, exclusive=True):
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: an intent to commit must be on the disk before DEST is touched. There are few transactions.
            connection.execute("PRAGMA synchronous = FULL")
            migrate(connection)
        except BaseException:
            connection.close()
            raise
    path.chmod(0o600)
    return Index(connection)


class Index:
    """All methods may be called from any thread, and raise SwarmError where SQLite cannot."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def data_version(self) -> int:
        """Another number as soon as another process has written. Our own writes do not change it."""
        with self._reading() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    # --- holdings -------------------------------------------------------------------------------

    def holdings(self) -> list[HoldingRecord]:
        """All, the newest first."""
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {_HOLDING} FROM holding ORDER BY time DESC, id DESC").fetchall()  # noqa: S608
        return [_holding(row) for row in rows]

    def signatures(self, holding: int) -> bytes | None:
        """Of every entry of the holding's version; None if the holding is gone."""
        with self._reading() as connection:
            row = connection.execute("SELECT signatures FROM holding WHERE id = ?", (holding,)).fetchone()
        return None if row is None else bytes(row[0])

    def change_signatures(self, holding: int, change: Callable[[bytes], bytes]) -> None:
        """Reads, changes and writes in one transaction: other processes find touched files too."""
        with self._writing() as connection:
            row = connection.execute("SELECT signatures FROM holding WHERE id = ?", (holding,)).fetchone()
            if row is not None:
                changed = change(bytes(row[0]))
                connection.execute("UPDATE holding SET signatures = ? WHERE id = ?", (changed, holding))

    def put_source(
        self, version: VersionId, directory: bytes, label: str, signatures: bytes, *, follows_links: bool, is_file: bool
    ) -> None:
        """A producer's directory holds the version; replaces what was said of the two before, and forgets the oldest
        of its versions."""
        with self._writing() as connection:
            connection.execute(
                "DELETE FROM holding WHERE directory = ? AND version = ? AND kind = 1", (directory, version)
            )
            connection.execute(
                "INSERT INTO holding"
                " (kind, version, directory, label, time, follows_links, is_file, selected, signatures)"
                " VALUES (1, ?, ?, ?, ?, ?, ?, NULL, ?)",
                (version, directory, label, int(time.time()), follows_links, is_file, signatures),
            )
            connection.execute(
                "DELETE FROM holding WHERE kind = 1 AND directory = ?1 AND id NOT IN"
                " (SELECT id FROM holding WHERE kind = 1 AND directory = ?1 ORDER BY id DESC LIMIT ?2)",
                (directory, SOURCE_VERSIONS_MAX),
            )

    def set_label(self, holding: int, label: str) -> None:
        with self._writing() as connection:
            connection.execute("UPDATE holding SET label = ? WHERE id = ?", (label, holding))

    def remove_holding(self, holding: int) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM holding WHERE id = ?", (holding,))

    # --- staging --------------------------------------------------------------------------------

    def stagings(self) -> list[StagingRecord]:
        with self._reading() as connection:
            rows = connection.execute("SELECT area, dest, version, label, time FROM staging ORDER BY time").fetchall()
        return [StagingRecord(bytes(a), bytes(d), VersionId(bytes(v)), str(n), int(t)) for a, d, v, n, t in rows]

    def put_staging(self, area: bytes, dest: bytes, version: VersionId, label: str) -> None:
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO staging (area, dest, version, label, time) VALUES (?, ?, ?, ?, ?)",
                (area, dest, version, label, int(time.time())),
            )

    def remove_staging(self, area: bytes) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM staging WHERE area = ?", (area,))

    # --- commits --------------------------------------------------------------------------------

    def pending(self) -> list[PendingRecord]:
        """Commits that have begun and not ended, of this and of other processes, living or dead."""
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {_PENDING} FROM pending ORDER BY dest").fetchall()  # noqa: S608
        return [_pending(row) for row in rows]

    def begin_commit(self, commit: PendingRecord) -> None:
        """On the disk when this returns."""
        device, inode = commit.tree
        how = _IN_PLACE if commit.is_in_place else int(commit.is_exchange)
        values = (commit.dest, commit.area, how, _signed(device), _signed(inode), commit.version)
        more = (commit.label, commit.selected, commit.staged, commit.signatures)
        with self._writing() as connection:
            connection.execute(
                f"INSERT OR REPLACE INTO pending ({_PENDING}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (*values, *more),
            )

    def end_commit(self, commit: PendingRecord, signatures: bytes) -> None:
        """DEST is what the commit says: it becomes a holding, in place of the one that was there."""
        with self._writing() as connection:
            connection.execute("DELETE FROM holding WHERE directory = ? AND kind IN (0, 2)", (commit.dest,))
            _hold(connection, 0, commit, signatures)

    def end_part(self, commit: PendingRecord, signatures: bytes) -> None:
        """A part of an update in place is done: DEST holds what `signatures` knows of the new version."""
        with self._writing() as connection:
            connection.execute("DELETE FROM holding WHERE directory = ? AND kind = 2", (commit.dest,))
            _hold(connection, 2, commit, signatures)

    def drop_commit(self, dest: bytes) -> None:
        """DEST was not touched."""
        with self._writing() as connection:
            connection.execute("DELETE FROM pending WHERE dest = ?", (dest,))

    # --- connection -----------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated("read the index in $SWARM_HOME"):
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated("write the index in $SWARM_HOME"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _holding(row: tuple[object, ...]) -> HoldingRecord:
    number, kind, version, directory, label, when, follows_links, is_file, selected = row
    return HoldingRecord(
        id=int(str(number)),
        kind=HoldingKind(int(str(kind))),
        version=VersionId(_bytes(version)),
        directory=_bytes(directory),
        label=str(label),
        time=int(str(when)),
        follows_links=bool(follows_links),
        is_file=bool(is_file),
        selected=None if selected is None else _bytes(selected),
    )


def _pending(row: tuple[object, ...]) -> PendingRecord:
    dest, area, is_exchange, device, inode, version, label, selected, staged, signatures = row
    return PendingRecord(
        dest=_bytes(dest),
        area=_bytes(area),
        is_exchange=is_exchange == 1,
        is_in_place=is_exchange == _IN_PLACE,
        tree=(_unsigned(device), _unsigned(inode)),
        version=VersionId(_bytes(version)),
        label=str(label),
        selected=None if selected is None else _bytes(selected),
        staged=None if staged is None else _bytes(staged),
        signatures=_bytes(signatures),
    )


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise sqlite3.DatabaseError("malformed: a number where bytes are expected")
    return value


def _signed(number: int) -> int:
    """SQLite's integers have a sign, inode numbers have none."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _unsigned(value: object) -> int:
    return int(str(value)) & ((1 << 64) - 1)


def _hold(connection: sqlite3.Connection, kind: int, commit: PendingRecord, signatures: bytes) -> None:
    """What was to be committed is a holding of `kind` now."""
    connection.execute(
        "INSERT INTO holding (kind, version, directory, label, time, follows_links, is_file, selected, signatures)"
        " VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?)",
        (kind, commit.version, commit.dest, commit.label, int(time.time()), commit.selected, signatures),
    )
    connection.execute("DELETE FROM pending WHERE dest = ?", (commit.dest,))
