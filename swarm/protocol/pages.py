"""Tree pages: what a version's files are called, how they look, and how long they are. Columns, in path order.

A page ends after an entry whose path's BLAKE3 says so, so that a changed file changes one page, and an inserted one
moves no other boundary. The blocks pages are `blocks_pages`.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from operator import ge

from swarm.errors import DecodeError, UnsafeManifestError
from swarm.protocol import bounds as b
from swarm.protocol import cbor
from swarm.protocol.columns import pack_numbers, pack_strings, unpack_digests, unpack_numbers, unpack_strings
from swarm.protocol.fields import Fields
from swarm.protocol.ids import BlockId, digest
from swarm.protocol.manifest import ANY, PageRef
from swarm.protocol.paths import check_paths, check_target

PAGE_ENTRIES_AVERAGE = 2_048
"""About 150 KiB: a changed file costs that much, and 10,000,000 files still fit a root."""

_BOUNDARY_MASK = PAGE_ENTRIES_AVERAGE - 1
_ENTRY_BYTES = 64
"""What an entry takes at most, path and target aside: 8 + 8 + 2 + 1 + 32 and two NULs."""

PAGE_ROOM = b.PAGE_BYTES_MAX - 1_024
"""What the entries of a page may take; the rest is for the keys and heads of the columns."""

SYMLINK_MODE = 0o777


class Kind(IntEnum):
    """What an entry is."""

    FILE = 0
    DIRECTORY = 1
    SYMLINK = 2


_HAS_MODE = bytes(number != Kind.SYMLINK for number in range(256))
_HAS_SIZE = bytes(number == Kind.FILE for number in range(256))
"""By kind: which columns have a value for it."""

_ONES = re.compile(b"\x01+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, directory or symlink. `size` and `digest` (BLAKE3 of the bytes) are a file's, `target` a symlink's.

    `mode` has the permission bits; a symlink's is not kept and reads as 0o777. `mtime_ns` is None where times were
    left out, which holds for all entries of a version or none.
    """

    path: bytes
    kind: Kind
    mode: int
    mtime_ns: int | None = None
    size: int = 0
    digest: bytes | None = None
    target: bytes | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page's bytes and what the root says of it."""

    data: bytes
    ref: PageRef


@dataclass(frozen=True, slots=True)
class TreePage:
    """The columns of a page, each over all its entries but `digests` (files) and `targets` (symlinks)."""

    paths: list[bytes]
    kinds: array[int]
    modes: array[int]
    sizes: array[int]
    digests: bytes
    mtimes: array[int] | None
    targets: list[bytes]


def build_tree_pages(entries: Iterable[Entry]) -> list[Page]:
    """The pages of entries in path order, every parent directory before what is in it. Raises UnsafeManifestError."""
    return [encode_tree_page(group) for group in _groups(entries)]


def _groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    room = PAGE_ROOM
    for entry in entries:
        need = len(entry.path) + len(entry.target or b"") + _ENTRY_BYTES
        if need > room and group:
            yield group
            group, room = [], PAGE_ROOM
        group.append(entry)
        room -= need
        if ends_page(entry.path):
            yield group
            group, room = [], PAGE_ROOM
    if group:
        yield group


def ends_page(path: bytes) -> bool:
    """Whether a page ends after this entry: by its path alone, so that no change of content moves a boundary."""
    hashed = digest(path)
    return not (hashed[0] << 8 | hashed[1]) & _BOUNDARY_MASK


def encode_tree_page(entries: list[Entry]) -> Page:
    """One page of these entries. Raises UnsafeManifestError where a reader would refuse it."""
    files = [entry for entry in entries if entry.kind == Kind.FILE]
    links = [entry for entry in entries if entry.kind == Kind.SYMLINK]
    times = [entry.mtime_ns for entry in entries if entry.mtime_ns is not None]
    if times and len(times) != len(entries):
        raise UnsafeManifestError("times on some entries and not on others")
    columns: dict[int, object] = {
        0: 1,
        1: [],
        2: pack_strings([entry.path for entry in entries]),
        3: pack_numbers([entry.kind for entry in entries]),
        4: pack_numbers([entry.mode for entry in entries if entry.kind != Kind.SYMLINK]),
        5: pack_numbers([entry.size for entry in files]),
        6: b"".join([entry.digest or b"" for entry in files]),
        8: pack_strings([entry.target or b"" for entry in links]),
    }
    if times:
        columns[7] = pack_numbers(times)
    data = cbor.encode(columns)
    page = decode_tree_page(data)
    ref = PageRef(BlockId(digest(data)), len(data), len(entries), sum(page.sizes), 0, page.paths[0])
    return Page(data, ref)


def decode_tree_page(data: bytes) -> TreePage:
    """The columns of a page, safe in themselves: paths, targets, order within the page. Raises DecodeError,
    UnsafeManifestError. What only whole versions show (parents, order across pages) is `version`'s."""
    value = cbor.decode(data, max_bytes=b.PAGE_BYTES_MAX, max_items=b.STORED_ITEMS_MAX)
    fields = Fields(value, "tree page", known=range(9))
    paths = unpack_strings(fields.take(2, ANY), maximum=b.PAGE_BYTES_MAX // 2)
    count = len(paths)
    if not count:
        raise DecodeError("tree page: no entries")
    kinds = unpack_numbers(fields.take(3, ANY), count, minimum=0, maximum=Kind.SYMLINK)
    link_count, file_count = kinds.count(Kind.SYMLINK), kinds.count(Kind.FILE)
    modes = unpack_numbers(fields.take(4, ANY), count - link_count, minimum=0, maximum=b.MODE_MAX)
    sizes = unpack_numbers(fields.take(5, ANY), file_count, minimum=0, maximum=b.STREAM_BYTES_MAX)
    mtimes = unpack_numbers(fields.take(7, ANY), count, minimum=-(2**63), maximum=2**63 - 1) if fields.has(7) else None
    page = TreePage(
        paths,
        kinds,
        _spread(modes, kinds, _HAS_MODE, SYMLINK_MODE),
        _spread(sizes, kinds, _HAS_SIZE, 0),
        unpack_digests(fields.take(6, ANY), file_count),
        mtimes,
        unpack_strings(fields.take(8, ANY), maximum=link_count),
    )
    _check_tree_page(page, link_count)
    return page


def _spread(values: array[int], kinds: array[int], has_value: bytes, filler: int) -> array[int]:
    """`values` over all entries, `filler` where an entry is of a kind that has none."""
    if len(values) == len(kinds):
        return values
    spread = array("q", [filler]) * len(kinds)
    at = 0
    # Neighbours together: most entries are files.
    for run in _ONES.finditer(bytes(kinds.tolist()).translate(has_value)):
        first, end = run.span()
        spread[first:end] = values[at : at + end - first]
        at += end - first
    return spread


def _check_tree_page(page: TreePage, link_count: int) -> None:
    check_paths(page.paths)
    if any(map(ge, page.paths, page.paths[1:])):
        raise UnsafeManifestError("paths that are not in order, or one twice")
    if len(page.targets) != link_count:
        raise DecodeError(f"tree page: {len(page.targets)} targets for {link_count} symlinks")
    targets = iter(page.targets)
    if link_count:
        for path, kind in zip(page.paths, page.kinds, strict=True):
            if kind == Kind.SYMLINK:
                check_target(path, next(targets))
    if sum(page.sizes) > b.STREAM_BYTES_MAX:
        raise UnsafeManifestError(f"files of {sum(page.sizes)} bytes in one page")
