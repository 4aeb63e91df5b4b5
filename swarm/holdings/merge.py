"""Moves a staged tree into DEST entry by entry, where the two cannot be exchanged: each file by one rename.

Only forwards, and from any point: what is no longer in staging is in DEST already. So a run that was broken off is
completed by the next one without a byte from elsewhere. Meanwhile DEST holds files of both versions.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from swarm.dataset.entries import Signature, signature_of
from swarm.holdings.clearing import Clearing
from swarm.holdings.finish import apply_metadata, finish_directories, give_metadata, looks_alike, settle_files
from swarm.holdings.held import Held
from swarm.holdings.relinked import Relinked
from swarm.holdings.scope import Scope
from swarm.holdings.signature import UNKNOWN, Signatures, is_untouched
from swarm.holdings.tree import Tree
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.pages import Entry, Kind


class Merging:
    """`scope` is what DEST will hold; `old` what is ours in it now. Raises OSError."""

    def __init__(self, staged: Tree, dest: Tree, scope: Scope, old: Held | None, relinked: Relinked) -> None:
        self._staged = staged
        self._dest = dest
        self._scope = scope
        self._old = old
        self._relinked = relinked

    def run(self, moved: Bitfield, known: Signatures, *, is_in_place: bool = False, is_end: bool = True) -> Signatures:
        """Entries of `moved` come from staging, the others are in DEST as `known` says. What only `old` had goes.
        Returns signatures of the files as they are then in DEST. `is_in_place`: the others may still have modes and
        times of `old`. Without `is_end` there is more to come, and nothing goes yet."""
        for entry in self._scope.of_kind(Kind.DIRECTORY):
            self._place_directory(entry.path)
        for number, entry in self._scope.entries():
            if number in moved and entry.kind is not Kind.DIRECTORY:
                self._place(entry.path)
            if number in moved and entry.kind is Kind.FILE:
                # Renaming a file changes its ctime.
                known[number] = self._signature(entry)
            elif is_in_place and is_end and entry.kind is Kind.FILE and number not in moved:
                self._refresh(number, entry, known)
        if not is_end:
            return known
        if self._old is not None:
            kept = set(self._scope.paths())
            self._remove_old(self._old, lambda path: path not in kept)
        settle_files(self._dest, self._scope, known, self._relinked)
        finish_directories(self._dest, self._scope)
        return known

    def _signature(self, entry: Entry) -> Signature:
        found = self._dest.find(entry.path)
        if found is None or found.is_directory:
            return UNKNOWN
        if give_metadata(self._dest, entry, found.status):
            found = self._dest.stat(entry.path)
        return signature_of(found.status)

    def _refresh(self, number: int, entry: Entry, known: Signatures) -> None:
        """Mode and time of a file that stays. One that got its mode from who then died is hashed at the next look."""
        found = self._dest.find(entry.path)
        if found is None or not looks_alike(found.status, known[number]):
            return
        is_known = is_untouched(known[number], found.status)
        signature = self._signature(entry)
        known[number] = signature if is_known else UNKNOWN

    def _place_directory(self, path: bytes) -> None:
        found = self._dest.find(path)
        if found is not None and not found.is_directory:
            self._dest.unlink(path)
            found = None
        if found is None:
            self._dest.make_directories(path)
        elif stat.S_IMODE(found.status.st_mode) & 0o700 != 0o700:
            self._dest.set_mode(path, 0o700)

    def _place(self, path: bytes) -> None:
        staged = self._staged.find(path)
        if staged is None:
            return
        found = self._dest.find(path)
        if found is not None and os.path.samestat(staged.status, found.status):
            # The same file by two names: a rename would do nothing at all.
            self._relinked.note(staged.status)
            self._staged.unlink(path)
            return
        if found is not None and found.is_directory:
            self._make_way(path)
        self._staged.move(path, self._dest, path)

    def _make_way(self, path: bytes) -> None:
        """A directory of the old version is where the new one has a file. What a user may have put there just now
        stays, under another name."""
        if self._old is not None:
            self._remove_old(self._old, lambda each: each.startswith(path + b"/"))
        try:
            self._dest.rmdir(path)
        except OSError:
            self._dest.move(path, self._dest, path + b".kept-" + os.urandom(4).hex().encode())

    def _remove_old(self, old: Held, is_meant: Callable[[bytes], bool]) -> None:
        clearing = Clearing(self._dest, old.body.version, old.signatures, _no_tick, self._relinked)
        for number in reversed(list(old.scope.taken)):
            if is_meant(old.body.version.entries.path(number)):
                clearing.remove(number)


def refresh_metadata(dest: Tree, scope: Scope, numbers: list[int], known: Signatures) -> None:
    """Modes and times of files that are right but for these. Raises OSError."""
    entries = scope.version.entries
    for number in numbers:
        entry = entries[number]
        if entry.kind is not Kind.FILE or not known.is_known(number):
            continue
        try:
            descriptor = dest.open(entry.path, os.O_RDONLY)
        except PermissionError:
            dest.set_mode(entry.path, 0o600)
            descriptor = dest.open(entry.path, os.O_RDONLY)
        try:
            known[number] = signature_of(apply_metadata(descriptor, entry))
        finally:
            os.close(descriptor)


def _no_tick(_bytes: int) -> None:
    pass
