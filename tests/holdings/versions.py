"""Versions made by hand: a tree of small files, cut into pieces of a fixed length, with everything that a fetch has."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from swarm.holdings import Holdings, Staging
from swarm.protocol.blocks_pages import build_blocks_pages
from swarm.protocol.content import content_of
from swarm.protocol.ids import Index, VersionId, digest
from swarm.protocol.manifest import Cutter, Root, Totals, encode_root
from swarm.protocol.pages import Entry, Kind, build_tree_pages
from swarm.protocol.version import Version, assemble

PIECE_BYTES = 1000
MTIME_NS = 1_600_000_000_123_456_789


@dataclass(frozen=True)
class Link:
    target: bytes


@dataclass(frozen=True)
class Made:
    """A version and its bytes: `blocks` by table place, `pages` by index."""

    version: Version
    pages: dict[Index, bytes]
    blocks: list[bytes]
    entries: list[Entry]
    contents: dict[bytes, bytes]

    @property
    def id(self) -> VersionId:
        return self.version.id

    def block_indexes(self) -> list[Index]:
        return [self.version.space.block_index(place) for place in range(len(self.blocks))]

    def block(self, index: int) -> bytes:
        return self.blocks[self.version.space.table_place(index)]


Content = bytes | Link | None
"""A file's bytes, a symlink, or None: a directory."""


def make(
    tree: Mapping[str | bytes, Content],
    *,
    piece: int = PIECE_BYTES,
    modes: Mapping[str | bytes, int] | None = None,
    mtime_ns: int | None = MTIME_NS,
) -> Made:
    """Directories on the way are added. Modes are 0644 and 0755 unless said otherwise."""
    wanted = {os.fsencode(path): content for path, content in tree.items()}
    said = {os.fsencode(path): mode for path, mode in (modes or {}).items()}
    for path in list(wanted):
        above = path.rpartition(b"/")[0]
        while above:
            wanted.setdefault(above, None)
            above = above.rpartition(b"/")[0]
    entries = [_entry(path, wanted[path], said.get(path), mtime_ns) for path in sorted(wanted)]
    contents = {path: content for path, content in wanted.items() if isinstance(content, bytes)}
    stream = b"".join(contents[entry.path] for entry in entries if entry.kind is Kind.FILE)
    return _assembled(entries, contents, [stream[at : at + piece] for at in range(0, len(stream), piece)], piece)


def _entry(path: bytes, content: Content, mode: int | None, mtime_ns: int | None) -> Entry:
    if content is None:
        return Entry(path, Kind.DIRECTORY, 0o755 if mode is None else mode, mtime_ns)
    if isinstance(content, Link):
        return Entry(path, Kind.SYMLINK, 0o777, mtime_ns, target=content.target)
    return Entry(path, Kind.FILE, 0o644 if mode is None else mode, mtime_ns, len(content), digest(content))


def _assembled(entries: list[Entry], contents: dict[bytes, bytes], pieces: list[bytes], piece: int) -> Made:
    blocks = list(dict.fromkeys(pieces))
    blocks_pages = build_blocks_pages((digest(data), len(data)) for data in pieces)
    tree_pages = build_tree_pages(entries)
    kinds = [entry.kind for entry in entries]
    totals = Totals(
        files=kinds.count(Kind.FILE),
        directories=kinds.count(Kind.DIRECTORY),
        symlinks=kinds.count(Kind.SYMLINK),
        bytes=sum(map(len, pieces)),
        blocks=len(blocks),
        block_bytes=sum(map(len, blocks)),
        positions=len(pieces),
    )
    cutter = Cutter("fixed", piece, 1, piece, 0, bytes(32))
    refs = tuple(page.ref for page in tree_pages), tuple(page.ref for page in blocks_pages)
    root = encode_root(Root(cutter, totals, *refs, content=content_of(entries)))
    pages = {Index(number): page.data for number, page in enumerate([*blocks_pages, *tree_pages])}
    return Made(assemble(root, pages), pages, blocks, entries, contents)


def make_large(path: str, pieces: list[bytes]) -> Made:
    """One file of these pieces, which may be the same object many times: more than fits in memory."""
    hasher = blake3()
    for piece in pieces:
        hasher.update(piece)
    name = os.fsencode(path)
    entry = Entry(name, Kind.FILE, 0o644, MTIME_NS, sum(map(len, pieces)), hasher.digest())
    return _assembled([entry], {}, pieces, max(map(len, pieces)))


async def keep(holdings: Holdings, made: Made) -> None:
    """Root and pages, as a fetch keeps them before it stages."""
    await holdings.keep_root(made.version.root_bytes)
    for index, page in made.pages.items():
        await holdings.keep_page(made.id, index, page)


async def fill(staging: Staging, made: Made, rng: random.Random | None = None) -> int:
    """Writes what is lacking, in any order; returns how many blocks."""
    indexes = [Index(each) for first, count in staging.lacking for each in range(first, first + count)]
    (rng or random.Random(0)).shuffle(indexes)
    for index in indexes:
        await staging.write(index, made.block(index))
    return len(indexes)


async def fetch(holdings: Holdings, made: Made, dest: Path, **options: object) -> None:
    """The whole of it, without a network."""
    await keep(holdings, made)
    async with holdings.stage(made.version, dest, **options) as staging:  # type: ignore[arg-type]
        await staging.reuse()
        await fill(staging, made)
        await staging.commit()


def listing(dest: Path) -> dict[bytes, tuple[object, ...]]:
    """What is in a directory, in a form that can be compared: kinds, bytes, targets, modes, times."""
    found: dict[bytes, tuple[object, ...]] = {}
    top = os.fsencode(dest)
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            path = directory + b"/" + name
            found[path[len(top) + 1 :]] = _look(path)
    return found


def expected(made: Made, selected: set[str] | None = None) -> dict[bytes, tuple[object, ...]]:
    """The same of a version."""
    return {
        entry.path: _described(entry, made.contents.get(entry.path))
        for entry in made.entries
        if selected is None or os.fsdecode(entry.path) in selected
    }


def _look(path: bytes) -> tuple[object, ...]:
    status = os.lstat(path)
    if os.path.islink(path):
        return ("link", os.readlink(path))
    if os.path.isdir(path):
        return ("directory", status.st_mode & 0o7777, status.st_mtime_ns)
    with open(path, "rb") as file:
        return ("file", status.st_mode & 0o7777, status.st_mtime_ns, file.read())


def _described(entry: Entry, content: bytes | None) -> tuple[object, ...]:
    if entry.kind is Kind.SYMLINK:
        return ("link", entry.target)
    if entry.kind is Kind.DIRECTORY:
        return ("directory", entry.mode, entry.mtime_ns)
    return ("file", entry.mode, entry.mtime_ns, content)


def some_bytes(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)
