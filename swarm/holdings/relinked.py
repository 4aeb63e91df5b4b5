"""Files that got or lost a name by our own hand: that changes their ctime, by which touched files are told.

A file may have several names: in DEST and in staging while an update is prepared, in versions that are kept side by
side for as long as they are. Whoever links or unlinks one of them notes how the file looked just before, and in the
end says so here: the holdings that have it by another name then know its new ctime. A file that changed in anything
else is left to be found as touched. What is killed before that costs a hash of these files, and nothing else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from swarm.dataset.entries import Signature, signature_of
from swarm.holdings.record import HoldingKind, HoldingRecord
from swarm.holdings.signature import Signatures
from swarm.holdings.tree import Tree

if TYPE_CHECKING:
    from swarm.holdings.catalog import Catalog


class Relinked:
    """Threads may note at once."""

    def __init__(self) -> None:
        self._before: dict[int, Signature] = {}

    def __bool__(self) -> bool:
        return bool(self._before)

    def note(self, before: os.stat_result) -> None:
        """How a file looked just before it got or lost a name."""
        self._before.setdefault(before.st_ino, signature_of(before))

    def note_unlink(self, before: os.stat_result) -> None:
        """The same, where nothing remains to be told of a file with only one name."""
        if before.st_nlink > 1:
            self.note(before)

    def is_only_relinked(self, known: Signature, now: os.stat_result) -> bool:
        """Whether the file is as it was `known`, but for a ctime that we have changed ourselves."""
        found = signature_of(now)
        same = (found.size, found.mtime_ns, found.inode) == (known.size, known.mtime_ns, known.inode)
        return same and self._before.get(known.inode) == known

    def settle(self, catalog: Catalog) -> None:
        """Tells all holdings of this machine. Raises SwarmError."""
        if not self._before:
            return
        for record in catalog.records():
            if record.kind is not HoldingKind.SOURCE:
                self._settle(catalog, record)
        self._before = {}

    def _settle(self, catalog: Catalog, record: HoldingRecord) -> None:
        data = catalog.index.signatures(record.id)
        known = Signatures.from_bytes(data or b"")
        numbers = [number for number, inode in enumerate(known.inodes()) if inode in self._before]
        body = catalog.body(record.version) if numbers else None
        if body is None:
            return
        tree = Tree(record.top)
        fresh: dict[int, Signature] = {}
        try:
            for number in numbers:
                found = _find(tree, body.version.entries.path(number))
                if found is not None and self.is_only_relinked(known[number], found):
                    fresh[number] = signature_of(found)
        finally:
            tree.close()
        if fresh:
            catalog.renew(record, fresh)


def _find(tree: Tree, path: bytes) -> os.stat_result | None:
    try:
        found = tree.find(path)
    except OSError:
        return None
    return None if found is None else found.status
