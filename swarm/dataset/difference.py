"""What one version has that another has not: files, blocks and pages. Pure.

Pages that both have say the same on both sides, and no path and no block is listed twice in a version: so only entries
and blocks of the other pages are looked at. After a change of one file that is a page or two, whatever the sizes.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from swarm.dataset.whole_files import blocks_of_whole_files
from swarm.protocol.ids import DIGEST_BYTES, BlockId
from swarm.protocol.manifest import PageRef
from swarm.protocol.pages import Entry, Kind
from swarm.protocol.version import Version

Pair = tuple[int, int]
"""The number of an entry in the old version, and of one in the new."""

_Count = Callable[[PageRef], int]


@dataclass(frozen=True, slots=True)
class Difference:
    """From `old` (None: nothing) to `new`. Files and symlinks are given by entry number, in path order.

    `changed`: same path, other bytes, kind or target. `moved`: a file of the same bytes that has another path and no
    longer the old one. `touched`: only another mode or mtime. Directories are only counted.

    What `old` has not: `blocks` distinct data blocks of `block_bytes`, and of the manifest `pages` of `page_bytes` and
    the root's `root_bytes`. Of these blocks, `rebuilt` of `rebuilt_bytes` lie in files that are whole files of `old`:
    who has it in the directory that is updated need not fetch them. `shared_bytes`: of the new version's distinct
    blocks, what `old` has too.
    """

    old: Version | None
    new: Version
    added: tuple[int, ...]
    removed: tuple[int, ...]
    changed: tuple[Pair, ...]
    moved: tuple[Pair, ...]
    touched: tuple[Pair, ...]
    directories_added: int
    directories_removed: int
    blocks: int
    block_bytes: int
    rebuilt: int
    rebuilt_bytes: int
    pages: int
    page_bytes: int
    root_bytes: int
    shared_bytes: int

    @property
    def manifest_bytes(self) -> int:
        return self.page_bytes + self.root_bytes

    @property
    def moving(self) -> int:
        """Blocks that would move to who has `old` and updates it."""
        return self.blocks - self.rebuilt

    @property
    def moving_bytes(self) -> int:
        return self.block_bytes - self.rebuilt_bytes

    @property
    def share(self) -> float:
        """Of the new version's distinct bytes, how much would move: 0 to 1."""
        whole = self.block_bytes + self.shared_bytes
        return self.moving_bytes / whole if whole else 0.0


def compare(old: Version | None, new: Version) -> Difference:
    """Memory is that of what differs: some 100 bytes a block and 150 a file of pages that are not in both."""
    entries = _Entries()
    if old is None or old.id != new.id:
        entries.join(old, new)
    places = new_blocks(new, () if old is None else (old,))
    lengths = new.block_lengths
    block_bytes = sum(map(lengths.__getitem__, places))
    rebuilt = [] if old is None or not places else blocks_of_whole_files(old, new, places)
    pages = new_pages(new, () if old is None else (old,))
    return Difference(
        old=old,
        new=new,
        added=tuple(entries.added),
        removed=tuple(entries.removed),
        changed=tuple(entries.changed),
        moved=tuple(entries.moved),
        touched=tuple(entries.touched),
        directories_added=entries.directories_added,
        directories_removed=entries.directories_removed,
        blocks=len(places),
        block_bytes=block_bytes,
        rebuilt=len(rebuilt),
        rebuilt_bytes=sum(map(lengths.__getitem__, rebuilt)),
        pages=len(pages),
        page_bytes=sum(ref.length for ref in pages),
        root_bytes=0 if old is not None and old.id == new.id else len(new.root_bytes),
        shared_bytes=new.root.totals.block_bytes - block_bytes,
    )


def new_blocks(new: Version, olds: Iterable[Version]) -> array[int]:
    """Places in the block table of the blocks that none of `olds` has, ascending."""
    known_pages: set[BlockId] = set()
    own_pages = {ref.id for ref in new.root.blocks}
    known: set[bytes] = set()
    for old in olds:
        packed = old.block_ids.packed
        for places in _ranges(old.root.blocks, own_pages, _new_blocks_of):
            known.update(_digests(packed, places))
        known_pages.update(ref.id for ref in old.root.blocks)
    found = array("I")
    packed = new.block_ids.packed
    for places in _ranges(new.root.blocks, known_pages, _new_blocks_of):
        digests = zip(places, _digests(packed, places), strict=True)
        found.extend([place for place, digest in digests if digest not in known])
    return found


