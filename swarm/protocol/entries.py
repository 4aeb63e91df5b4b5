"""A version's entries in memory: columns, not objects, so that a million files take about 100 MB.

It reads like a sequence of `Entry` in path order and makes each when it is asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, compress
from operator import itemgetter, methodcaller
from typing import overload

from swarm.errors import UnsafeManifestError
from swarm.protocol.ids import DIGEST_BYTES
from swarm.protocol.pages import Entry, Kind, TreePage

_KINDS = tuple(Kind)
_IS_FILE, _IS_DIRECTORY, _IS_SYMLINK = (bytes(number == kind for number in range(256)) for kind in Kind)
"""To turn a column of kinds into one of 0 and 1 without a look at each."""

_SPLIT, _ABOVE = methodcaller("rpartition", b"/"), itemgetter(0)


class Entries(Sequence[Entry]):
    """Append whole pages in order; each is checked against what came before it."""

    def __init__(self) -> None:
        self._paths: bytes | bytearray = bytearray()
        self._path_ends: array[int] = array("Q", [0])
        self._kinds = bytearray()
        self._modes: array[int] = array("H")
        self.sizes: array[int] = array("Q")
        """Bytes of each entry; 0 for what is no file."""
        self.offsets: array[int] = array("Q", [0])
        """Where each entry begins in the stream; one more at the end, the stream's length."""
        self._mtimes: array[int] = array("q")
        self._digests: bytes | bytearray = bytearray()
        self._file_numbers: array[int] = array("I")
        """By entry: how many files come before it."""
        self._targets: dict[int, bytes] = {}
        self._directories: set[bytes] = {b""}
        self._last_path = b""

    def append_page(self, page: TreePage) -> None:
        """Raises UnsafeManifestError: out of order, an entry below a non-directory, times on some pages only."""
        if self._kinds and page.paths[0] <= self._last_path:
            raise UnsafeManifestError(f"tree pages that are not in order at {page.paths[0][:80]!r}")
        kinds = bytes(page.kinds.tolist())
        self._check_parents(page.paths, kinds)
        if self._kinds and (page.mtimes is None) != (not self._mtimes):
            raise UnsafeManifestError("times on some entries and not on others")
        self._append_paths(page.paths)
        self._append_kinds(kinds, page.targets)
        self._modes.extend(page.modes.tolist())
        self.sizes.extend(page.sizes.tolist())
        start = self.offsets.pop()
        self.offsets.extend(accumulate(page.sizes, initial=start))
        self._mtimes.extend(page.mtimes or ())
        self._digests += page.digests
        self._last_path = page.paths[-1]

    def end(self) -> None:
        """No page follows: what only checks needed is forgotten."""
        self._directories = {b""}
        # A slice of these is a path, of the others a copy of one.
        self._paths, self._digests = bytes(self._paths), bytes(self._digests)

    def _check_parents(self, paths: list[bytes], kinds: bytes) -> None:
        # The directories of this page first: a parent sorts before what it holds, so the order needs no second look.
        self._directories.update(compress(paths, kinds.translate(_IS_DIRECTORY)))
        parents: set[bytes] = set(map(_ABOVE, map(_SPLIT, paths)))
        if not parents <= self._directories:
            stray = min(parents - self._directories)
            raise UnsafeManifestError(f"an entry below {stray[:80]!r}, which is no directory of the version")

    def _append_paths(self, paths: list[bytes]) -> None:
        start = self._path_ends.pop()
        self._path_ends.extend(accumulate(map(len, paths), initial=start))
        self._paths += b"".join(paths)

    def _append_kinds(self, kinds: bytes, targets: list[bytes]) -> None:
        first, files = len(self._kinds), len(self._digests) // DIGEST_BYTES
        numbers = array("I", accumulate(kinds.translate(_IS_FILE), initial=files))
        numbers.pop()
        self._file_numbers.extend(numbers)
        self._kinds += kinds
        if targets:
            links = compress(range(first, first + len(kinds)), kinds.translate(_IS_SYMLINK))
            self._targets.update(zip(links, targets, strict=True))

    def path(self, number: int) -> bytes:
        """The path of an entry."""
        return bytes(self._paths[self._path_ends[number] : self._path_ends[number + 1]])

    def kind(self, number: int) -> Kind:
        """The kind of an entry."""
        return _KINDS[self._kinds[number]]

    def digests(self) -> Iterator[tuple[int, bytes]]:
        """(number, digest) of each file, in path order, without an `Entry` for each."""
        numbers = compress(range(len(self)), self._kinds.translate(_IS_FILE))
        packed = self._digests
        starts = range(0, len(packed), DIGEST_BYTES)
        return zip(numbers, (bytes(packed[start : start + DIGEST_BYTES]) for start in starts), strict=True)

    def count(self, kind: object) -> int:
        """How many entries are of a kind."""
        return self._kinds.count(kind) if isinstance(kind, Kind) else super().count(kind)

    def find(self, path: bytes) -> int | None:
        """The number of the entry of exactly this path."""
        number = self.place(path)
        return number if number < len(self) and self.path(number) == path else None

    def place(self, path: bytes) -> int:
        """The number of the first entry whose path is not less than `path`."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.path(middle) < path:
                low = middle + 1
            else:
                high = middle
        return low

    def _digest(self, file_number: int) -> bytes:
        start = DIGEST_BYTES * file_number
        return bytes(self._digests[start : start + DIGEST_BYTES])

    def _entry(self, number: int) -> Entry:
        kind = _KINDS[self._kinds[number]]
        return Entry(
            self.path(number),
            kind,
            self._modes[number],
            self._mtimes[number] if self._mtimes else None,
            self.sizes[number],
            self._digest(self._file_numbers[number]) if kind == Kind.FILE else None,
            self._targets.get(number),
        )

    def __len__(self) -> int:
        return len(self._kinds)

    @overload
    def __getitem__(self, number: int) -> Entry: ...
    @overload
    def __getitem__(self, number: slice) -> list[Entry]: ...
    def __getitem__(self, number: int | slice) -> Entry | list[Entry]:
        if isinstance(number, slice):
            return [self._entry(each) for each in range(*number.indices(len(self)))]
        place = number + len(self) if number < 0 else number
        if not 0 <= place < len(self):
            raise IndexError(number)
        return self._entry(place)

    def __iter__(self) -> Iterator[Entry]:
        return map(self._entry, range(len(self)))
