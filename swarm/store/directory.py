"""Objects as files below one directory: a disk, NFS, or anything that is mounted. Safe with several processes.

A file gets its name only when its bytes are on the disk: a temporary is written and synced, then linked (create) or
renamed (put), and the directory is synced. Paths are walked by descriptors without following symbolic links, so that
nothing outside the root is ever read or written, whatever somebody plants inside. Modes follow the umask: with
`umask 002` and a set-group-id root, several users publish into one store.
"""

from __future__ import annotations

import os
import stat
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EISDIR, EMLINK, ENOENT, ENOSYS, ENOTDIR, ENOTSUP, EPERM
from itertools import islice
from pathlib import Path

import trio

from swarm.errors import CorruptError, MissingError, PermissionError_, UsageError
from swarm.store._directory_errors import os_errors
from swarm.store._directory_listing import walk
from swarm.store._objects import Body, CreateUnsupportedError, Listed, Page, Stat, check_key
from swarm.store._reading import Moved, Reading, in_thread, read_in_thread

TEMPORARY = ".tmp"
"""Where files are before they have a name; not part of the layout, never listed."""

TEMPORARY_LIFE_S = 24 * 3600.0
"""A temporary this old belongs to a process that was killed: no write takes a day."""

LIST_PAGE_OBJECTS = 65_536
"""Bounds the memory of a listing (some 10 MiB); each page walks its directories again."""

THREADS = 16
"""Calls at once: fsync of many files is fast only while the file system can commit them together."""

_NO_LINKS = {EPERM, ENOTSUP, ENOSYS, EMLINK}
"""What link(2) says where a file system has no hard links (FAT says EPERM)."""


