"""DEST of a follower: `versions/<digest>`, each a holding, and the symlink `current`, which is replaced by rename(2).

    DEST/versions/<64 hex>/     a version, whole (staged beside, under a name that begins with a dot)
    DEST/current                -> versions/<64 hex>
    DEST/.follow.lock           held by the one follower that may write here

Synchronous. Nothing is ever removed here but the link itself; versions are removed by the holdings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm.errors import RefusedError
from swarm.holdings.lock import owner, try_lock
from swarm.holdings.oserror import translated
from swarm.protocol.ids import VersionId

VERSIONS = "versions"
CURRENT = "current"
NEW = ".current.new"
LOCK = ".follow.lock"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_STAGED = re.compile(r"\.([0-9a-f]{64})\.swarm-[0-9a-f]{8}")


class Place:
    """`dest` is absolute. Every method raises PermissionError_, NoSpaceError or UsageError where the system does."""

    def __init__(self, dest: Path) -> None:
        self.dest = dest
        self.link = dest / CURRENT

    def directory(self, version: VersionId) -> Path:
        """Where a version is, or is to be."""
        return self.dest / VERSIONS / version.hex()

    def prepare(self) -> None:
        """Makes the directories. Raises RefusedError where `current` is not ours."""
        with translated(f"make {self.dest / VERSIONS}"):
            (self.dest / VERSIONS).mkdir(parents=True, exist_ok=True)
        self.current()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One follower at a time. Raises RefusedError where another is at it."""
        path = self.dest / LOCK
        with translated(f"lock {path}"):
            lock = try_lock(path)
        if lock is None:
            raise RefusedError(
                f"another swarm follow (process {owner(path)}) keeps {self.dest}",
                hint="end that one first, or choose another DEST",
            )
        with lock:
            yield

    def current(self) -> VersionId | None:
        """What `current` points to, whether or not it is there; None where there is no link.

        Raises RefusedError where it is something else than a link to a version here.
        """
        with translated(f"read {self.link}"):
            try:
                target = self.link.readlink()
            except FileNotFoundError:
                return None
            except OSError:
                if not os.path.lexists(self.link):
                    raise
                raise self._not_ours("is not a symlink") from None
        return self._version_of(target)

    def versions(self) -> list[VersionId]:
        """What is in `versions/` by name, the one written last first."""
        with translated(f"read {self.dest / VERSIONS}"), os.scandir(self.dest / VERSIONS) as found:
            entries = [
                (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name)
                for entry in found
                if _DIGEST.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
        return [VersionId(bytes.fromhex(name)) for _, name in sorted(entries, reverse=True)]

    def staged(self) -> list[VersionId]:
        """Versions of which a fetch that did not end has left something."""
        with translated(f"read {self.dest / VERSIONS}"):
            found = [_STAGED.fullmatch(name) for name in sorted(each.name for each in (self.dest / VERSIONS).iterdir())]
        return list(dict.fromkeys(VersionId(bytes.fromhex(match[1])) for match in found if match))

    def flip(self, version: VersionId) -> None:
        """Lets `current` point to a version that is there, in one step, and on the disk when this returns.

        Raises RefusedError where `current` is not ours.
        """
        self.current()
        with translated(f"replace {self.link}"):
            new = self.dest / NEW
            new.unlink(missing_ok=True)
            new.symlink_to(f"{VERSIONS}/{version.hex()}")
            new.replace(self.link)
            self._sync()

    def unlink(self) -> None:
        """There is no current version any more. Raises RefusedError where `current` is not ours."""
        if self.current() is not None:
            with translated(f"remove {self.link}"):
                self.link.unlink()
                self._sync()

    def _sync(self) -> None:
        descriptor = os.open(self.dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _version_of(self, target: Path) -> VersionId:
        path = os.path.normpath(self.dest / target)
        above, name = os.path.split(path)
        if above != os.path.normpath(self.dest / VERSIONS) or not _DIGEST.fullmatch(name):
            raise self._not_ours(f"points to {target}")
        return VersionId(bytes.fromhex(name))

    def _not_ours(self, what: str) -> RefusedError:
        return RefusedError(
            f"{self.link} {what}, and only a link into {self.dest / VERSIONS} is replaced here",
            hint=f"move {self.link} away; nothing in it was touched",
        )
