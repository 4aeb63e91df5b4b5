"""One holding, ready to be read: a version's blocks in the files of a directory. Synchronous; threads may share it.

A file is believed while its size, times and inode number are those that were recorded, and even then what was read is
hashed again: bytes written by mmap change the times later than the bytes.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from swarm.dataset.entries import Signature
from swarm.dataset.layout import Piece
from swarm.errors import VerificationError
from swarm.holdings.descriptors import Descriptors
from swarm.holdings.file_bytes import read_exactly
from swarm.holdings.oserror import is_missing
from swarm.holdings.record import HoldingRecord
from swarm.holdings.scope import Body, Scope, of_bytes
from swarm.holdings.signature import Signatures, is_untouched
from swarm.holdings.staged import KEPT_OPEN_BYTES_MIN
from swarm.holdings.tree import Tree
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import digest
from swarm.protocol.pages import Kind


class TouchedError(Exception):
    """Never leaves this package: files are no longer what was recorded; `numbers` are their entries."""

    def __init__(self, numbers: Iterable[int]) -> None:
        super().__init__("files were touched")
        self.numbers = tuple(numbers)


class Held:
    """`have` has a bit for each block of the table that can be read here as a whole."""

    def __init__(self, record: HoldingRecord, body: Body, signatures: Signatures) -> None:
        self.record = record
        self.body = body
        self.scope: Scope = of_bytes(body, record.selected)
        self.signatures = signatures
        self.tree = Tree(record.top, follows_links=record.follows_links)
        self._open = Descriptors()
        self._lock = threading.Lock()
        self.have = self._readable()

    def close(self) -> None:
        self._open.close()
        self.tree.close()

    def read(self, block: int) -> bytes | None:
        """The block's bytes, verified; None where it is not held. Raises TouchedError where files turn out to have
        been changed, or may not be read (`forget` them then), OSError."""
        if block not in self.have:
            return None
        touched: set[int] = set()
        for offset in self.body.offsets(block):
            pieces = self.body.pieces(block, offset)
            if any(not self.signatures.is_known(piece.number) for piece in pieces):
                continue
            try:
                data = b"".join([self._read_piece(piece) for piece in pieces])
            except TouchedError as error:
                touched.update(error.numbers)
                continue
            if digest(data) == self.body.version.block_ids[block]:
                if touched:
                    break
                return data
            touched.update(piece.number for piece in pieces)
        if touched:
            raise TouchedError(touched)
        return None

    def read_range(self, blocks: Sequence[int]) -> list[memoryview] | None:
        """Blocks that follow each other in the stream (`follows`), read as one; each verified. None where one of them
        is not right, or not held: `read` finds out which. Raises OSError."""
        lengths = [self.body.version.block_lengths[block] for block in blocks]
        buffer = memoryview(bytearray(sum(lengths)))
        position = 0
        try:
            for piece in self.body.layout.pieces(self.body.offsets(blocks[0])[0], len(buffer)):
                if not self.signatures.is_known(piece.number):
                    return None
                self._fill(piece, buffer[position : position + piece.length])
                position += piece.length
        except TouchedError:
            return None
        except OSError as error:
            if error.errno == errno.EIO:
                return None
            raise
        ends = list(accumulate(lengths))
        parts = [buffer[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        ids = self.body.version.block_ids
        return parts if all(digest(part) == ids[block] for part, block in zip(parts, blocks, strict=True)) else None

    def follows(self, block: int, other: int) -> bool:
        """Whether `other` comes right after `block`, where both come first in the stream."""
        start = self.body.offsets(block)[0]
        return self.body.offsets(other)[0] == start + self.body.version.block_lengths[block]

    def forget(self, numbers: Iterable[int]) -> Bitfield:
        """These files are no longer held. Returns the blocks that went with them."""
        gone = tuple(numbers)
        with self._lock:
            lost = Bitfield(self.body.block_count)
            for number in gone:
                self.signatures.forget(number)
                self._open.forget(number)
            for number in gone:
                start = self.body.layout.start(number)
                for block in self.body.overlapping(start, start + self.body.layout.size(number)):
                    if block in self.have and not self._is_readable(block):
                        lost.set(block)
            self.have = self.have - lost
            return lost

    def adopt(self, signatures: Signatures) -> Bitfield:
        """What a survey found to be right now counts. Returns blocks that were held and are no longer."""
        with self._lock:
            before = self.have
            self.signatures = signatures
            self.have = self._readable()
            return before - self.have

    def renew(self, fresh: Mapping[int, Signature]) -> None:
        """These files look otherwise by our own doing, and still hold what they held."""
        with self._lock:
            for number, signature in fresh.items():
                if self.signatures.is_known(number):
                    self.signatures[number] = signature

    def touched(self) -> list[int]:
        """Looks at all files' stats: numbers of those that were believed and are no longer what was recorded."""
        found: list[int] = []
        for number, entry in self.scope.entries():
            if entry.kind is not Kind.FILE or not self.signatures.is_known(number):
                continue
            if not self._is_untouched(number, entry.path):
                found.append(number)
        return found

    def _is_untouched(self, number: int, path: bytes) -> bool:
        try:
            found = self.tree.find(path)
        except PermissionError:
            return False
        return found is not None and is_untouched(self.signatures[number], found.status)

    def _read_piece(self, piece: Piece) -> bytes:
        if self.body.layout.size(piece.number) >= KEPT_OPEN_BYTES_MIN:
            with self._open.borrow(piece.number, lambda: self._open_file(piece.number)) as descriptor:
                return self._read_checked(descriptor, piece)
        descriptor = self._open_file(piece.number)
        try:
            return self._read_checked(descriptor, piece)
        finally:
            os.close(descriptor)

    def _fill(self, piece: Piece, view: memoryview) -> None:
        if self.body.layout.size(piece.number) >= KEPT_OPEN_BYTES_MIN:
            with self._open.borrow(piece.number, lambda: self._open_file(piece.number)) as descriptor:
                self._fill_checked(descriptor, piece, view)
            return
        descriptor = self._open_file(piece.number)
        try:
            self._fill_checked(descriptor, piece, view)
        finally:
            os.close(descriptor)

    def _fill_checked(self, descriptor: int, piece: Piece, view: memoryview) -> None:
        if not is_untouched(self.signatures[piece.number], os.fstat(descriptor)):
            raise TouchedError([piece.number])
        position = 0
        while position < len(view):
            count = os.preadv(descriptor, [view[position:]], piece.offset + position)
            if not count:
                raise TouchedError([piece.number])
            position += count

    def _read_checked(self, descriptor: int, piece: Piece) -> bytes:
        if not is_untouched(self.signatures[piece.number], os.fstat(descriptor)):
            raise TouchedError([piece.number])
        try:
            return read_exactly(descriptor, piece.length, piece.offset)
        except VerificationError as error:
            raise TouchedError([piece.number]) from error
        except OSError as error:
            # A disk that cannot read them any more has changed them too.
            if error.errno == errno.EIO:
                raise TouchedError([piece.number]) from error
            raise

    def _open_file(self, number: int) -> int:
        try:
            return self.tree.open(self.body.version.entries.path(number), os.O_RDONLY)
        except OSError as error:
            if is_missing(error) or isinstance(error, PermissionError):
                raise TouchedError([number]) from error
            raise

    def _readable(self) -> Bitfield:
        """Blocks with a place whose files are all believed: those in ranges of neighbouring believed files."""
        entries = self.body.version.entries
        believed = Bitfield(len(entries))
        for number in range(len(entries)):
            if self.body.layout.size(number) == 0 or self.signatures.is_known(number):
                believed.set(number)
        return Scope(self.body, believed).whole.copy()

    def _is_readable(self, block: int) -> bool:
        return any(
            all(self.signatures.is_known(piece.number) for piece in self.body.pieces(block, offset))
            for offset in self.body.offsets(block)
        )
