"""The kernel calls that Python does not offer: exchange two trees, sync a file system, punch a hole, clone a file.

Importing this works everywhere. Where the kernel, the C library or the file system cannot do a thing, the call
raises OSError with ENOSYS, EINVAL or EOPNOTSUPP, and the caller takes its slower way.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Callable
from functools import cache

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
FALLOC_KEEP_SIZE = 1
FALLOC_PUNCH_HOLE = 2
FICLONE = 0x40049409
BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"

# C libraries older than the call (glibc 2.27, musl 1.1) reach it by its number.
_RENAMEAT2_NUMBERS = {"x86_64": 316, "aarch64": 276, "riscv64": 276, "ppc64le": 357, "s390x": 347, "armv7l": 382}

# Whatever errno says that a file system, kernel or sandbox does not have the call at all, or not here.
UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY})


def exchange(directory: int, name: bytes, other_directory: int, other_name: bytes) -> None:
    """Swaps two names atomically (both must exist): `renameat2(RENAME_EXCHANGE)`, Linux 3.15. Raises OSError."""
    _renameat2(directory, name, other_directory, other_name, RENAME_EXCHANGE)


def rename_to_free_name(directory: int, name: bytes, other_directory: int, other_name: bytes) -> None:
    """Renames, and raises FileExistsError where the new name is taken: `renameat2(RENAME_NOREPLACE)`.

    Where the file system has no such call, `rename` follows a look: a race of our own making is excluded by the
    lock on DEST, and rename(2) never replaces a directory that has something in it.
    """
    try:
        _renameat2(directory, name, other_directory, other_name, RENAME_NOREPLACE)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        if _exists(other_directory, other_name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fsdecode(other_name)) from None
        os.rename(name, other_name, src_dir_fd=directory, dst_dir_fd=other_directory)


def sync_file_system(descriptor: int) -> None:
    """Puts everything written to the file system of `descriptor` on its disk: `syncfs`, else `sync`."""
    call = _function("syncfs", ctypes.c_int)
    if call is None:
        os.sync()
        return
    _check(call(descriptor))


def punch_hole(descriptor: int, offset: int, length: int) -> None:
    """Makes a range of a file read as zeros and gives its room back. Raises OSError where that cannot be done."""
    call = _function("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    _check(call(descriptor, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, offset, length))


def clone(source: int, target: int) -> None:
    """Makes the open file `target` share the bytes of `source`, whole, until one of them is written to: `FICLONE`,
    Linux 4.5, on btrfs, XFS and some others. Raises OSError; EXDEV where they are on two file systems."""
    sys.audit("swarm.step", "clone")
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import fcntl  # noqa: PLC0415  # not on every system

    fcntl.ioctl(target, FICLONE, source)


@cache
def boot_id() -> bytes:
    """16 bytes that name this run of the kernel: what the page cache holds is only lost with it.

    Where there is none (not Linux), bytes that no other process has: every run then verifies what is staged again.
    """
    try:
        with open(BOOT_ID_PATH, "rb") as file:
            return bytes.fromhex(file.read().decode().strip().replace("-", ""))
    except (OSError, ValueError):
        return os.urandom(16)


def _renameat2(directory: int, name: bytes, other_directory: int, other_name: bytes, flags: int) -> None:
    sys.audit("swarm.renameat2", name, other_name, flags)
    arguments = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    call = _function("renameat2", *arguments)
    if call is not None:
        _check(call(directory, name, other_directory, other_name, flags))
        return
    number = _RENAMEAT2_NUMBERS.get(platform.machine())
    syscall = _function("syscall", ctypes.c_long, *arguments) if sys.platform == "linux" and number else None
    if syscall is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    _check(syscall(number, directory, name, other_directory, other_name, flags))


@cache
def _function(name: str, *arguments: type) -> Callable[..., int] | None:
    """The C library's function, or None on another system or an older library."""
    if sys.platform != "linux":
        return None
    found = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if found is None:
        return None
    found.argtypes = arguments
    found.restype = ctypes.c_int
    return found  # type: ignore[no-any-return]


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _exists(directory: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
