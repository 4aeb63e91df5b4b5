"""The blocks that kept versions need: millions of ids, in a file, by their first byte.

A version's pages say which blocks it has; a page that several versions share is read once. In memory are the ids of
the pages, some buffers, and on request the ids of one of 256 parts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO

from swarm.errors import CorruptError, MissingError, SwarmError
from swarm.protocol.blocks_pages import decode_blocks_page
from swarm.protocol.bounds import PAGE_BYTES_MAX
from swarm.protocol.ids import DIGEST_BYTES, BlockId, VersionId
from swarm.protocol.manifest import PageRef, decode_root
from swarm.store._workers import for_each
from swarm.store.blocks import Blocks
from swarm.store.condemned import split
from swarm.store.layout import BLOCK_PREFIX_COUNT
from swarm.store.retention import Kept

BUFFER_BYTES = 64 * 1024
"""Of each of 256 parts, before it goes to the file: 16 MiB in all."""

PAGES_AT_ONCE = 16
NOTHING_DELETED = "nothing was deleted; publish that version again, or take its tag away (swarm untag)"


class Needed:
    """Use as a context manager; `directory` is where the file is, which has no name and cannot stay behind."""

    def __init__(self, blocks: Blocks, directory: Path) -> None:
        self._blocks = blocks
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115
        self._buffers = [bytearray() for _ in range(BLOCK_PREFIX_COUNT)]
        self._segments: list[list[tuple[int, int]]] = [[] for _ in range(BLOCK_PREFIX_COUNT)]
        self._end = 0
        self._pages: set[BlockId] = set()
        self.roots: set[VersionId] = set()

    def __enter__(self) -> Needed:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    async def add(self, kept: Kept) -> bool:
        """Everything that a version needs; False if that was known.

        Raises CorruptError where the version is not whole; one that is only history, and whose root is gone, was
        collected before and needs nothing.
        """
        if kept.version in self.roots:
            return False
        try:
            root = decode_root(await self._blocks.get_root(kept.version))
        except MissingError as error:
            if not kept.is_current:
                return False
            raise _unreadable(kept, error) from error
        except SwarmError as error:
            raise _unreadable(kept, error) from error
        new = [ref for ref in dict.fromkeys(root.blocks) if ref.id not in self._pages]

        async def read(ref: PageRef) -> None:
            try:
                data = await self._blocks.get(ref.id, max_length=PAGE_BYTES_MAX)
                ids = decode_blocks_page(data).ids
            except (MissingError, CorruptError) as error:
                raise _unreadable(kept, error) from error
            self._put(ids)

        await for_each(new, read, concurrency=PAGES_AT_ONCE)
        pages = {ref.id for ref in (*root.blocks, *root.tree)} - self._pages
        self._put(b"".join(pages))
        self._pages |= pages
        self.roots.add(kept.version)
        return True

    def part(self, first_byte: int) -> set[BlockId]:
        """The needed ids that begin with a byte."""
        found = set(split(bytes(self._buffers[first_byte])))
        for start, length in self._segments[first_byte]:
            self._file.seek(start)
            found.update(split(self._file.read(length)))
        return found

    def _put(self, ids: bytes) -> None:
        for start in range(0, len(ids), DIGEST_BYTES):
            self._buffers[ids[start]] += ids[start : start + DIGEST_BYTES]
        for first_byte, buffer in enumerate(self._buffers):
            if len(buffer) >= BUFFER_BYTES:
                self._flush(first_byte, buffer)

    def _flush(self, first_byte: int, buffer: bytearray) -> None:
        self._file.seek(self._end)
        self._file.write(buffer)
        self._segments[first_byte].append((self._end, len(buffer)))
        self._end += len(buffer)
        buffer.clear()


def _unreadable(kept: Kept, error: SwarmError) -> SwarmError:
    """As it came where trying again may help; else the version is damaged."""
    if not isinstance(error, MissingError | CorruptError) and error.exit_code != CorruptError.exit_code:
        return error
    return CorruptError(
        f"{kept.reason} ({kept.version.hex()[:16]}) cannot be read: {error.message}", hint=NOTHING_DELETED
    )
