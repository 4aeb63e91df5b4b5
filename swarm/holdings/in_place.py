"""An update file by file, for a disk that cannot hold the changed files twice. Decided here; done by `commit`.

Some of the changed files at a time, as many as there is room for and at least one, are staged and renamed into DEST
over the old ones. Meanwhile DEST holds whole files of both versions, and two holdings say which: the old version's,
which loses a file with each rename, and the new one's (INCOMING), which gains it. Only at the end does the old one go,
with the files that the new version does not have. A run that was broken off is ended by the next. Synchronous.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from swarm.dataset.entries import signature_of
from swarm.holdings.area import TREE
from swarm.holdings.held import Held
from swarm.holdings.scope import Scope, with_directories
from swarm.holdings.signature import Signatures, is_untouched
from swarm.holdings.survey import Tick, extra_paths, has_right_bytes
from swarm.holdings.tree import Found, Tree
from swarm.protocol.pages import Entry, Kind

UNIT_BYTES = 4096
"""What a name, an inode or the end of a file costs."""

SPARE_SHARE = 16
"""One part in so many of the room is left: others write to the disk too."""


@dataclass(slots=True)
class Look:
    """DEST while it is on its way from one version to the other. `known`: signatures of files that are the new
    version's already. `todo`: numbers of its files that are not. `edited` and `extra`: paths that are neither's."""

    known: Signatures
    todo: list[int]
    edited: list[bytes]
    extra: list[bytes]


@dataclass(slots=True)
class InPlace:
    """`outstanding`: everything that is still to be staged, of which the plan's `staged` is the next part."""

    known: Signatures
    outstanding: Scope


def look(tree: Tree, scope: Scope, old: Held, incoming: Held | None, tick: Tick) -> Look:
    """Files that look as recorded are believed; others are hashed. Raises OSError."""
    looking = _Looking(tree, scope, old, incoming, tick)
    for number, entry in scope.entries():
        tick(0)
        looking.look(number, entry)
    paths = {*scope.paths(), *old.scope.paths()}
    looking.found.extra = extra_paths(tree, paths)
    return looking.found


def choose(scope: Scope, todo: list[int], area: bytes) -> list[int]:
    """The next files, in path order: what fits, and at least one."""
    room = _room(area, scope, todo)
    chosen: list[int] = []
    for number in todo:
        room -= _rounded(scope.version.entries.sizes[number])
        if chosen and room < 0:
            break
        chosen.append(number)
    return chosen


def in_place_bytes(scope: Scope, numbers: list[int]) -> int:
    """The room without which not even one file at a time can be replaced."""
    sizes = scope.version.entries.sizes
    return max((_rounded(sizes[number]) for number in numbers), default=0) + _margins(scope)


def scope_of(scope: Scope, chosen: list[int], *, is_last: bool) -> Scope:
    """These files with the directories above them; in the end all that is no file as well."""
    entries, taken = scope.version.entries, with_directories(scope.version, chosen)
    if is_last:
        for number in scope.taken:
            if entries.kind(number) is not Kind.FILE:
                taken.set(number)
    return Scope(scope.body, taken)


def is_end(scope: Scope, signatures: Signatures) -> bool:
    """Whether every file of the new version is known: the update ends with this step."""
    entries = scope.version.entries
    return all(signatures.is_known(number) for number in scope.taken if entries.kind(number) is Kind.FILE)


class _Looking:
    def __init__(self, tree: Tree, scope: Scope, old: Held, incoming: Held | None, tick: Tick) -> None:
        self._tree = tree
        self._old = old
        self._incoming = incoming
        self._tick = tick
        self.found = Look(Signatures(len(scope.version.entries)), [], [], [])

    def look(self, number: int, entry: Entry) -> None:
        found = self._tree.find(entry.path)
        if found is None:
            if entry.kind is Kind.FILE:
                self.found.todo.append(number)
        elif entry.kind is not Kind.FILE or not stat.S_ISREG(found.status.st_mode):
            self._look_at_other(number, entry, found)
        elif not self._is_known(number, entry, found):
            self._look_closely(number, entry)

    def _look_at_other(self, number: int, entry: Entry, found: Found) -> None:
        """Something that is no file, here or there: of the same kind it is right, or made anew in the end."""
        if entry.kind is Kind.FILE:
            self.found.todo.append(number)
        before = self._old_entry(entry.path)
        kinds = {each.kind for each in (before, entry if entry.kind is not Kind.FILE else None) if each is not None}
        if _kind(found) not in kinds:
            self.found.edited.append(entry.path)

    def _is_known(self, number: int, entry: Entry, found: Found) -> bool:
        """By how it looks alone."""
        incoming = self._incoming
        if incoming is not None and is_untouched(incoming.signatures[number], found.status):
            self.found.known[number] = incoming.signatures[number]
            return True
        place = self._old_place(entry.path)
        if place is None or not is_untouched(self._old.signatures[place], found.status):
            return False
        if self._old.body.version.entries[place].digest == entry.digest:
            self.found.known[number] = self._old.signatures[place]
        else:
            self.found.todo.append(number)
        return True

    def _look_closely(self, number: int, entry: Entry) -> None:
        status = has_right_bytes(self._tree, entry, self._tick)
        if status is not None:
            self.found.known[number] = signature_of(status)
            return
        self.found.todo.append(number)
        before = self._old_entry(entry.path)
        if before is None or before.kind is not Kind.FILE or has_right_bytes(self._tree, before, self._tick) is None:
            self.found.edited.append(entry.path)

    def _old_place(self, path: bytes) -> int | None:
        place = self._old.body.version.entries.find(path)
        return place if place is not None and place in self._old.scope.taken else None

    def _old_entry(self, path: bytes) -> Entry | None:
        place = self._old_place(path)
        return None if place is None else self._old.body.version.entries[place]


def _kind(found: Found) -> Kind | None:
    mode = found.status.st_mode
    if stat.S_ISREG(mode):
        return Kind.FILE
    return Kind.DIRECTORY if stat.S_ISDIR(mode) else Kind.SYMLINK if stat.S_ISLNK(mode) else None


def _room(area: bytes, scope: Scope, todo: list[int]) -> int:
    """Bytes for files: what is free, and what an earlier run has staged of them already."""
    above = area
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    status = os.statvfs(above)
    free = status.f_bavail * status.f_frsize
    tree = Tree(area + b"/" + TREE)
    try:
        here = [tree.find(scope.version.entries.path(number)) for number in todo] if os.path.isdir(tree.root) else []
    finally:
        tree.close()
    free += sum(found.status.st_blocks * 512 for found in here if found is not None)
    return free - free // SPARE_SHARE - _margins(scope)


def _margins(scope: Scope) -> int:
    """Blocks at both ends of what is staged have bytes of files that are not."""
    return 2 * scope.version.root.cutter.maximum + UNIT_BYTES


def _rounded(size: int) -> int:
    return -(-size // UNIT_BYTES) * UNIT_BYTES + UNIT_BYTES
