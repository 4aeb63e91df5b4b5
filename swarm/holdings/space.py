"""How much room a fetch still needs, and how much there is."""

from __future__ import annotations

import os
from dataclasses import dataclass

from swarm.errors import NoSpaceError
from swarm.holdings.oserror import shown
from swarm.holdings.scope import Scope
from swarm.holdings.sharing import Shares
from swarm.holdings.tree import Tree, split
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import digest

UNIT_BYTES = 4096
"""What a file system rounds a file up to, and about what a name, an inode or a directory costs."""


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes. `required` is what is still to be written, `free` what an ordinary user may write there now.
    `in_place` is what the same update needs file by file; None where it is nothing of the kind."""

    required: int
    free: int
    directory: str
    in_place: int | None = None

    def check(self) -> None:
        """Raises NoSpaceError where it cannot fit."""
        missing = self.required - self.free
        if missing > 0:
            raise NoSpaceError(
                f"{self.directory} has {in_units(self.free)} free and {in_units(self.required)} are needed:"
                f" {in_units(missing)} are missing",
                hint="make room and run the same command again: it goes on where it stopped" + self._other_way(),
            )

    def _other_way(self) -> str:
        if self.in_place is None or self.in_place >= self.required:
            return ""
        return f"; or --in-place, which needs {in_units(self.in_place)} and is not atomic"


def space_for(scope: Scope | None, tree: Tree | None, dest: bytes, shares: Shares | None = None) -> Space:
    """`tree`: the staged tree, for what is in it already; None where there is none yet. `shares`: what will be linked
    or cloned, and takes no more than a name."""
    directory = _existing(dest)
    status = os.statvfs(directory)
    required = 0 if scope is None else _required(scope, tree, shares)
    return Space(required, status.f_bavail * status.f_frsize, shown(directory))


def in_units(count: int) -> str:
    """Bytes for people: `1.5 GiB`."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _required(scope: Scope, tree: Tree | None, shares: Shares | None) -> int:
    sizes = scope.version.entries.sizes
    whole = shares.whole if shares is not None else Bitfield(len(sizes))
    written = scope.taken - whole
    units = sum(-(-size // UNIT_BYTES) for first, count in written.runs() for size in sizes[first : first + count])
    total = UNIT_BYTES * (units + scope.taken.count) - _bytes_of_zeros(scope) + _bytes_of_margins(scope)
    total -= shares.base_bytes if shares is not None else 0
    return max(0, total - (_bytes_here(scope, tree, whole) if tree is not None else 0))


def _bytes_here(scope: Scope, tree: Tree, whole: Bitfield) -> int:
    """Of what is counted for each entry, what it has in the tree already."""
    entries, total = scope.version.entries, 0
    # Most often nothing is there yet, and a million looks for it take ten seconds.
    directories = {b"": bool(tree.names())}
    for number in scope.taken if directories[b""] else ():
        path = entries.path(number)
        if _is_there(tree, split(path)[0], directories) and (found := tree.find(path)) is not None:
            size = 0 if number in whole else entries.sizes[number]
            needed = -(-size // UNIT_BYTES) * UNIT_BYTES + UNIT_BYTES
            total += min(needed, found.status.st_blocks * 512 + UNIT_BYTES)
    return total


def _is_there(tree: Tree, directory: bytes, known: dict[bytes, bool]) -> bool:
    if directory not in known:
        known[directory] = _is_there(tree, split(directory)[0], known) and tree.find(directory) is not None
    return known[directory]


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
