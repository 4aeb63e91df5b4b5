"""Takes away what a holding left: its own files as long as they are its own, and never anything of a user's."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from swarm.holdings.place import INSIDE
from swarm.holdings.relinked import Relinked
from swarm.holdings.scope import Scope
from swarm.holdings.signature import Signatures, is_untouched
from swarm.holdings.survey import Tick, has_right_bytes
from swarm.holdings.tree import Tree
from swarm.protocol.pages import Entry, Kind
from swarm.protocol.version import Version

KEPT_NAMES_MAX = 1000
"""Tries to find a free name for what is kept aside."""

HANDS = 8
"""Files removed at once. On ext4 with `discard`, as clouds mount it, an unlink waits 2 ms for the disk: 2,450 files
took 6 s one after the other and 0.3 s eight at a time."""

ARMFUL = 64
"""Files that one thread takes at a time. Fewer in all are removed by the caller's own thread."""


class Clearing:
    """Takes entries of a version out of a directory. `known`: a file with another signature goes only if it still has
    the version's bytes, or `with_edited`. `relinked` hears of files that have other names. Raises OSError."""

    def __init__(
        self,
        tree: Tree,
        version: Version,
        known: Signatures,
        tick: Tick,
        relinked: Relinked,
        *,
        with_edited: bool = False,
    ) -> None:
        self._tree = tree
        self._version = version
        self._known = known
        self._tick = tick
        self._relinked = relinked
        self._with_edited = with_edited

    def clear(self, scope: Scope) -> None:
        """All entries, deepest first; directories if nothing is left in them."""
        open_directories(self._tree, scope)
        for number in reversed(self._remove_many(list(scope.taken))):
            self._tick(0)
            # What another user has put under lock stays, and is kept aside with its directory.
            with suppress(PermissionError):
                self.remove(number)

    def _remove_many(self, numbers: list[int]) -> list[int]:
        """Many files at once. Returns the entries that want a closer look, or to be taken in their order."""
        armfuls = [numbers[first : first + ARMFUL] for first in range(0, len(numbers), ARMFUL)]
        if len(armfuls) < 2:
            return numbers
        pool = ThreadPoolExecutor(HANDS)
        left: list[int] = []
        try:
            for rest in pool.map(self._remove_untouched, armfuls):
                self._tick(0)  # here only: it may end this thread's work, and knows no other
                left += rest
        finally:
            pool.shutdown(cancel_futures=True)
        return left

    def _remove_untouched(self, numbers: Sequence[int]) -> list[int]:
        return [number for number in numbers if not self._is_removed(number)]

    def _is_removed(self, number: int) -> bool:
        entry = self._version.entries[number]
        if entry.kind is not Kind.FILE or not self._known.is_known(number):
            return False
        with suppress(OSError):  # said by the closer look, if it meets it again
            found = self._tree.find(entry.path)
            if found is not None and is_untouched(self._known[number], found.status):
                self._relinked.note_unlink(found.status)
                self._tree.unlink(entry.path)
                return True
        return False

    def remove(self, number: int) -> None:
        """One entry, if it is ours. A directory is ours if it is empty."""
        entry = self._version.entries[number]
        found = self._tree.find(entry.path)
        if found is None:
            return
        if found.is_directory:
            if entry.kind is Kind.DIRECTORY:
                with suppress(OSError):
                    self._tree.rmdir(entry.path)
        elif self._with_edited or self._is_ours(number, entry, found.status):
            self._relinked.note_unlink(found.status)
            self._tree.unlink(entry.path)

    def _is_ours(self, number: int, entry: Entry, status: os.stat_result) -> bool:
        if entry.kind is Kind.SYMLINK:
            return stat.S_ISLNK(status.st_mode) and self._tree.read_link(entry.path) == entry.target
        if entry.kind is not Kind.FILE or not stat.S_ISREG(status.st_mode):
            return False
        if self._known.is_known(number) and is_untouched(self._known[number], status):
            return True
        try:
            return has_right_bytes(self._tree, entry, self._tick) is not None
        except PermissionError:
            return self._is_ours_unlocked(entry, status)

    def _is_ours_unlocked(self, entry: Entry, status: os.stat_result) -> bool:
        """Of a file that we may not read but own: it gets its mode back if it stays."""
        try:
            self._tree.set_mode(entry.path, 0o400)
        except PermissionError:
            return False
        is_ours = has_right_bytes(self._tree, entry, self._tick) is not None
        if not is_ours:
            self._tree.set_mode(entry.path, stat.S_IMODE(status.st_mode))
        return is_ours


def keep_aside(path: bytes, dest: bytes, mark: str) -> bytes:
    """Moves a directory with what is left in it beside `dest`, under a name that nothing has. Returns its path."""
    above, name = os.path.split(dest)
    for count in range(KEPT_NAMES_MAX):
        kept = above + b"/" + name[:200] + f".kept-{mark}{f'-{count}' if count else ''}".encode()
        if not os.path.lexists(kept):
            os.rename(path, kept)
            return kept
    raise FileExistsError(17, os.strerror(17), os.fsdecode(dest))


def is_empty(tree: Tree) -> bool:
    """Whether a directory has nothing in it but staging areas."""
    return all(name == INSIDE for name in tree.names())


def open_directories(tree: Tree, scope: Scope) -> None:
    """Gives directories back the rights that one needs to remove what is in them: those of read-only datasets."""
    for entry in scope.of_kind(Kind.DIRECTORY):
        if entry.mode & 0o700 != 0o700:
            found = tree.find(entry.path)
            if found is not None and found.is_directory:
                with suppress(PermissionError):
                    tree.set_mode(entry.path, 0o700)
