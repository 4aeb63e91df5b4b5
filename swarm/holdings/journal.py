"""Which blocks of a staging area are verified: an append-only file of 4-byte records behind a header of 128 bytes.

A record is a position in the version's block table, little-endian; with the highest bit set it takes an earlier one
back. It is appended after the block's bytes were written, without a sync: `kill -9` cannot undo what the page cache
has, so within one run of the kernel the records are true. After another boot they only tell what an earlier run had
received, and everything staged is hashed again (`resume`).

The header is a multiple of four and records never straddle a page, so that a write cut short leaves whole records;
what is left of a record cut short otherwise (a full disk) is cut off when the journal is opened.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from swarm.holdings import linux
from swarm.holdings.tree import Tree
from swarm.protocol.ids import VersionId

MAGIC = b"swarm staging 1\0"
HEADER_BYTES = 128
RECORD_BYTES = 4
TAKEN_BACK = 1 << 31
NAME = b"journal"


@dataclass(frozen=True, slots=True)
class Header:
    """`scope` is a digest of which entries are staged: bits of another choice of files mean something else."""

    version: VersionId
    scope: bytes
    boot: bytes

    def to_bytes(self) -> bytes:
        return (MAGIC + self.version + self.scope + self.boot).ljust(HEADER_BYTES, b"\0")

    @classmethod
    def from_bytes(cls, data: bytes) -> Header | None:
        """None where it is not a header of this format."""
        if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
            return None
        return cls(VersionId(data[16:48]), data[48:80], data[80:96])


class Journal:
    """An open journal. Threads may append at once. Made by `create` or `reopen`; closed by `close`."""

    __slots__ = ("_descriptor", "_lock")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def append(self, position: int) -> None:
        """The block's bytes are all in their places. Raises OSError (a full disk)."""
        self._append(position)

    def append_all(self, positions: Iterable[int]) -> None:
        """The same of many blocks."""
        with self._lock:
            self._write(_little(array("I", positions)))

    def take_back(self, position: int) -> None:
        """The block's bytes were found to be something else."""
        self._append(position | TAKEN_BACK)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, record: int) -> None:
        with self._lock:
            self._write(record.to_bytes(RECORD_BYTES, "little"))

    def _write(self, data: bytes) -> None:
        if os.write(self._descriptor, data) != len(data):
            # Only a disk that is just full writes less; without the rest the file must end at a whole record.
            size = os.fstat(self._descriptor).st_size
            os.ftruncate(self._descriptor, size - (size - HEADER_BYTES) % RECORD_BYTES)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read(area: Tree, block_count: int) -> tuple[Header, list[int]] | None:
    """(header, positions recorded and not taken back, ascending); None where there is no journal that can be read."""
    try:
        descriptor = area.open(NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        data = file.read()
    header = Header.from_bytes(data[:HEADER_BYTES])
    if header is None:
        return None
    return header, _replay(data[HEADER_BYTES:], block_count)


def create(area: Tree, header: Header, positions: list[int]) -> Journal:
    """Replaces the journal by one that says exactly this. Atomic for every other reader. Raises OSError."""
    descriptor = area.open(NAME + b".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(header.to_bytes())
        file.write(_little(array("I", positions)))
        file.flush()
        os.fsync(file.fileno())
    area.move(NAME + b".new", area, NAME)
    return reopen(area)


def reopen(area: Tree) -> Journal:
    """Goes on with the journal that is there. Raises OSError."""
    descriptor = area.open(NAME, os.O_WRONLY | os.O_APPEND)
    size = os.fstat(descriptor).st_size
    excess = (size - HEADER_BYTES) % RECORD_BYTES
    if excess:
        os.ftruncate(descriptor, size - excess)
    return Journal(descriptor)


def header_for(version: VersionId, scope: bytes) -> Header:
    """The header of a journal that is written now."""
    return Header(version, scope, linux.boot_id())


def _replay(data: bytes, block_count: int) -> list[int]:
    records = array("I")
    records.frombytes(data[: len(data) - len(data) % RECORD_BYTES])
    if sys.byteorder == "big":
        records.byteswap()
    flags = bytearray(block_count)
    for record in records:
        position = record & ~TAKEN_BACK
        if position < block_count:
            flags[position] = not record & TAKEN_BACK
    return [position for position, flag in enumerate(flags) if flag]


def _little(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()
