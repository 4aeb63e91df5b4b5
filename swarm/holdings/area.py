"""One staging area on the disk: made or found again, locked, removed. What is in it:

lock       held by who works on it, with its process number
journal    which blocks are verified
margins    bytes of needed blocks that belong to files which are not staged, at their stream offsets; sparse
tree/      the files in their places
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from swarm.errors import RefusedError
from swarm.holdings.lock import Lock, owner, try_lock
from swarm.holdings.oserror import shown, translated
from swarm.holdings.place import INSIDE
from swarm.holdings.relinked import Relinked
from swarm.holdings.tree import Tree

TREE = b"tree"
MARGINS = b"margins"
LOCK = b"lock"


class Area:
    """An area whose lock this process holds. Made by `take`; `release` keeps it for the next run. `made`: directories
    above it that were made for it, the lowest first. `relinked`: who removes the area settles it."""

    def __init__(self, path: bytes, lock: Lock, made: list[bytes]) -> None:
        self.path = path
        self.files = Tree(path)
        self.relinked = Relinked()
        self._lock = lock
        self._made = made

    def release(self) -> None:
        self.files.close()
        self._lock.release()

    def remove(self) -> None:
        """Removes everything in it, and the area. Only swarm writes here, so that nothing is asked."""
        with translated(f"remove {shown(self.path)}"):
            remove_below(self.files, self.relinked)
            self.files.close()
            with suppress(FileNotFoundError):
                os.rmdir(self.path)
            above = os.path.dirname(self.path)
            # The last area inside a DEST takes `.swarm` with it; what was made for a DEST that came to nothing goes.
            for each in [above] if os.path.basename(above) == INSIDE else self._made:
                with suppress(OSError):
                    os.rmdir(each)
        self._lock.release()


def take(path: bytes) -> Area:
    """Makes the area, or takes the one that an earlier run left. Raises RefusedError where another process has it."""
    area = try_take(path, make=True)
    if area is None:
        holder = owner(path + b"/" + LOCK)
        raise RefusedError(
            f"{shown(path)} is in use by another swarm command" + (f" (process {holder})" if holder else ""),
            hint="wait until it has finished, or end it; then run this command again",
        )
    return area


def try_take(path: bytes, *, make: bool = False) -> Area | None:
    """As `take`, and None where another process has it (or, without `make`, where there is none)."""
    with translated(f"stage in {shown(path)}"):
        made: list[bytes] = []
        while True:
            if make:
                made = _make(path) or made
            elif not os.path.isdir(path):
                return None
            _check_ours(path)
            try:
                lock = try_lock(path + b"/" + LOCK)
            except FileNotFoundError:
                # Its last owner removed it just now.
                continue
            return Area(path, lock, made) if lock is not None else None


def remove_below(tree: Tree, relinked: Relinked, path: bytes = b"") -> None:
    """Removes all that is in a directory of a tree, also what its modes forbid."""
    for name in tree.names(path):
        below = path + b"/" + name if path else name
        found = tree.find(below)
        if found is None:
            continue
        if not found.is_directory:
            relinked.note_unlink(found.status)
            tree.unlink(below)
            continue
        if stat.S_IMODE(found.status.st_mode) & 0o700 != 0o700:
            tree.set_mode(below, 0o700)
        remove_below(tree, relinked, below)
        tree.rmdir(below)


def _make(path: bytes) -> list[bytes]:
    """Returns the directories above that were missing."""
    made: list[bytes] = []
    above = os.path.dirname(path)
    while not os.path.isdir(above):
        made.append(above)
        above = os.path.dirname(above)
    for directory in reversed(made):
        with suppress(FileExistsError):
            os.mkdir(directory)
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    return made


def _check_ours(path: bytes) -> None:
    """Where all may write, somebody else may have made it first, and could read or change what is in it."""
    above = os.path.dirname(path)
    if os.path.basename(above) == INSIDE:
        _check_ours(above)
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise RefusedError(
            f"{shown(path)} is not a directory of this user", hint="remove it, or choose another place for DEST"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        os.chmod(path, 0o700)
