"""A directory held against a version: which entries are as they should be, edited, missing; what is there besides.

Read without locks while others may write: what changes during the survey may be seen before or after. Synchronous.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from blake3 import blake3

from swarm.dataset.entries import signature_of
from swarm.holdings.place import INSIDE
from swarm.holdings.scope import Scope
from swarm.holdings.signature import Signatures, is_untouched
from swarm.holdings.tree import Found, Tree
from swarm.protocol.pages import Entry, Kind

CHUNK_BYTES = 1 << 20
"""Read and hashed at a time: large enough for BLAKE3's widest path, small enough for a cache."""

Tick = Callable[[int], None]
"""Called from the thread with bytes just dealt with (0: an entry without). May raise, to cancel."""


class State(IntEnum):
    """ABSENT: not of the scope. TOUCHED: another stat than was recorded, and the right bytes. UNREADABLE: we may not
    look (an ordinary user and mode 0, say); neither right nor known to be wrong."""

    ABSENT = 0
    INTACT = 1
    TOUCHED = 2
    EDITED = 3
    MISSING = 4
    UNREADABLE = 5


@dataclass(slots=True)
class Survey:
    """`states`: a `State` per entry. `signatures`: those of files that are right, taken now. `modes`: numbers of
    entries that have other permissions. `extra`: paths that no entry of the scope has, directories with a `/` at the
    end and without what is in them."""

    scope: Scope
    states: bytearray
    signatures: Signatures
    modes: list[int] = field(default_factory=list)
    extra: list[bytes] = field(default_factory=list)

    def paths(self, *states: State) -> list[bytes]:
        """Of the entries in one of these states, in path order."""
        entries = self.scope.version.entries
        return [entries[number].path for number, state in enumerate(self.states) if state in states]

    def numbers(self, *states: State) -> list[int]:
        """As `paths`, the entries' numbers."""
        return [number for number, state in enumerate(self.states) if state in states]

    def count(self, *states: State) -> int:
        return sum(self.states.count(state) for state in states)


def survey(tree: Tree, scope: Scope, known: Signatures, *, deep: bool, tick: Tick) -> Survey:
    """Looks at every entry of the scope. Files that still have the signature in `known` are taken as right unless
    `deep`; all others are read and hashed. Raises OSError where the directory itself cannot be read."""
    surveying = _Surveying(tree, scope, known, deep=deep, tick=tick)
    for number, entry in scope.entries():
        surveying.look(number, entry)
    surveying.found.extra = extras(tree, scope)
    return surveying.found


def extras(tree: Tree, scope: Scope) -> list[bytes]:
    """Paths in a directory that are no entries of the scope. Of an extra directory only itself."""
    return extra_paths(tree, set(scope.paths()))


def extra_paths(tree: Tree, paths: set[bytes]) -> list[bytes]:
    """The same, of what is none of `paths`."""
    return sorted(_extras_below(tree, b"", paths))


def has_right_bytes(tree: Tree, entry: Entry, tick: Tick) -> os.stat_result | None:
    """Reads a file and compares its hash with the version's. Returns its stat where it is right and held still
    meanwhile. Raises PermissionError."""
    try:
        descriptor = tree.open(entry.path, os.O_RDONLY)
    except PermissionError:
        raise
    except OSError:
        return None
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode) or before.st_size != entry.size:
            return None
        found = _hash(descriptor, before.st_size, tick)
        after = os.fstat(descriptor)
        is_same = found == entry.digest and signature_of(before) == signature_of(after)
        return after if is_same else None
    finally:
        os.close(descriptor)


class _Surveying:
    """One survey."""

    def __init__(self, tree: Tree, scope: Scope, known: Signatures, *, deep: bool, tick: Tick) -> None:
        count = len(scope.version.entries)
        self._tree = tree
        self._known = known
        self._deep = deep
        self._tick = tick
        self.found = Survey(scope, bytearray(count), Signatures(count))

    def look(self, number: int, entry: Entry) -> None:
        self._tick(0)
        found = None
        try:
            found = self._tree.find(entry.path)
            state = State.MISSING if found is None else self._state(number, entry, found)
        except PermissionError:
            state = State.UNREADABLE
        self.found.states[number] = state
        has_mode = state in {State.INTACT, State.TOUCHED} and entry.kind is not Kind.SYMLINK
        if found is not None and has_mode and stat.S_IMODE(found.status.st_mode) & 0o777 != entry.mode & 0o777:
            self.found.modes.append(number)

    def _state(self, number: int, entry: Entry, found: Found) -> State:
        if entry.kind is Kind.DIRECTORY:
            return State.INTACT if found.is_directory else State.EDITED
        if entry.kind is Kind.SYMLINK:
            is_link = stat.S_ISLNK(found.status.st_mode)
            return State.INTACT if is_link and self._tree.read_link(entry.path) == entry.target else State.EDITED
        looks_same = self._known.is_known(number) and is_untouched(self._known[number], found.status)
        if looks_same and not self._deep:
            self.found.signatures[number] = self._known[number]
            self._tick(entry.size)
            return State.INTACT
        status = has_right_bytes(self._tree, entry, self._tick)
        if status is None:
            return State.EDITED
        self.found.signatures[number] = signature_of(status)
        return State.INTACT if looks_same else State.TOUCHED


def _extras_below(tree: Tree, directory: bytes, paths: set[bytes]) -> list[bytes]:
    found: list[bytes] = []
    try:
        listing = tree.listing(directory)
    except (FileNotFoundError, PermissionError):
        return found
    for name, is_directory in listing:
        path = directory + b"/" + name if directory else name
        if path == INSIDE:
            continue
        if path not in paths:
            found.append(path + b"/" if is_directory else path)
        elif is_directory:
            found += _extras_below(tree, path, paths)
    return found


def _hash(descriptor: int, size: int, tick: Tick) -> bytes:
    hasher = blake3()
    buffer = bytearray(min(size, CHUNK_BYTES) + 1)
    view, offset = memoryview(buffer), 0
    while count := os.preadv(descriptor, [view], offset):
        hasher.update(view[:count])
        offset += count
        tick(count)
    return hasher.digest()
