"""Which files of a new version are made of whole files of an old one, and which blocks need not come because of that.

A block reaches over the ends of small files, so where files have only moved, blocks are new of which every byte is
here. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable

from swarm.dataset.layout import Layout
from swarm.protocol.entries import Entries
from swarm.protocol.version import Version

READABLE = 0o400
"""A file without this bit is not taken by another name: it could not be read again by it."""


class WantedFiles:
    """Files that are to be made, by what is in them. Each that is taken goes; each source is to be asked for once."""

    __slots__ = ("_entries", "_numbers")

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._numbers: dict[bytes, list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def add(self, number: int, digest: bytes) -> None:
        """In ascending order."""
        self._numbers.setdefault(digest, []).append(number)

    def find(self, digest: bytes, path: bytes) -> int | None:
        """The file of these bytes at this path, else the first of these bytes."""
        numbers = self._numbers.get(digest)
        return None if numbers is None else numbers[self._place(numbers, path)]

    def take(self, number: int, digest: bytes) -> None:
        """It is not wanted any more."""
        numbers = self._numbers[digest]
        del numbers[bisect_left(numbers, number)]
        if not numbers:
            del self._numbers[digest]

    def _place(self, numbers: list[int], path: bytes) -> int:
        found = self._entries.find(path) if len(numbers) > 1 else None
        place = 0 if found is None else bisect_left(numbers, found)
        return place if place < len(numbers) and numbers[place] == found else 0


def blocks_of_whole_files(old: Version, new: Version, places: Iterable[int]) -> list[int]:
    """Of blocks of `new`'s table, those that lie, in all their places, in files of which `old` has the bytes as a whole
    file. Each file of `old` makes one of `new`, as `holdings.sharing` links them.

    Time is that of all entries; memory that of the files which the blocks reach into.
    """
    layout = Layout(new.entries.sizes)
    files = {place: _files_of(new, layout, place) for place in places}
    whole = _whole_files(old, new, {number for numbers in files.values() for number in numbers})
    return [place for place, numbers in files.items() if numbers <= whole]


def _files_of(version: Version, layout: Layout, place: int) -> set[int]:
    length = version.block_lengths[place]
    offsets = version.stream_offsets(version.space.page_count + place)
    return {piece.number for offset in offsets for piece in layout.pieces(offset, length)}


def _whole_files(old: Version, new: Version, asked: Container[int]) -> set[int]:
    """Files of `new`, among them all of those asked for that `old` has."""
    in_question = {digest for number, digest in new.entries.digests() if number in asked}
    wanted = WantedFiles(new.entries)
    for number, digest in new.entries.digests():
        if digest in in_question and new.entries.sizes[number]:
            wanted.add(number, digest)
    found: set[int] = set()
    for source, digest in old.entries.digests():
        if digest not in in_question or not old.entries[source].mode & READABLE:
            continue
        taken = wanted.find(digest, old.entries.path(source))
        if taken is not None:
            wanted.take(taken, digest)
            found.add(taken)
    return found
