"""How much room a fetch still needs, and how much there is."""

from __future__ import annotations

import os
from dataclasses import dataclass

from swarm.errors import NoSpaceError
from swarm.holdings.oserror import shown
from swarm.holdings.scope import Scope
from swarm.holdings.tree import Tree
from swarm.protocol.ids import digest

UNIT_BYTES = 4096
"""What a file system rounds a file up to, and about what a name, an inode or a directory costs."""


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes. `required` is what is still to be written, `free` what an ordinary user may write there now."""

    required: int
    free: int
    directory: str

    def check(self) -> None:
        """Raises NoSpaceError where it cannot fit."""
        missing = self.required - self.free
        if missing > 0:
            raise NoSpaceError(
                f"{self.directory} has {in_units(self.free)} free and {in_units(self.required)} are needed:"
                f" {in_units(missing)} are missing",
                hint="make room and run the same command again: it goes on where it stopped",
            )


def space_for(scope: Scope | None, tree: Tree | None, dest: bytes) -> Space:
    """`tree`: the staged tree, for what is in it already; None where there is none yet."""
    directory = _existing(dest)
    status = os.statvfs(directory)
    required = 0 if scope is None else _required(scope, tree)
    return Space(required, status.f_bavail * status.f_frsize, shown(directory))


def in_units(count: int) -> str:
    """Bytes for people: `1.5 GiB`."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _required(scope: Scope, tree: Tree | None) -> int:
    entries = scope.version.entries
    total = -_bytes_of_zeros(scope) + _bytes_of_margins(scope)
    for first, count in scope.taken.runs():
        for number in range(first, first + count):
            size = entries.sizes[number]
            found = tree.find(entries.path(number)) if tree is not None else None
            here = 0 if found is None else found.status.st_blocks * 512 + UNIT_BYTES
            total += max(0, -(-size // UNIT_BYTES) * UNIT_BYTES + UNIT_BYTES - here)
    return max(0, total)


def _bytes_of_zeros(scope: Scope) -> int:
    """What stays a hole: of the longest block, if it is nothing but zeros and the stream has it several times."""
    version = scope.version
    longest = version.root.cutter.maximum
    if not scope.is_everything or len(version.stream) == version.space.block_count:
        return 0
    index = version.index_of(digest(bytes(longest)))
    return 0 if index is None else max(0, longest - 2 * UNIT_BYTES) * len(version.positions_of(index))


def _bytes_of_margins(scope: Scope) -> int:
    if scope.is_everything:
        return 0
    border = scope.needed - scope.whole
    return sum(scope.version.block_lengths[block] for block in border)


def _existing(path: bytes) -> bytes:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path
