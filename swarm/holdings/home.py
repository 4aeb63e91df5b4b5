"""`$SWARM_HOME`: where things are in it, and whether it can be used. Holdings' part of it only (docs/holdings.md).

index.sqlite          what is held where; -wal and -shm beside it while it is open
versions/<hex>/root   roots, kept whole
pages/ab/<hex>        pages, kept whole under their own digest, so that versions share them
locks/<hex>           one empty file for each DEST that was ever written, `index` and `manifests`
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import RefusedError
from swarm.holdings.lock import CAN_LOCK, lock_waiting
from swarm.holdings.mounts import mount_of
from swarm.holdings.oserror import real, translated
from swarm.protocol.ids import VersionId, digest


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below one `$SWARM_HOME`. `directory` is absolute, links resolved."""

    directory: Path

    @property
    def index(self) -> Path:
        return self.directory / "index.sqlite"

    @property
    def versions(self) -> Path:
        return self.directory / "versions"

    @property
    def pages(self) -> Path:
        return self.directory / "pages"

    def root(self, version: VersionId) -> Path:
        return self.versions / version.hex() / "root"

    def sketch(self, version: VersionId) -> Path:
        return self.versions / version.hex() / "sketch"

    def page(self, page: bytes) -> Path:
        name = page.hex()
        return self.pages / name[:2] / name

    @property
    def index_lock(self) -> Path:
        """Held while the index is opened."""
        return self.directory / "locks" / "index"

    def destination_lock(self, dest: bytes) -> Path:
        """One for each DEST, so that two commands never write one directory at a time."""
        return self.directory / "locks" / digest(dest)[:16].hex()

    @contextmanager
    def manifests_locked(self, *, exclusive: bool) -> Iterator[None]:
        """Shared while a root or page is kept, exclusive while unneeded ones are removed. Blocks: for threads."""
        with lock_waiting(self.directory / "locks" / "manifests", exclusive=exclusive):
            yield


def open_home(directory: Path) -> Home:
    """Makes what is missing. Raises RefusedError on a network's file system, PermissionError_, NoSpaceError."""
    if not CAN_LOCK:
        raise RefusedError("this system has no file locks that swarm knows", hint="swarm keeps data on Linux and macOS")
    path = real(directory)
    home = Home(Path(os.fsdecode(path)))
    mount = mount_of(path)
    if mount is not None and mount.is_network:
        raise RefusedError(
            f"$SWARM_HOME {home.directory} is on a network file system ({mount.type})",
            hint="set SWARM_HOME to a directory on a local disk; datasets themselves may be anywhere",
        )
    with translated(f"use $SWARM_HOME {home.directory}"):
        home.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in (home.versions, home.pages, home.directory / "locks"):
            part.mkdir(mode=0o700, exist_ok=True)
    return home
