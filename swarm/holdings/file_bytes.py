"""Bytes of one open file: read exactly, write all, leave zeros out, clear. Synchronous. Raises OSError."""

from __future__ import annotations

import errno
import os

from swarm.errors import VerificationError
from swarm.holdings import linux

HOLE_BYTES_MIN = 65_536
"""Fewer zeros are just written."""


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


def write(descriptor: int, view: memoryview, offset: int) -> None:
    """All of it. Many zeros where nothing was written yet stay a hole."""
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


def clear(descriptor: int, offset: int, length: int) -> None:
    """Makes a range read as zeros, and gives its room back where that can be."""
    if length <= 0:
        return
    try:
        linux.punch_hole(descriptor, offset, length)
    except OSError as error:
        if error.errno not in linux.UNSUPPORTED:
            raise
        os.pwrite(descriptor, bytes(length), offset)
