"""The bytes in a staging area: blocks into the files' places and out again. Synchronous; threads may share it.

Files are made when their first byte comes, at their full length and sparse. Reserving room (fallocate) was decided
against: it makes holes of zeros real, writes every page twice on tmpfs, and blocks of 64 KiB and more lie in few
extents anyway. That the disk is large enough is looked at before; when it fills up all the same, nothing is lost.

Bytes of needed blocks that belong to files which are not staged go to `margins`, so that a block that was written can
be read, verified and served until the commit.
"""

from __future__ import annotations

import errno
import os

from swarm.dataset.layout import Piece
from swarm.errors import VerificationError
from swarm.holdings import linux
from swarm.holdings.area import MARGINS, TREE
from swarm.holdings.descriptors import Descriptors
from swarm.holdings.scope import Scope
from swarm.holdings.tree import Tree
from swarm.protocol.ids import digest

KEPT_OPEN_BYTES_MIN = 1 << 20
"""Smaller files are opened for each block: hardly one is touched twice, and thousands would drive the others out."""

HOLE_BYTES_MIN = 65_536
"""Fewer zeros are just written."""

_MARGINS = -1


class StagedFiles:
    """`area` is the staging area's directory. Methods raise OSError. `is_ours` False: another process's, only read."""

    def __init__(self, area: bytes, scope: Scope, *, is_ours: bool = True) -> None:
        self._is_ours = is_ours
        self.tree = Tree(area + b"/" + TREE)
        self._area = Tree(area)
        self._scope = scope
        self._layout = scope.body.layout
        self._open = Descriptors()
        self._moved_to: Tree | None = None

    def moves_to(self, dest: bytes) -> None:
        """From now on files may be moved one by one into `dest`; they can be read all the while."""
        self._moved_to = Tree(dest)

    def close(self) -> None:
        self._open.close()
        self.tree.close()
        self._area.close()
        if self._moved_to is not None:
            self._moved_to.close()

    def make(self) -> bool:
        """The tree's directory, 0777 under the umask, as DEST will be; the area around it lets nobody else in.
        False where it was there."""
        try:
            os.mkdir(self._area.root + b"/" + TREE, 0o777)
        except FileExistsError:
            return False
        return True

    def write(self, block: int, data: bytes | bytearray | memoryview) -> None:
        """Puts a block's bytes into every place of it that has bytes of a staged file."""
        view = memoryview(data)
        needs_margins = block not in self._scope.whole
        for offset, pieces in self._places(block):
            position = 0
            for piece in pieces:
                part = view[position : position + piece.length]
                if piece.number in self._scope.taken:
                    self._write_piece(piece, part)
                elif needs_margins:
                    self._write_margin(offset + position, part)
                position += piece.length

    def read(self, block: int) -> bytes | None:
        """The block's bytes, verified, from the first place that has them right; None where none has."""
        for offset, pieces in self._places(block):
            data = self._read_place(block, offset, pieces)
            if data is not None:
                return data
        return None

    def settle(self, block: int) -> bool:
        """Whether all places of a block have its bytes. A right one is copied over wrong ones; if none is, all are
        cleared, so that nothing unverified stays behind."""
        data = self.read(block)
        if data is None:
            for _offset, pieces in self._places(block):
                self._clear(pieces)
            return False
        if len(self._places(block)) > 1:
            self.write(block, data)
        return True

    def is_begun(self, block: int) -> bool:
        """False where no file of some place of the block has been written to: there is nothing to hash."""
        _offset, pieces = self._places(block)[0]
        for piece in pieces:
            if piece.number not in self._scope.taken:
                continue
            found = self.tree.find(self._path(piece.number))
            if found is None or found.status.st_blocks == 0:
                return False
        return True

    def _places(self, block: int) -> list[tuple[int, list[Piece]]]:
        """Where the block has bytes of staged files: (stream offset, pieces), at least one for a needed block."""
        body = self._scope.body
        places = [(offset, body.pieces(block, offset)) for offset in body.offsets(block)]
        return [(offset, pieces) for offset, pieces in places if self._scope.has_some(pieces)]

    def _path(self, number: int) -> bytes:
        return self._scope.version.entries.path(number)

    # --- pieces ---------------------------------------------------------------------------------

    def _write_piece(self, piece: Piece, part: memoryview) -> None:
        size = self._layout.size(piece.number)
        if size >= KEPT_OPEN_BYTES_MIN:
            with self._open.borrow(piece.number, lambda: self._create(piece.number)) as descriptor:
                _write(descriptor, part, piece.offset)
            return
        descriptor = self._create(piece.number, is_complete=piece.length == size)
        try:
            _write(descriptor, part, piece.offset)
        finally:
            os.close(descriptor)

    def _write_margin(self, offset: int, part: memoryview) -> None:
        flags = os.O_RDWR | os.O_CREAT
        with self._open.borrow(_MARGINS, lambda: self._area.open(MARGINS, flags)) as descriptor:
            _write(descriptor, part, offset)

    def _create(self, number: int, *, is_complete: bool = False) -> int:
        """The file, open, at its full length (unless it is just about to be written as a whole)."""
        path, length = self._path(number), self._layout.size(number)
        try:
            descriptor = self.tree.create(path, os.O_RDWR)
        except PermissionError:
            # An earlier commit that was broken off has already given it the mode that it will have.
            self.tree.set_mode(path, 0o600)
            descriptor = self.tree.open(path, os.O_RDWR)
        try:
            size = os.fstat(descriptor).st_size
            if size > length or (size < length and not is_complete):
                os.ftruncate(descriptor, length)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _read_place(self, block: int, offset: int, pieces: list[Piece]) -> bytes | None:
        """The bytes at one place, if they are the block's."""
        parts: list[bytes] = []
        try:
            for piece in pieces:
                parts.append(self._read_piece(piece, offset))
                offset += piece.length
        except (FileNotFoundError, NotADirectoryError, PermissionError, VerificationError):
            return None
        data = b"".join(parts)
        return data if digest(data) == self._scope.version.block_ids[block] else None

    def _read_piece(self, piece: Piece, offset: int) -> bytes:
        """From the piece's file, or what belongs at this stream offset from the margins."""
        if piece.number not in self._scope.taken:
            with self._open.borrow(_MARGINS, self._open_margins) as descriptor:
                return read_exactly(descriptor, piece.length, offset)
        path = self._path(piece.number)
        if self._layout.size(piece.number) >= KEPT_OPEN_BYTES_MIN:
            with self._open.borrow(piece.number, lambda: self._open_file(path)) as descriptor:
                return read_exactly(descriptor, piece.length, piece.offset)
        descriptor = self._open_file(path)
        try:
            return read_exactly(descriptor, piece.length, piece.offset)
        finally:
            os.close(descriptor)

    def _open_file(self, path: bytes) -> int:
        """For reading and writing: the same descriptor may be borrowed for either."""
        try:
            return self.tree.open(path, os.O_RDWR if self._is_ours else os.O_RDONLY)
        except FileNotFoundError:
            if self._moved_to is None:
                raise
            return self._moved_to.open(path, os.O_RDONLY)
        except PermissionError:
            if not self._is_ours:
                raise
            self.tree.set_mode(path, 0o600)
            return self.tree.open(path, os.O_RDWR)

    def _open_margins(self) -> int:
        return self._area.open(MARGINS, os.O_RDWR if self._is_ours else os.O_RDONLY)

    def _clear(self, pieces: list[Piece]) -> None:
        """Makes the bytes of staged files read as zeros."""
        for piece in pieces:
            if piece.number not in self._scope.taken:
                continue
            try:
                descriptor = self._open_file(self._path(piece.number))
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                _zero(descriptor, piece.offset, min(piece.length, os.fstat(descriptor).st_size - piece.offset))
            finally:
                os.close(descriptor)


