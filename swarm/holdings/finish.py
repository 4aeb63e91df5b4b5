"""Makes a staged tree what its version says: empty files and directories, modes, times, links last. Synchronous.

Can be broken off anywhere and begun again: each step looks at what is there. Files are opened before they get their
modes, and directories get theirs deepest first, so that a mode that forbids us to look never stands in the way.
"""

from __future__ import annotations

import os
import stat

from swarm.dataset.entries import Signature, signature_of
from swarm.errors import InternalError, UsageError
from swarm.holdings.oserror import shown
from swarm.holdings.relinked import Relinked
from swarm.holdings.scope import Scope
from swarm.holdings.signature import Signatures
from swarm.holdings.survey import Tick
from swarm.holdings.tree import Tree
from swarm.protocol.pages import Entry, Kind


def finish_files(tree: Tree, scope: Scope, linked: Signatures, tick: Tick) -> Signatures:
    """Everything but the directories' modes and times. Returns the files' signatures. Raises OSError.

    `linked` has those of files that another tree has too: their modes and times are set when it is gone."""
    signatures = Signatures(len(scope.version.entries))
    for number, entry in scope.entries():
        tick(0)
        if entry.kind is Kind.DIRECTORY:
            make_directory(tree, entry)
        elif entry.kind is Kind.FILE:
            is_linked = linked.is_known(number)
            signatures[number] = linked[number] if is_linked else signature_of(_finish_file(tree, entry))
    for entry in scope.of_kind(Kind.SYMLINK):
        _make_link(tree, entry)
    return signatures


def finish_directories(tree: Tree, scope: Scope) -> None:
    """Modes and times, deepest first: what is done in a directory changes its times. Raises OSError."""
    for entry in reversed(list(scope.of_kind(Kind.DIRECTORY))):
        if entry.mtime_ns is not None:
            tree.set_mtime(entry.path, entry.mtime_ns)
        tree.set_mode(entry.path, entry.mode & 0o777)


def make_directory(tree: Tree, entry: Entry) -> None:
    """As a directory in which we can work, whatever it will look like in the end."""
    found = tree.find(entry.path)
    if found is None:
        tree.make_directories(entry.path)
    elif not found.is_directory:
        raise InternalError(f"{shown(entry.path)} should be a directory in staging")
    elif stat.S_IMODE(found.status.st_mode) & 0o700 != 0o700:
        tree.set_mode(entry.path, 0o700)


def apply_metadata(descriptor: int, entry: Entry) -> os.stat_result:
    """Mode and time of an open file; returns its stat after that."""
    os.fchmod(descriptor, entry.mode & 0o777)
    if entry.mtime_ns is not None:
        os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
    return os.fstat(descriptor)


def _finish_file(tree: Tree, entry: Entry) -> os.stat_result:
    try:
        descriptor = tree.create(entry.path, os.O_RDWR) if entry.size == 0 else tree.open(entry.path, os.O_RDWR)
    except PermissionError:
        tree.set_mode(entry.path, 0o600)
        descriptor = tree.open(entry.path, os.O_RDWR)
    try:
        status = apply_metadata(descriptor, entry)
        if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size or status.st_nlink != 1:
            raise InternalError(f"{shown(entry.path)} is not in staging as it was written")
        return status
    finally:
        os.close(descriptor)


def settle_files(
    tree: Tree, scope: Scope, signatures: Signatures, relinked: Relinked, *, is_recovery: bool = False
) -> bool:
    """What linked files could not be given as long as the old tree had them too: modes and times; and the signatures
    that they have since it has gone. Returns whether anything was set. Raises OSError.

    `is_recovery`: whoever took the old tree away has died, and what he noted with him. Files are then only given their
    modes and times, and those without a note are hashed when they are looked at next."""
    is_changed = False
    for number, entry in scope.entries():
        if entry.kind is not Kind.FILE or not (is_recovery or (relinked and signatures.is_known(number))):
            continue
        found = tree.find(entry.path)
        if found is None or found.is_directory:
            continue
        known, status = signatures[number], found.status
        if is_recovery and signature_of(status) != known and looks_alike(status, known):
            is_changed |= give_metadata(tree, entry, status)
        elif relinked.is_only_relinked(known, status):
            is_changed |= give_metadata(tree, entry, status)
            signatures[number] = signature_of(tree.stat(entry.path).status)
    return is_changed


def looks_alike(status: os.stat_result, known: Signature) -> bool:
    """Whether all is as it was `known` but the ctime: whoever set a mode and died leaves a file so."""
    return (status.st_size, status.st_mtime_ns, status.st_ino) == (known.size, known.mtime_ns, known.inode)


def give_metadata(tree: Tree, entry: Entry, status: os.stat_result) -> bool:
    """Mode and time, if they are not right; only of a file that nobody else has by another name. Returns whether
    anything was set. Raises OSError."""
    mode, mtime_ns = entry.mode & 0o777, entry.mtime_ns
    is_right = stat.S_IMODE(status.st_mode) == mode and mtime_ns in {None, status.st_mtime_ns}
    if is_right or status.st_nlink != 1:
        return False
    # The time last: a file that still has the old one is known again as one that is not finished.
    tree.set_mode(entry.path, mode)
    if mtime_ns is not None:
        tree.set_mtime(entry.path, mtime_ns)
    return True


def _make_link(tree: Tree, entry: Entry) -> None:
    target = entry.target or b""
    found = tree.find(entry.path)
    if found is None or not stat.S_ISLNK(found.status.st_mode) or tree.read_link(entry.path) != target:
        try:
            tree.link(entry.path, target)
        except PermissionError as error:
            raise UsageError(
                f"this file system has no symlinks, and {shown(entry.path)} is one",
                hint="fetch to another file system, or leave it out with --exclude",
            ) from error
    if entry.mtime_ns is not None:
        tree.set_mtime(entry.path, entry.mtime_ns)
