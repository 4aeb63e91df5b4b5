"""The content hash: what a version holds, without its times and without how it was cut.

Two versions of equal content are the same to a consumer, so `seed` makes no new one. It is a hash of the hashes of five
columns over all entries in path order, which does not depend on where pages end.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import Final

from blake3 import blake3

from swarm.protocol.columns import pack_strings
from swarm.protocol.ids import digest
from swarm.protocol.pages import SYMLINK_MODE, Entry, Kind, TreePage

CONTENT_CONTEXT: Final = b"swarm/content/1\0"


class ContentHasher:
    """Takes entries or whole pages in path order."""

    def __init__(self) -> None:
        self._paths, self._kinds, self._modes, self._digests, self._targets = (blake3() for _ in range(5))

    def add_page(self, page: TreePage) -> None:
        """All entries of a page at once."""
        self._paths.update(pack_strings(page.paths))
        self._kinds.update(bytes(page.kinds.tolist()))
        modes = array("H", page.modes.tolist())
        if sys.byteorder == "little":
            modes.byteswap()
        self._modes.update(modes.tobytes())
        self._digests.update(page.digests)
        self._targets.update(pack_strings(page.targets))

    def add(self, entry: Entry) -> None:
        """One entry."""
        is_link = entry.kind == Kind.SYMLINK
        self._paths.update(entry.path + b"\0")
        self._kinds.update(bytes((entry.kind,)))
        self._modes.update((SYMLINK_MODE if is_link else entry.mode).to_bytes(2, "big"))
        if entry.kind == Kind.FILE:
            self._digests.update(entry.digest or b"")
        elif is_link:
            self._targets.update((entry.target or b"") + b"\0")

    def digest(self) -> bytes:
        """32 bytes."""
        columns = (self._paths, self._kinds, self._modes, self._digests, self._targets)
        return digest(CONTENT_CONTEXT + b"".join([column.digest() for column in columns]))


def content_of(entries: Iterable[Entry]) -> bytes:
    """The content hash of entries in path order: 32 bytes."""
    hasher = ContentHasher()
    for entry in entries:
        hasher.add(entry)
    return hasher.digest()