def read_exactly(descriptor: int, length: int, offset: int) -> bytes:
    """Bytes from `offset` of a file on. Raises VerificationError where the file ends before, OSError."""
    parts: list[bytes] = []
    while length:
        part = os.pread(descriptor, length, offset)
        if not part:
            raise VerificationError("a file is shorter than its version says")
        parts.append(part)
        length -= len(part)
        offset += len(part)
    # One part, which is what nearly always comes, is not copied by this.
    return b"".join(parts)


def _write(descriptor: int, view: memoryview, offset: int) -> None:
    if len(view) >= HOLE_BYTES_MIN and _is_zero(view):
        _write_zeros(descriptor, view, offset)
    else:
        _write_all(descriptor, view, offset)


def _write_zeros(descriptor: int, view: memoryview, offset: int) -> None:
    """Where nothing was ever written zeros need not be: holes stay holes, and cost no room. At both ends, what is no
    whole unit of the file system may share one with a neighbour's bytes, and is written."""
    status = os.fstat(descriptor)
    unit = max(status.st_blksize, 1)
    start, end = -(-offset // unit) * unit, (offset + len(view)) // unit * unit
    if start < end <= status.st_size and _is_hole(descriptor, start, end):
        _write_all(descriptor, view[: start - offset], offset)
        _write_all(descriptor, view[end - offset :], end)
    else:
        _write_all(descriptor, view, offset)


def _write_all(descriptor: int, view: memoryview, offset: int) -> None:
    position = 0
    while position < len(view):
        position += os.pwrite(descriptor, view[position:], offset + position)


def _is_zero(view: memoryview) -> bool:
    """The first byte tells nearly always."""
    return view[0] == 0 and view[-1] == 0 and bytes(view).count(0) == len(view)


def _is_hole(descriptor: int, start: int, end: int) -> bool:
    """Whether nothing was ever written between, within the file's length."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    try:
        return os.lseek(descriptor, start, os.SEEK_DATA) >= end
    except OSError as error:
        return error.errno == errno.ENXIO


def _zero(descriptor: int, offset: int, length: int) -> None:
    if length <= 0:
        return
    try:
        linux.punch_hole(descriptor, offset, length)
    except OSError as error:
        if error.errno not in linux.UNSUPPORTED:
            raise
        os.pwrite(descriptor, bytes(length), offset)
