"""The root of a version: what it holds in all, and the list of its pages. Its BLAKE3 names the version.

The root says enough to know the size of the index space, and to find the page of any offset or path. What pages hold
is `pages`; a whole version in memory is `version`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from swarm.errors import DecodeError, UnsafeManifestError
from swarm.protocol import bounds as b
from swarm.protocol import cbor
from swarm.protocol.columns import pack_numbers, pack_strings, unpack_digests, unpack_numbers, unpack_strings
from swarm.protocol.fields import Field, Fields, Schema
from swarm.protocol.forms import DIGEST, ArrayOf, Bytes, Form, Text, Uint
from swarm.protocol.ids import BlockId, VersionId, digest
from swarm.protocol.paths import check_path


@dataclass(frozen=True, slots=True)
class Cutter:
    """How the stream was cut: lengths in bytes; `gear` is the BLAKE3 of the gear table, `masks` the cutter's own."""

    algorithm: str
    average: int
    minimum: int
    maximum: int
    normalisation: int
    gear: bytes
    masks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of the pages. `bytes` is the length of the stream, `block_bytes` that of the distinct blocks.

    `positions` counts the blocks of the stream with repeats, `blocks` without.
    """

    files: int
    directories: int
    symlinks: int
    bytes: int
    blocks: int
    block_bytes: int
    positions: int

    @property
    def entries(self) -> int:
        return self.files + self.directories + self.symlinks

    @property
    def stream_bytes(self) -> int:
        return self.bytes


@dataclass(frozen=True, slots=True)
class PageRef:
    """One page: `entries` are files, directories and symlinks (tree) or stream positions (blocks).

    `stream_bytes` is how much of the stream its entries cover, `new_blocks` how much it adds to the block table
    (0 in the tree), `first_path` the path of its first entry (None in the blocks).
    """

    id: BlockId
    length: int
    entries: int
    stream_bytes: int
    new_blocks: int = 0
    first_path: bytes | None = None


@dataclass(frozen=True, slots=True)
class Root:
    """`content` is the hash of what the version holds, times left out (`content.content_of`)."""

    cutter: Cutter
    totals: Totals
    tree: tuple[PageRef, ...]
    blocks: tuple[PageRef, ...]
    content: bytes
    required: tuple[int, ...] = ()
    v: int = 1


CUTTER = Schema(
    "cutter",
    Cutter,
    (
        Field(2, "algorithm", Text(b.ALGORITHM_BYTES_MAX, re.compile(r"[a-z0-9][a-z0-9._-]*"))),
        Field(3, "average", Uint(b.BLOCK_BYTES_MAX, 1)),
        Field(4, "minimum", Uint(b.BLOCK_BYTES_MAX, 1)),
        Field(5, "maximum", Uint(b.BLOCK_BYTES_MAX, 1)),
        Field(6, "normalisation", Uint(8)),
        Field(7, "gear", DIGEST),
        Field(8, "masks", ArrayOf(Uint(2**64 - 1), b.CUTTER_MASKS_MAX), ()),
    ),
)

TOTALS = Schema(
    "totals",
    Totals,
    (
        Field(2, "files", Uint(b.FILES_MAX)),
        Field(3, "directories", Uint(b.FILES_MAX)),
        Field(4, "symlinks", Uint(b.FILES_MAX)),
        Field(5, "bytes", Uint(b.STREAM_BYTES_MAX)),
        Field(6, "blocks", Uint(b.BLOCKS_MAX)),
        Field(7, "block_bytes", Uint(b.STREAM_BYTES_MAX)),
        Field(8, "positions", Uint(b.STREAM_POSITIONS_MAX)),
    ),
)


@dataclass(frozen=True, slots=True)
class PageList:
    """Pages as columns: ids, lengths, entries, stream bytes, and new blocks or first paths."""

    is_tree: bool

    @property
    def bound(self) -> str:
        return f"page list to {b.PAGES_MAX:,} pages"

    def read(self, value: object) -> tuple[PageRef, ...]:
        fields = Fields(value, "page list", known=range(8), v=None)
        ids = unpack_digests(fields.take(2, Bytes(32 * b.PAGES_MAX)))
        count = len(ids) // 32
        lengths = unpack_numbers(fields.take(3, ANY), count, minimum=1, maximum=b.PAGE_BYTES_MAX)
        entries = unpack_numbers(fields.take(4, ANY), count, minimum=1, maximum=b.STREAM_POSITIONS_MAX)
        sizes = unpack_numbers(fields.take(5, ANY), count, minimum=0, maximum=b.STREAM_BYTES_MAX)
        news = unpack_numbers(
            fields.take(6, ANY, [0, 0, b""]), 0 if self.is_tree else count, minimum=0, maximum=b.BLOCKS_MAX
        )
        paths = unpack_strings(fields.take(7, ANY, b""), maximum=count if self.is_tree else 0)
        if self.is_tree and len(paths) != count:
            raise DecodeError(f"page list: {len(paths)} first paths for {count} pages")
        return tuple(
            PageRef(
                BlockId(ids[32 * i : 32 * i + 32]),
                lengths[i],
                entries[i],
                sizes[i],
                0 if self.is_tree else news[i],
                paths[i] if self.is_tree else None,
            )
            for i in range(count)
        )

    def write(self, value: tuple[PageRef, ...]) -> object:
        columns: dict[int, object] = {
            2: b"".join([ref.id for ref in value]),
            3: pack_numbers([ref.length for ref in value]),
            4: pack_numbers([ref.entries for ref in value]),
            5: pack_numbers([ref.stream_bytes for ref in value]),
        }
        if self.is_tree:
            columns[7] = pack_strings([ref.first_path or b"" for ref in value])
        else:
            columns[6] = pack_numbers([ref.new_blocks for ref in value])
        return columns


class _Any:
    """What `columns` looks at itself."""

    bound = "column"

    def read(self, value: object) -> object:
        return value

    def write(self, value: object) -> object:
        return value


ANY: Form[object] = _Any()

ROOT = Schema(
    "root",
    Root,
    (
        Field(2, "cutter", CUTTER),
        Field(3, "totals", TOTALS),
        Field(4, "tree", PageList(is_tree=True)),
        Field(5, "blocks", PageList(is_tree=False)),
        Field(6, "content", DIGEST),
    ),
    v=1,
)


def version_of(root_bytes: bytes) -> VersionId:
    """The version's name: BLAKE3 of its root."""
    return VersionId(digest(root_bytes))