def new_pages(new: Version, olds: Iterable[Version]) -> list[PageRef]:
    """The pages that none of `olds` has, each once, in index order."""
    known = {ref.id for old in olds for ref in old.space.page_refs}
    return list({ref.id: ref for ref in new.space.page_refs if ref.id not in known}.values())


class _Entries:
    """Collects what differs among the entries of two versions."""

    def __init__(self) -> None:
        self.added: list[int] = []
        self.removed: list[int] = []
        self.changed: list[Pair] = []
        self.moved: list[Pair] = []
        self.touched: list[Pair] = []
        self.directories_added = 0
        self.directories_removed = 0

    def join(self, old: Version | None, new: Version) -> None:
        for left, right in _pairs(_differing(old, new), _differing(new, old)):
            if left is None and right is not None:
                self._add(*right)
            elif right is None and left is not None:
                self._remove(*left)
            elif left is not None and right is not None:
                self._compare(left, right)
        if old is not None:
            self._find_moves(old, new)

    def _add(self, number: int, entry: Entry) -> None:
        if entry.kind is Kind.DIRECTORY:
            self.directories_added += 1
        else:
            self.added.append(number)

    def _remove(self, number: int, entry: Entry) -> None:
        if entry.kind is Kind.DIRECTORY:
            self.directories_removed += 1
        else:
            self.removed.append(number)

    def _compare(self, left: tuple[int, Entry], right: tuple[int, Entry]) -> None:
        (old_number, old), (number, new) = left, right
        if (old.kind is Kind.DIRECTORY) != (new.kind is Kind.DIRECTORY):
            self._remove(old_number, old)
            self._add(number, new)
        elif new.kind is Kind.DIRECTORY:
            return
        elif (old.kind, old.size, old.digest, old.target) != (new.kind, new.size, new.digest, new.target):
            self.changed.append((old_number, number))
        elif (old.mode, old.mtime_ns) != (new.mode, new.mtime_ns):
            self.touched.append((old_number, number))

    def _find_moves(self, old: Version, new: Version) -> None:
        """Of several files of the same bytes, the first by path is said to have become the first."""
        gone: dict[bytes, deque[int]] = defaultdict(deque)
        for number in self.removed:
            digest = old.entries[number].digest
            if digest is not None and old.entries.sizes[number]:
                gone[digest].append(number)
        for number in self.added if gone else ():
            digest = new.entries[number].digest
            if digest is not None and gone.get(digest):
                self.moved.append((gone[digest].popleft(), number))
        old_moved, new_moved = {pair[0] for pair in self.moved}, {pair[1] for pair in self.moved}
        self.removed = [number for number in self.removed if number not in old_moved]
        self.added = [number for number in self.added if number not in new_moved]


def _differing(version: Version | None, other: Version | None) -> Iterator[tuple[int, Entry]]:
    """(number, entry) of `version`, of tree pages that `other` has not, in path order."""
    if version is None:
        return
    known = set() if other is None else {ref.id for ref in other.root.tree}
    entries = version.entries
    for number in chain.from_iterable(_ranges(version.root.tree, known, _entries_of)):
        yield number, entries[number]


def _pairs(
    old: Iterator[tuple[int, Entry]], new: Iterator[tuple[int, Entry]]
) -> Iterator[tuple[tuple[int, Entry] | None, tuple[int, Entry] | None]]:
    """Both are in path order: what has the same path comes together."""
    left, right = next(old, None), next(new, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[1].path < right[1].path):
            yield left, None
            left = next(old, None)
        elif left is None or right[1].path < left[1].path:
            yield None, right
            right = next(new, None)
        else:
            yield left, right
            left, right = next(old, None), next(new, None)


def _ranges(pages: Sequence[PageRef], known: set[BlockId], count_of: _Count) -> Iterator[range]:
    """Which numbers belong to pages that are not known."""
    start = 0
    for ref in pages:
        end = start + count_of(ref)
        if ref.id not in known:
            yield range(start, end)
        start = end


def _entries_of(ref: PageRef) -> int:
    return ref.entries


def _new_blocks_of(ref: PageRef) -> int:
    return ref.new_blocks


def _digests(packed: bytes, places: range) -> Iterator[bytes]:
    return (packed[place : place + DIGEST_BYTES] for place in _bytes_of(places))


def _bytes_of(places: range) -> range:
    return range(places.start * DIGEST_BYTES, places.stop * DIGEST_BYTES, DIGEST_BYTES)
