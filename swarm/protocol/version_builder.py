"""Makes a version: from entries and the stream of blocks to a root, its pages, and the version's id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from swarm.errors import InternalError
from swarm.protocol.blocks_pages import StreamWriter
from swarm.protocol.content import ContentHasher
from swarm.protocol.ids import VersionId
from swarm.protocol.manifest import Cutter, Root, Totals, encode_root, version_of
from swarm.protocol.pages import Entry, Kind, build_tree_pages


@dataclass(frozen=True, slots=True)
class BuiltVersion:
    """`pages` are in index order: `pages[i]` is the page at index i."""

    id: VersionId
    root_bytes: bytes
    root: Root
    pages: tuple[bytes, ...]

    @property
    def pages_by_index(self) -> dict[int, bytes]:
        """As `version.assemble` takes them."""
        return dict(enumerate(self.pages))


class VersionBuilder:
    """Takes the stream as it is cut, block by block, then the entries, and gives the version."""

    def __init__(self, cutter: Cutter) -> None:
        self.cutter = cutter
        self._stream = StreamWriter()
        self._stream_bytes = 0

    @property
    def stream_bytes(self) -> int:
        return self._stream_bytes

    def add_block(self, block_id: bytes, length: int) -> None:
        """The next block of the stream, repeats included. Raises UnsafeManifestError past a bound."""
        self._stream.add(block_id, length)
        self._stream_bytes += length

    def finish(self, entries: Iterable[Entry]) -> BuiltVersion:
        """The version of these entries, in path order, parents first. Raises UnsafeManifestError.

        InternalError: the files are not as long as the stream.
        """
        counts = dict.fromkeys(Kind, 0)
        content = ContentHasher()
        tree = build_tree_pages(_observe(entries, counts, content))
        blocks = self._stream.finish()
        tree_bytes = sum(page.ref.stream_bytes for page in tree)
        if tree_bytes != self._stream_bytes:
            raise InternalError(f"files of {tree_bytes} bytes and a stream of {self._stream_bytes}")
        totals = Totals(
            counts[Kind.FILE],
            counts[Kind.DIRECTORY],
            counts[Kind.SYMLINK],
            tree_bytes,
            self._stream.blocks,
            self._stream.block_bytes,
            self._stream.positions,
        )
        refs = tuple(page.ref for page in tree), tuple(page.ref for page in blocks)
        root = Root(self.cutter, totals, *refs, content.digest())
        root_bytes = encode_root(root)
        return BuiltVersion(version_of(root_bytes), root_bytes, root, tuple(page.data for page in (*blocks, *tree)))


def _observe(entries: Iterable[Entry], counts: dict[Kind, int], content: ContentHasher) -> Iterator[Entry]:
    for entry in entries:
        counts[entry.kind] += 1
        content.add(entry)
        yield entry


def build_version(entries: Iterable[Entry], stream: Iterable[tuple[bytes, int]], cutter: Cutter) -> BuiltVersion:
    """The version of entries in path order and a stream of (block id, length), repeats included."""
    builder = VersionBuilder(cutter)
    for block_id, length in stream:
        builder.add_block(block_id, length)
    return builder.finish(entries)
