"""How an untouched file is told from a touched one without reading it: size, mtime, ctime and inode number.

A restored mtime does not help an editor: the ctime cannot be set. A page written by mmap may change the times only
later, which is why what is read is also hashed again before anybody else sees it.
"""

from __future__ import annotations

import os
import stat
from array import array

from swarm.dataset.entries import Signature, signature_of

FIELDS = 4
MASK = (1 << 64) - 1

UNKNOWN = Signature(-1, 0, 0, 0)
"""Matches no file: of entries that are no files, of files that are not held, or are known to have been touched."""


def is_untouched(signature: Signature, status: os.stat_result) -> bool:
    """Whether `status` is of a regular file that nobody touched since `signature` was taken."""
    return stat.S_ISREG(status.st_mode) and signature_of(status) == signature


class Signatures:
    """One signature per entry of a version, 32 bytes each, kept as one value in the index."""

    __slots__ = ("_values",)

    def __init__(self, count: int) -> None:
        self._values = array("q", UNKNOWN) * count

    @classmethod
    def from_bytes(cls, data: bytes) -> Signatures:
        """Raises ValueError where the length is not a whole number of signatures."""
        found = cls(0)
        found._values.frombytes(data)
        if len(found._values) % FIELDS:
            raise ValueError(f"{len(data)} bytes are not whole signatures")
        return found

    def to_bytes(self) -> bytes:
        return self._values.tobytes()

    def __len__(self) -> int:
        return len(self._values) // FIELDS

    def __getitem__(self, number: int) -> Signature:
        values = self._values[number * FIELDS : number * FIELDS + FIELDS]
        return Signature(values[0], values[1], values[2], values[3] & MASK)

    def __setitem__(self, number: int, signature: Signature) -> None:
        values = (signature.size, signature.mtime_ns, signature.ctime_ns, _signed(signature.inode))
        self._values[number * FIELDS : number * FIELDS + FIELDS] = array("q", values)

    def inodes(self) -> list[int]:
        """Of every entry, in order; of those that are not known some number that no file has."""
        return [
            value & MASK if size >= 0 else -1
            for size, value in zip(self._values[0::4], self._values[3::4], strict=True)
        ]

    def is_known(self, number: int) -> bool:
        """Whether the file was right when it was last looked at."""
        return self._values[number * FIELDS] >= 0

    def forget(self, number: int) -> None:
        """The file is no longer what it was."""
        self[number] = UNKNOWN


def _signed(inode: int) -> int:
    """Inode numbers are 64 bits without a sign (FUSE uses them all); SQLite and `array("q")` want a sign."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode
