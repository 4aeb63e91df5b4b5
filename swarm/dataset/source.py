"""Reads a scanned dataset's bytes, and believes none that may have changed since the scan.

A file is opened only as a regular file with the scanned signature, and its signature is compared again after reading.
What is written to it by mmap in between shows in ctime at the latest when the kernel writes the page back; who uploads
hashes again what it reads here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from swarm.dataset.entries import Scan, SourceEntry, show, signature_of, source_changed
from swarm.errors import PermissionError_
from swarm.protocol.pages import Kind

OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Not blocking: a FIFO put in a file's place after the scan must not hang us."""


class Source:
    """Random access to the stream of a scan, from any number of threads at once."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._layout = scan.layout()

    def read(self, offset: int, length: int) -> bytes:
        """`length` stream bytes from `offset` on. Raises SourceChangedError or PermissionError_, naming the file."""
        buffer = bytearray(length)
        view, position = memoryview(buffer), 0
        for piece in self._layout.pieces(offset, length):
            entry = self._scan.entries[piece.number]
            with open_entry(self._scan, entry) as descriptor:
                read_exactly(descriptor, entry, piece.offset, view[position : position + piece.length])
            position += piece.length
        return bytes(buffer)

    def paths(self, offset: int, length: int) -> list[bytes]:
        """The files that these stream bytes are of."""
        return [self._scan.entries[piece.number].path for piece in self._layout.pieces(offset, length)]


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


def read_exactly(descriptor: int, entry: SourceEntry, offset: int, view: memoryview) -> None:
    """Fills `view` from byte `offset` of the file on. Raises SourceChangedError where the file ends before."""
    position = 0
    while position < len(view):
        try:
            count = os.preadv(descriptor, [view[position:]], offset + position)
        except OSError as error:
            raise PermissionError_(f"cannot read {show(entry.path)}: {error.strerror}") from error
        if not count:
            raise source_changed([entry.path])
        position += count


def _open(scan: Scan, entry: SourceEntry) -> int:
    flags = OPEN_FLAGS if scan.is_file or scan.options.links == "follow" else OPEN_FLAGS | os.O_NOFOLLOW
    try:
        return os.open(scan.os_path(entry), flags)
    except PermissionError as error:
        raise PermissionError_(f"cannot read {show(entry.path)}: {error.strerror}") from error
    except OSError as error:
        raise source_changed([entry.path]) from error


def _compare(descriptor: int, entry: SourceEntry) -> None:
    if entry.kind is not Kind.FILE or signature_of(os.fstat(descriptor)) != entry.signature:
        raise source_changed([entry.path])