class DirectoryObjects:
    """`root` need not exist: it is made by the first write."""

    def __init__(self, root: Path) -> None:
        self.url = root.absolute().as_uri()
        self._root = root.absolute()
        self._limiter = trio.CapacityLimiter(THREADS)
        self._is_swept = False

    async def get(self, key: str, *, max_bytes: int, moved: Moved | None = None) -> Body:
        return await read_in_thread(lambda reading: self._get(key, max_bytes, reading), self._limiter, moved)

    async def put(self, key: str, data: Body) -> None:
        await trio.to_thread.run_sync(self._put, key, data, limiter=self._limiter)

    async def create(self, key: str, data: Body) -> bool:
        return await trio.to_thread.run_sync(self._create, key, data, limiter=self._limiter)

    async def stat(self, key: str) -> Stat | None:
        return await in_thread(lambda: self._stat(key), self._limiter)

    async def list_page(self, prefix: str, *, after: str = "") -> Page:
        return await in_thread(lambda: self._list_page(prefix, after), self._limiter)

    async def delete(self, key: str) -> None:
        await trio.to_thread.run_sync(self._delete, key, limiter=self._limiter)

    @property
    def deletions_max(self) -> int:
        return 1

    async def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            await self.delete(key)

    async def presign(self, key: str, seconds: int) -> str | None:  # noqa: ARG002
        await trio.lowlevel.checkpoint()
        return None

    async def server_time(self) -> float:
        return await trio.to_thread.run_sync(self._server_time, limiter=self._limiter)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

    # --- in threads

    def _get(self, key: str, max_bytes: int, reading: Reading) -> bytearray:
        with os_errors(self.url, key), self._parent(key) as (directory, name):
            # O_NONBLOCK: a FIFO that somebody put here must not hold a thread for ever.
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
            try:
                return self._read(file, key, max_bytes, reading)
            finally:
                os.close(file)

    def _read(self, file: int, key: str, max_bytes: int, reading: Reading) -> bytearray:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise CorruptError(f"{key} in {self.url} is not a file")
        if status.st_size > max_bytes:
            raise CorruptError(f"{key} in {self.url} has {status.st_size} bytes, more than {max_bytes}")
        return reading.fill(lambda piece: os.readv(file, [piece]), status.st_size)

    def _put(self, key: str, data: Body) -> None:
        with os_errors(self.url, key), self._placing(key, data) as (source, temporary, directory, name):
            os.rename(temporary, name, src_dir_fd=source, dst_dir_fd=directory)
            os.fsync(directory)

    def _create(self, key: str, data: Body) -> bool:
        if self._stat(key) is not None:
            return False
        with os_errors(self.url, key), self._placing(key, data) as (source, temporary, directory, name):
            is_new = self._link(source, temporary, directory, name)
            os.fsync(directory)
            return is_new

    def _link(self, source: int, temporary: str, directory: int, name: str) -> bool:
        try:
            os.link(temporary, name, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)
        except FileExistsError:
            # NFS repeats a request whose answer was lost, and then fails though its first try made the link.
            return os.stat(temporary, dir_fd=source, follow_symlinks=False).st_nlink > 1
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise CreateUnsupportedError(f"the file system of {self.url} has no hard links") from error
            raise
        return True

    def _stat(self, key: str) -> Stat | None:
        with os_errors(self.url, key):
            try:
                with self._parent(key) as (directory, name):
                    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except MissingError:
                return None
            except OSError as error:
                if error.errno == ENOENT:
                    return None
                raise
        return Stat(status.st_size, status.st_mtime)

    def _list_page(self, prefix: str, after: str) -> Page:
        if self._root.exists() and not self._root.is_dir():
            raise not_a_directory(self.url)
        with os_errors(self.url, prefix):
            found = walk(self._root, prefix, after, hidden={TEMPORARY})
            some = tuple(islice(found, LIST_PAGE_OBJECTS + 1))
        listed = tuple(Listed(key, status.st_size, status.st_mtime) for key, status in some[:LIST_PAGE_OBJECTS])
        return Page(listed, is_last=len(some) <= LIST_PAGE_OBJECTS)

    def _delete(self, key: str) -> None:
        with (
            os_errors(self.url, key),
            suppress(MissingError, FileNotFoundError),
            self._parent(key) as (directory, name),
        ):
            os.unlink(name, dir_fd=directory)

    def _server_time(self) -> float:
        """A new file's; where none may be written, our own clock has to do: who only reads risks nothing by it."""
        try:
            with os_errors(self.url, TEMPORARY), self._temporary(b"") as (directory, name):
                return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime
        except PermissionError_:
            return time.time()

    # --- directories by descriptor

    @contextmanager
    def _parent(self, key: str, *, is_made: bool = False) -> Iterator[tuple[int, str]]:
        """The open directory of `key` and the last part. Raises MissingError if it is not there and not to be made."""
        *parts, name = check_key(key).split("/")
        directory = self._open_root(is_made=is_made)
        try:
            for part in parts:
                below = self._open_below(directory, part, key, is_made=is_made)
                os.close(directory)
                directory = below
            yield directory, name
        finally:
            os.close(directory)

    def _open_root(self, *, is_made: bool) -> int:
        try:
            if is_made:
                self._root.mkdir(parents=True, exist_ok=True)
            return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise MissingError(f"there is no {self.url}") from error
        except (NotADirectoryError, FileExistsError) as error:
            raise not_a_directory(self.url) from error

    def _open_below(self, directory: int, part: str, key: str, *, is_made: bool) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(part, flags, dir_fd=directory)
        except FileNotFoundError as error:
            if not is_made:
                raise MissingError(f"{self.url} has no {key}") from error
        except OSError as error:
            if error.errno in {ENOTDIR, EISDIR}:
                raise CorruptError(f"{part} of {key} in {self.url} is not a directory of its own") from error
            raise
        with suppress(FileExistsError):  # another process made it between the two calls
            os.mkdir(part, 0o777, dir_fd=directory)
        os.fsync(directory)
        return os.open(part, flags, dir_fd=directory)

    # --- temporaries

    @contextmanager
    def _placing(self, key: str, data: Body) -> Iterator[tuple[int, str, int, str]]:
        """A synced temporary and the place that it is for: two pairs of an open directory and a name in it."""
        with self._temporary(data) as source, self._parent(key, is_made=True) as target:
            yield *source, *target

    @contextmanager
    def _temporary(self, data: Body) -> Iterator[tuple[int, str]]:
        """A synced file without a name in the layout: its open directory and its name there. Gone at the end."""
        with self._parent(f"{TEMPORARY}/{uuid.uuid4().hex}", is_made=True) as (directory, name):
            try:
                _write(directory, name, data)
                self._sweep(directory, os.stat(name, dir_fd=directory).st_mtime)
                yield directory, name
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)

    def _sweep(self, directory: int, now: float) -> None:
        """Once per process: what killed writers left behind. `now` is the file system's."""
        if self._is_swept:
            return
        self._is_swept = True
        # Whoever cannot remove another user's remains does not fail for it.
        with suppress(OSError):
            for name in os.listdir(directory):
                if os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime < now - TEMPORARY_LIFE_S:
                    os.unlink(name, dir_fd=directory)


def not_a_directory(url: str) -> UsageError:
    return UsageError(f"{url} is a file", hint="a store is a directory: name one, or a path where one can be made")


def _write(directory: int, name: str, data: Body) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, 0o666, dir_fd=directory)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)
