"""Moves a staged tree into DEST entry by entry, where the two cannot be exchanged: each file by one rename.

Only forwards, and from any point: what is no longer in staging is in DEST already. So a run that was broken off is
completed by the next one without a byte from elsewhere. Meanwhile DEST holds files of both versions.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from swarm.dataset.entries import signature_of
from swarm.holdings.clearing import Clearing
from swarm.holdings.finish import apply_metadata, finish_directories
from swarm.holdings.held import Held
from swarm.holdings.scope import Scope
from swarm.holdings.signature import UNKNOWN, Signatures
from swarm.holdings.tree import Tree
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.pages import Kind


class Merging:
    """`scope` is what DEST will hold; `old` what is ours in it now. Raises OSError."""

    def __init__(self, staged: Tree, dest: Tree, scope: Scope, old: Held | None) -> None:
        self._staged = staged
        self._dest = dest
        self._scope = scope
        self._old = old

    def run(self, moved: Bitfield, known: Signatures) -> Signatures:
        """Entries of `moved` come from staging, the others are in DEST as `known` says. What only `old` had goes.
        Returns signatures of the files as they are then in DEST."""
        for entry in self._scope.of_kind(Kind.DIRECTORY):
            self._place_directory(entry.path)
        for number, entry in self._scope.entries():
            if number in moved and entry.kind is not Kind.DIRECTORY:
                self._place(entry.path)
            if number in moved and entry.kind is Kind.FILE:
                # Renaming a file changes its ctime.
                found = self._dest.find(entry.path)
                known[number] = UNKNOWN if found is None else signature_of(found.status)
        if self._old is not None:
            kept = set(self._scope.paths())
            self._remove_old(self._old, lambda path: path not in kept)
        finish_directories(self._dest, self._scope)
        return known

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
        if self._staged.find(path) is None:
            return
        found = self._dest.find(path)
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
        clearing = Clearing(self._dest, old.body.version, old.signatures, _no_tick)
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
