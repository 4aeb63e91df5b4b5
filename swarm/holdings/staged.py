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
from collections.abc import Callable, Iterable

from swarm.dataset.entries import Signature, signature_of
from swarm.dataset.layout import Piece
from swarm.errors import VerificationError
from swarm.holdings import linux
from swarm.holdings.area import MARGINS, TREE
from swarm.holdings.descriptors import Descriptors
from swarm.holdings.file_bytes import clear, read_exactly, write
from swarm.holdings.relinked import Relinked
from swarm.holdings.scope import Scope
from swarm.holdings.signature import Signatures, is_untouched
from swarm.holdings.tree import Tree
from swarm.protocol.ids import digest

KEPT_OPEN_BYTES_MIN = 1 << 20
"""Smaller files are opened for each block: hardly one is touched twice, and thousands would drive the others out."""

_MARGINS = -1

NO_LINKS = linux.UNSUPPORTED | {
    *(errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ETXTBSY)
}
"""Another file system, one without links or clones, a file of somebody else's, one that has gone: it is copied."""


class StagedFiles:
    """`area` is the staging area's directory. Methods raise OSError. `is_ours` False: another process's, only read."""

    def __init__(self, area: bytes, scope: Scope, *, is_ours: bool = True, relinked: Relinked | None = None) -> None:
        self._is_ours = is_ours
        self.tree = Tree(area + b"/" + TREE)
        self._area = Tree(area)
        self._scope = scope
        self._layout = scope.body.layout
        self._open = Descriptors()
        self._moved_to: Tree | None = None
        self.linked = Signatures(len(scope.version.entries))
        """Of files that another tree has too, by a hard link. They are right as they are, and never written to."""
        self.relinked = Relinked() if relinked is None else relinked
        self._links = 0

    # --- files that are here already ------------------------------------------------------------

    def link(self, number: int, source: Tree, path: bytes, known: Signature) -> bool:
        """The file is also that of another tree, which must be as it was `known`. False where it is not, or where
        there can be no link."""
        target = self._path(number)
        self._make_way(number)
        try:
            before = source.stat(path).status
            if not is_untouched(known, before):
                return False
            self.relinked.note(before)
            _in_place(self.tree, target, lambda: source.hard_link(path, self.tree, target))
            after = self.tree.stat(target).status
        except OSError as error:
            if error.errno in NO_LINKS:
                return False
            raise
        if not self.relinked.is_only_relinked(known, after):
            # Another file took its name in between, or it was written to.
            self.tree.unlink(target)
            return False
        self.linked[number] = signature_of(after)
        self._links += 1
        return True

    def clone(self, number: int, source: Tree, path: bytes, known: Signature) -> bool:
        """The file shares the bytes of another one, which is as it was `known`, until either is written to; it is as
        long as it has to be. False where that is not, or where there can be no such thing."""
        self._make_way(number)
        try:
            descriptor = source.open(path, os.O_RDONLY)
        except OSError as error:
            if error.errno in NO_LINKS:
                return False
            raise
        try:
            return self._clone(number, descriptor, known)
        finally:
            os.close(descriptor)

    def _clone(self, number: int, source: int, known: Signature) -> bool:
        if not is_untouched(known, os.fstat(source)):
            return False
        path = self._path(number)
        target = self.tree.create(path, os.O_RDWR | os.O_EXCL)
        is_cloned = False
        try:
            linux.clone(source, target)
            os.ftruncate(target, self._layout.size(number))
            is_cloned = is_untouched(known, os.fstat(source))
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
        finally:
            os.close(target)
            if not is_cloned:
                self.tree.unlink(path)
        return is_cloned

    def changed_links(self) -> list[int]:
        """Files that another tree has too and that were written to, by whoever has them there."""
        found: list[int] = []
        for number in self._scope.taken if self._links else ():
            if self.linked.is_known(number):
                here = self.tree.find(self._path(number))
                if here is None or not is_untouched(self.linked[number], here.status):
                    found.append(number)
        return found

    def drop_links(self, numbers: Iterable[int]) -> set[int]:
        """Takes linked files out that turned out to be wrong. Returns the blocks that have bytes of them."""
        lost: set[int] = set()
        for number in numbers:
            self._make_way(number)
            start = self._layout.start(number)
            lost.update(self._scope.body.overlapping(start, start + self._layout.size(number)))
        return lost

    def links_of(self, block: int) -> list[int]:
        """The linked files that have bytes of a block."""
        pieces = [piece for _offset, pieces in self._places(block) for piece in pieces]
        return sorted({piece.number for piece in pieces if self.linked.is_known(piece.number)})

    def _make_way(self, number: int) -> None:
        self._open.forget(number)
        self.linked.forget(number)
        found = self.tree.find(self._path(number))
        if found is not None:
            self.relinked.note_unlink(found.status)
            self.tree.unlink(found.path)

    # --- blocks ---------------------------------------------------------------------------------

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
                if self.linked.is_known(piece.number):
                    pass
                elif piece.number in self._scope.taken:
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

    def is_whole(self, block: int) -> bool:
        """Whether all places of a block have its bytes."""
        return all(self._read_place(block, offset, pieces) is not None for offset, pieces in self._places(block))

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
                write(descriptor, part, piece.offset)
            return
        descriptor = self._create(piece.number, is_complete=piece.length == size)
        try:
            write(descriptor, part, piece.offset)
        finally:
            os.close(descriptor)

    def _write_margin(self, offset: int, part: memoryview) -> None:
        flags = os.O_RDWR | os.O_CREAT
        with self._open.borrow(_MARGINS, lambda: self._area.open(MARGINS, flags)) as descriptor:
            write(descriptor, part, offset)

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
        if self._layout.size(piece.number) >= KEPT_OPEN_BYTES_MIN:
            with self._open.borrow(piece.number, lambda: self._open_file(piece.number)) as descriptor:
                return read_exactly(descriptor, piece.length, piece.offset)
        descriptor = self._open_file(piece.number)
        try:
            return read_exactly(descriptor, piece.length, piece.offset)
        finally:
            os.close(descriptor)

    def _open_file(self, number: int) -> int:
        """For reading and writing: the same descriptor may be borrowed for either. What is linked is only read."""
        path, is_written = self._path(number), self._is_ours and not self.linked.is_known(number)
        try:
            return self.tree.open(path, os.O_RDWR if is_written else os.O_RDONLY)
        except FileNotFoundError:
            if self._moved_to is None:
                raise
            return self._moved_to.open(path, os.O_RDONLY)
        except PermissionError:
            if not is_written:
                raise
            self.tree.set_mode(path, 0o600)
            return self.tree.open(path, os.O_RDWR)

    def _open_margins(self) -> int:
        return self._area.open(MARGINS, os.O_RDWR if self._is_ours else os.O_RDONLY)

    def _clear(self, pieces: list[Piece]) -> None:
        """Makes the bytes of staged files read as zeros."""
        for piece in pieces:
            if piece.number not in self._scope.taken or self.linked.is_known(piece.number):
                continue
            try:
                descriptor = self._open_file(piece.number)
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                clear(descriptor, piece.offset, min(piece.length, os.fstat(descriptor).st_size - piece.offset))
            finally:
                os.close(descriptor)


def _in_place(tree: Tree, path: bytes, make: Callable[[], None]) -> None:
    """Makes a file, and the directories above it where they are missing."""
    try:
        make()
    except FileNotFoundError:
        tree.make_directories(path.rpartition(b"/")[0])
        make()
