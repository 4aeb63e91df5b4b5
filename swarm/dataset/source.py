"""Reads a scanned dataset's bytes, and believes none that may have changed since the scan.

A file is opened only as a regular file with the scanned signature, and its signature is compared again after reading.
What is written to it by mmap in between shows in ctime at the latest when the kernel writes the page back; who uploads
hashes again what it reads here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Protocol, TypeVar

from swarm.dataset.entries import Scan, SourceEntry, cannot_read, signature_of, source_changed
from swarm.dataset.layout import Piece
from swarm.protocol.pages import Kind

T = TypeVar("T")

Fill = Callable[[int, memoryview], None]
"""Fills a view from a byte of a file on."""

OpenEntry = Callable[[SourceEntry], AbstractContextManager[Fill]]
"""A scanned file, opened to be read from its beginning to its end. For a thread; the same errors as `Source.read`."""


class StreamSource(Protocol):
    """Random access to a stream, from any number of threads at once."""

    def read(self, offset: int, length: int) -> bytes:
        """`length` stream bytes from `offset` on. Raises SourceChangedError, or what keeps it from being read."""

    def paths(self, offset: int, length: int) -> list[bytes]:
        """The files that these stream bytes are of."""


OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Not blocking: a FIFO put in a file's place after the scan must not hang us."""


class Source:
    """Random access to the stream of a scan, from any number of threads at once."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._layout = scan.layout()

    def read(self, offset: int, length: int) -> bytes:
        """`length` stream bytes from `offset` on. Raises SourceChangedError or PermissionError_, naming the file."""
        return b"".join([self._read_piece(piece) for piece in self._layout.pieces(offset, length)])

    def paths(self, offset: int, length: int) -> list[bytes]:
        """The files that these stream bytes are of."""
        return [self._scan.entries[piece.number].path for piece in self._layout.pieces(offset, length)]

    def _read_piece(self, piece: Piece) -> bytes:
        entry = self._scan.entries[piece.number]
        data = b""
        with open_entry(self._scan, entry) as descriptor:
            while len(data) < piece.length:  # once, but for some network file systems
                more = _checked(entry, os.pread, descriptor, piece.length - len(data), piece.offset + len(data))
                if not more:
                    raise source_changed([entry.path])
                data += more
        return data


@contextmanager
def open_entry(scan: Scan, entry: SourceEntry) -> Iterator[int]:
    """A descriptor of a scanned file. Its signature is compared on the way in and, unless there was an error, out."""
    descriptor = _open(scan, entry)
    try:
        _compare(descriptor, entry)
        yield descriptor
        _compare(descriptor, entry)
    finally:
        os.close(descriptor)


def opener(scan: Scan) -> OpenEntry:
    """Files of this machine, as `cut_and_hash` reads them."""

    @contextmanager
    def open_file(entry: SourceEntry) -> Iterator[Fill]:
        with open_entry(scan, entry) as descriptor:
            yield partial(read_exactly, descriptor, entry)

    return open_file


def read_exactly(descriptor: int, entry: SourceEntry, offset: int, view: memoryview) -> None:
    """Fills `view` from byte `offset` of the file on. Raises SourceChangedError where the file ends before."""
    position = 0
    while position < len(view):
        count = _checked(entry, os.preadv, descriptor, [view[position:]], offset + position)
        if not count:
            raise source_changed([entry.path])
        position += count


def _open(scan: Scan, entry: SourceEntry) -> int:
    flags = OPEN_FLAGS if scan.is_file or scan.options.links == "follow" else OPEN_FLAGS | os.O_NOFOLLOW
    return _checked(entry, os.open, scan.os_path(entry), flags)


def _checked(entry: SourceEntry, call: Callable[..., T], *arguments: object) -> T:
    """A system call about a file, whose failure names that."""
    try:
        return call(*arguments)
    except OSError as error:
        raise cannot_read(entry.path, error) from error


def _compare(descriptor: int, entry: SourceEntry) -> None:
    if entry.kind is not Kind.FILE or signature_of(os.fstat(descriptor)) != entry.signature:
        raise source_changed([entry.path])
