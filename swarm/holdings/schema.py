"""The index's tables, and how an older file becomes a newer one: steps forward only, each in one transaction.

No row a block: a version's pages, which are kept anyway, say where in the stream each block is, and for 1,000,000
blocks such rows took 90 MB and several seconds for every commit. The index says only which version is in which
directory, and how each file looked when it was last known to be right: 32 bytes a file.
"""

from __future__ import annotations

import sqlite3

from swarm.errors import RefusedError

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # `selected`: a bit per entry of the version, NULL for all. `signatures`: see signature.Signatures.
        """CREATE TABLE holding (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind INTEGER NOT NULL,
            version BLOB NOT NULL,
            directory BLOB NOT NULL,
            label TEXT NOT NULL,
            time INTEGER NOT NULL,
            follows_links INTEGER NOT NULL,
            is_file INTEGER NOT NULL,
            selected BLOB,
            signatures BLOB NOT NULL
        )""",
        "CREATE UNIQUE INDEX holding_fetched ON holding (directory) WHERE kind = 0",
        "CREATE UNIQUE INDEX holding_source ON holding (directory, version) WHERE kind = 1",
        "CREATE INDEX holding_version ON holding (version)",
        # Staging areas that exist or may exist: what may be reused, whose manifests are still needed.
        """CREATE TABLE staging (
            area BLOB PRIMARY KEY,
            dest BLOB NOT NULL,
            version BLOB NOT NULL,
            label TEXT NOT NULL,
            time INTEGER NOT NULL
        )""",
        # A commit between its last check and its end: written before DEST is touched, removed when DEST is whole.
        """CREATE TABLE pending (
            dest BLOB PRIMARY KEY,
            area BLOB NOT NULL,
            is_exchange INTEGER NOT NULL,
            tree_device INTEGER NOT NULL,
            tree_inode INTEGER NOT NULL,
            version BLOB NOT NULL,
            label TEXT NOT NULL,
            selected BLOB,
            staged BLOB,
            signatures BLOB NOT NULL
        )""",
    ),
    (
        # Kind 2: what a DEST is being updated to in place. `pending.is_exchange` is 2 for such a step.
        "CREATE UNIQUE INDEX holding_incoming ON holding (directory) WHERE kind = 2",
    ),
)
"""Step n brings a file of `user_version` n to n + 1."""

NEWEST = len(STEPS)


def migrate(connection: sqlite3.Connection) -> None:
    """Brings the file to the newest form. Raises RefusedError where a newer swarm wrote it, sqlite3.Error.

    Several processes may open a new home at once: the number is read again under the lock for writing.
    """
    if _number(connection) == NEWEST:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        number = _number(connection)
        if number > NEWEST:
            raise RefusedError(
                f"$SWARM_HOME's index has form {number}, and this swarm knows forms up to {NEWEST}",
                hint="use the newer swarm that wrote it, or another SWARM_HOME",
            )
        for step in STEPS[number:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {NEWEST}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _number(connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)
