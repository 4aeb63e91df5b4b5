"""What an earlier run left in a staging area: which of its blocks still count.

Within one run of the kernel, for the same choice of files: those that the journal names, as far as their files are
there. Otherwise (after a reboot or a power cut, with other options) all that is there is hashed again; what is not
right is cleared, so that nothing unverified lies among the files.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarm.holdings import journal as journals
from swarm.holdings.area import LOCK, Area, remove_below
from swarm.holdings.clearing import open_directories
from swarm.holdings.journal import Journal
from swarm.holdings.relinked import Relinked
from swarm.holdings.scope import Scope
from swarm.holdings.staged import StagedFiles
from swarm.holdings.survey import Tick
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.pages import Kind


@dataclass(slots=True)
class Resumed:
    """`verified`: blocks that need not come again. `received`: blocks that an earlier run had, by its journal.
    `unlinked`: those that it names and that are not whole until files are linked again; else they are taken back."""

    journal: Journal
    verified: Bitfield
    received: Bitfield
    unlinked: Bitfield


def resume(area: Area, files: StagedFiles, scope: Scope, tick: Tick) -> Resumed:
    """Leaves the area ready for writing. Raises OSError."""
    blocks = scope.body.block_count
    wanted = journals.header_for(scope.version.id, scope.key)
    found = journals.read(area.files, blocks)
    if found is not None and found[0].version != scope.version.id:
        # Another version whose digest begins alike.
        _empty(area)
    if files.make():
        return Resumed(journals.create(area.files, wanted, []), Bitfield(blocks), Bitfield(blocks), Bitfield(blocks))
    # A commit that was broken off may have given directories the modes that they will have.
    open_directories(files.tree, scope)
    unlinked = _remove_linked(files, scope, area.relinked)
    header, positions = found or (None, [])
    received = _bits(positions, blocks) & scope.needed
    if header == wanted:
        return _trusted(journals.reopen(area.files), files, scope, received, unlinked)
    if header is None or header.scope != scope.key:
        _remove_others(files, scope, area.relinked)
    verified = _verify(files, scope, tick)
    return Resumed(journals.create(area.files, wanted, list(verified)), verified, received, Bitfield(blocks))


def _trusted(journal: Journal, files: StagedFiles, scope: Scope, received: Bitfield, unlinked: Bitfield) -> Resumed:
    verified = received.copy()
    for block in _damaged(files, scope) & verified:
        verified.clear(block)
        if block not in unlinked:
            journal.take_back(block)
    return Resumed(journal, verified, received, unlinked & received)


def _verify(files: StagedFiles, scope: Scope, tick: Tick) -> Bitfield:
    verified = Bitfield(scope.body.block_count)
    for block in scope.needed:
        tick(scope.version.block_lengths[block])
        if files.is_begun(block) and files.settle(block):
            verified.set(block)
    return verified


def _damaged(files: StagedFiles, scope: Scope) -> Bitfield:
    """Blocks of files that are not there at their full length: somebody tidied up, or they were never begun."""
    found = Bitfield(scope.body.block_count)
    for number, entry in scope.entries():
        if entry.kind is not Kind.FILE or not entry.size:
            continue
        status = files.tree.find(entry.path)
        if status is None or status.status.st_size != entry.size:
            start = scope.body.layout.start(number)
            for block in scope.body.overlapping(start, start + entry.size):
                found.set(block)
    return found


def _remove_linked(files: StagedFiles, scope: Scope, relinked: Relinked) -> Bitfield:
    """Files that another tree has too: those are never written to, so that they are linked anew or made anew. Returns
    the blocks that have bytes of them."""
    blocks = Bitfield(scope.body.block_count)
    for number, entry in scope.entries():
        if entry.kind is not Kind.FILE:
            continue
        found = files.tree.find(entry.path)
        if found is not None and not found.is_directory and found.status.st_nlink > 1:
            relinked.note(found.status)
            files.tree.unlink(entry.path)
            start = scope.body.layout.start(number)
            for block in scope.body.overlapping(start, start + entry.size):
                blocks.set(block)
    return blocks


def _remove_others(files: StagedFiles, scope: Scope, relinked: Relinked) -> None:
    """Files that another choice had staged."""
    paths = set(scope.paths())
    for found in list(files.tree.walk()):
        if found.path not in paths and files.tree.find(found.path) is not None:
            if found.is_directory:
                remove_below(files.tree, relinked, found.path)
                files.tree.rmdir(found.path)
            else:
                relinked.note_unlink(found.status)
                files.tree.unlink(found.path)


def _empty(area: Area) -> None:
    """Leaves nothing but the lock."""
    for name in area.files.names():
        if name == LOCK:
            continue
        found = area.files.find(name)
        if found is not None and found.is_directory:
            remove_below(area.files, area.relinked, name)
            area.files.rmdir(name)
        elif found is not None:
            area.files.unlink(name)


def _bits(positions: list[int], size: int) -> Bitfield:
    found = Bitfield(size)
    for position in positions:
        found.set(position)
    return found
