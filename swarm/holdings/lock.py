"""Locks between processes: `flock` on small files. The kernel drops them with the process, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from swarm.errors import InternalError

try:
    import fcntl
except ImportError:  # Windows: `open_home` says so; everything can be imported all the same.
    fcntl = None  # type: ignore[assignment]

CAN_LOCK = fcntl is not None


class Lock:
    """An exclusive lock on a file that may be removed by whoever holds it. Use `try_lock`; a context manager."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def try_lock(path: Path | bytes) -> Lock | None:
    """Takes the lock now, or returns None: somebody has it. The file is made where it is missing. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have removed the file between our open and our flock: then this lock is on nothing.
            if _is_still(descriptor, path):
                _write_owner(descriptor)
                return Lock(descriptor)
            os.close(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise


def owner(path: Path | bytes) -> int | None:
    """The process that took the lock last, for a message to people; None if that cannot be told."""
    try:
        with open(path, "rb") as file:
            return int(file.read(20) or b"0") or None
    except (OSError, ValueError):
        return None


@contextmanager
def lock_waiting(path: Path, *, exclusive: bool) -> Iterator[None]:
    """Holds a shared or exclusive lock on a file that is never removed. Blocks for as long as others take."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _is_still(descriptor: int, path: Path | bytes) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _write_owner(descriptor: int) -> None:
    data = str(os.getpid()).encode()
    os.ftruncate(descriptor, 0)
    if os.pwrite(descriptor, data, 0) != len(data):
        raise InternalError("a lock file could not be written")