def encode_root(root: Root) -> bytes:
    """The root's bytes. Raises UnsafeManifestError where it would pass a bound: too many files for one version."""
    check_root(root)
    data = cbor.encode(ROOT.write(root) | {1: list(root.required)})
    if len(data) > b.ROOT_BYTES_MAX:
        raise UnsafeManifestError(
            f"the list of {len(root.tree) + len(root.blocks)} pages takes {len(data)} bytes, over the bound of 1 MiB",
            hint="publish it as several datasets, or with larger blocks",
        )
    return data


def decode_root(data: bytes) -> Root:
    """The root of its exact bytes. Raises DecodeError, UnsafeManifestError."""
    value = cbor.decode(data, max_bytes=b.ROOT_BYTES_MAX, max_items=b.STORED_ITEMS_MAX)
    root = ROOT.read(value)
    check_root(root)
    return root


def check_root(root: Root) -> None:
    """What a root alone can contradict. Raises UnsafeManifestError."""
    totals, cutter = root.totals, root.cutter
    if not cutter.minimum <= cutter.average <= cutter.maximum:
        raise UnsafeManifestError("a cutter whose minimum, average and maximum are not in order")
    if len(root.tree) + len(root.blocks) > b.PAGES_MAX:
        raise UnsafeManifestError(f"{len(root.tree) + len(root.blocks)} pages, where {b.PAGES_MAX} are allowed")
    sums = (
        (sum(ref.entries for ref in root.tree), totals.entries, "entries"),
        (sum(ref.stream_bytes for ref in root.tree), totals.bytes, "bytes of files"),
        (sum(ref.entries for ref in root.blocks), totals.positions, "stream positions"),
        (sum(ref.stream_bytes for ref in root.blocks), totals.bytes, "bytes of the stream"),
        (sum(ref.new_blocks for ref in root.blocks), totals.blocks, "blocks"),
    )
    for found, said, what in sums:
        if found != said:
            raise UnsafeManifestError(f"pages of {found} {what}, where the totals say {said}")
    _check_totals(totals, cutter)
    _check_first_paths(root.tree)


def _check_totals(totals: Totals, cutter: Cutter) -> None:
    if totals.entries > b.FILES_MAX:
        raise UnsafeManifestError(f"{totals.entries} entries, where at most {b.FILES_MAX} are allowed")
    if not totals.blocks <= totals.positions or not totals.block_bytes <= totals.bytes:
        raise UnsafeManifestError("more distinct blocks than blocks")
    if totals.block_bytes > totals.blocks * cutter.maximum or totals.block_bytes < totals.blocks:
        raise UnsafeManifestError(f"{totals.block_bytes} bytes in {totals.blocks} blocks")
    if totals.bytes > totals.positions * cutter.maximum or totals.bytes < totals.positions:
        raise UnsafeManifestError(f"{totals.bytes} bytes in a stream of {totals.positions} blocks")


def _check_first_paths(tree: tuple[PageRef, ...]) -> None:
    paths = [ref.first_path or b"" for ref in tree]
    for path in paths:
        check_path(path)
    if any(left >= right for left, right in pairwise(paths)):
        raise UnsafeManifestError("tree pages whose first paths are not in order")
