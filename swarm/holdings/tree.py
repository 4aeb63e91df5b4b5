"""Files below one directory, and never outside it: every part of every path is opened relative to the part above it
and without following links, so that a link that somebody planted in DEST or in staging leads nowhere.

Walking part by part was preferred to `openat2(RESOLVE_BENEATH)`: it works on every system, sandboxes often forbid
the newer call, and with the directories' descriptors kept it costs one `openat` a file just the same.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from typing import NamedTuple

from swarm.holdings.descriptors import Descriptors

DIRECTORIES_OPEN_MAX = 32
"""Files come in path order, so that the directories above the last one are nearly always the ones that are needed."""

# What a system does not have is left out: the module can be imported everywhere.
_PATH = getattr(os, "O_PATH", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_NO_BLOCK = getattr(os, "O_NONBLOCK", 0)
_DIRECTORY_FLAGS = _DIRECTORY | _CLOEXEC | _PATH


class Found(NamedTuple):
    """What a walk met: `path` relative to the tree, `status` of the thing itself (links are not followed)."""

    path: bytes
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


class Tree:
    """`root` is an absolute path, opened when it is first needed; paths are relative byte strings with `/`.

    From then on the tree is that directory, wherever it is renamed to: blocks can be read while DEST is exchanged.
    `follows_links` is for a producer's own directory that was published with `--links follow`. Methods raise OSError
    as the calls of `os` do; ELOOP or ENOTDIR where a link or a file stands in the place of a directory. Threads may
    share a tree.
    """

    def __init__(self, root: bytes, *, follows_links: bool = False) -> None:
        self.root = root
        self._follows_links = follows_links
        self._directories = Descriptors(DIRECTORIES_OPEN_MAX)
        self._lock = threading.Lock()
        self._top = -1

    def close(self) -> None:
        """Closes all descriptors. The next use opens what is at `root` then."""
        self._directories.close()
        with self._lock:
            if self._top >= 0:
                os.close(self._top)
                self._top = -1

    def open(self, path: bytes, flags: int, mode: int = 0o600) -> int:
        """A descriptor of the file. A FIFO put in its place does not block: the caller looks at what it has got."""
        if self._follows_links:
            return os.open(self.root + b"/" + path, flags | _CLOEXEC | _NO_BLOCK)
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            return os.open(name, flags | _NO_FOLLOW | _CLOEXEC | _NO_BLOCK, mode, dir_fd=directory)

    def create(self, path: bytes, flags: int, mode: int = 0o600) -> int:
        """As `open` with O_CREAT; missing directories above it are made (0700). EILSEQ where the file system cannot
        hold the name: those of other systems say EINVAL to `a:b` and the like."""
        try:
            try:
                return self.open(path, flags | os.O_CREAT, mode)
            except FileNotFoundError:
                self.make_directories(split(path)[0])
                return self.open(path, flags | os.O_CREAT, mode)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ), error.filename) from error
            raise

    def make_directories(self, path: bytes) -> None:
        """`path` and all above it exist as directories afterwards; new ones are 0700."""
        if not path:
            return
        try:
            self._mkdir(path)
        except FileExistsError:
            if not self.stat(path).is_directory:
                raise
        except FileNotFoundError:
            self.make_directories(split(path)[0])
            # Another thread may have made it meanwhile.
            self.make_directories(path)

    def stat(self, path: bytes) -> Found:
        if self._follows_links:
            return Found(path, os.stat(self.root + b"/" + path))
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            return Found(path, os.stat(name, dir_fd=directory, follow_symlinks=False))

    def find(self, path: bytes) -> Found | None:
        """As `stat`, and None where there is nothing, or a link or a file on the way to it."""
        try:
            return self.stat(path)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                return None
            raise

    def read_link(self, path: bytes) -> bytes:
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            return os.readlink(name, dir_fd=directory)

    def link(self, path: bytes, target: bytes) -> None:
        """Makes a symlink; whatever file or link has the name already is replaced."""
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            try:
                os.symlink(target, name, dir_fd=directory)
            except FileExistsError:
                os.unlink(name, dir_fd=directory)
                os.symlink(target, name, dir_fd=directory)

    def set_mode(self, path: bytes, mode: int) -> None:
        """Of a file or a directory, also of one that forbids us to open it; never through a link."""
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            descriptor = os.open(name, _NO_FOLLOW | _CLOEXEC | _PATH, dir_fd=directory)
            try:
                # An O_PATH descriptor names the file without needing its permission, but fchmod wants a real one.
                os.chmod(f"/proc/self/fd/{descriptor}" if _PATH else descriptor, mode)
            finally:
                os.close(descriptor)

    def set_mtime(self, path: bytes, mtime_ns: int) -> None:
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=directory, follow_symlinks=False)

    def unlink(self, path: bytes) -> None:
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            os.unlink(name, dir_fd=directory)

    def rmdir(self, path: bytes) -> None:
        self._directories.forget(path)
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            os.rmdir(name, dir_fd=directory)

    def move(self, path: bytes, other: Tree, other_path: bytes) -> None:
        """Renames into another tree (or this one) of the same file system; a file there is replaced atomically."""
        above, name = split(path)
        other_above, other_name = split(other_path)
        with (
            self._directories.borrow(above, lambda: self._open_directory(above)) as directory,
            other._directories.borrow(other_above, lambda: other._open_directory(other_above)) as other_directory,
        ):
            os.rename(name, other_name, src_dir_fd=directory, dst_dir_fd=other_directory)

    def hard_link(self, path: bytes, other: Tree, other_path: bytes) -> None:
        """Gives a file of this tree a second name in another one of the same file system, where nothing has it."""
        above, name = split(path)
        other_above, other_name = split(other_path)
        with (
            self._directories.borrow(above, lambda: self._open_directory(above)) as directory,
            other._directories.borrow(other_above, lambda: other._open_directory(other_above)) as other_directory,
        ):
            os.link(name, other_name, src_dir_fd=directory, dst_dir_fd=other_directory, follow_symlinks=False)

    def walk(self, below: bytes = b"") -> Iterator[Found]:
        """Everything below a directory, each directory before what is in it; names in order within a directory."""
        for name in self.names(below):
            path = below + b"/" + name if below else name
            found = self.find(path)
            if found is None:
                continue
            yield found
            if found.is_directory:
                yield from self.walk(path)

    def names(self, path: bytes = b"") -> list[bytes]:
        """What is directly in a directory, sorted."""
        return [name for name, _is_directory in self.listing(path)]

    def listing(self, path: bytes = b"") -> list[tuple[bytes, bool]]:
        """As `names`, with whether it is a directory (not a link to one)."""
        with self._directories.borrow(path, lambda: self._open_directory(path)) as directory:
            descriptor = os.open(b".", os.O_RDONLY | _DIRECTORY | _CLOEXEC, dir_fd=directory)
            try:
                with os.scandir(descriptor) as found:
                    return sorted((os.fsencode(each.name), each.is_dir(follow_symlinks=False)) for each in found)
            finally:
                os.close(descriptor)

    def _mkdir(self, path: bytes) -> None:
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            os.mkdir(name, 0o700, dir_fd=directory)

    def _open_directory(self, path: bytes) -> int:
        if not path:
            return self._open_top()
        above, name = split(path)
        with self._directories.borrow(above, lambda: self._open_directory(above)) as directory:
            return os.open(name, _DIRECTORY_FLAGS | _NO_FOLLOW, dir_fd=directory)

    def _open_top(self) -> int:
        with self._lock:
            if self._top < 0:
                self._top = os.open(self.root, _DIRECTORY_FLAGS)
            return os.dup(self._top)


def split(path: bytes) -> tuple[bytes, bytes]:
    """(the directory above, the last part)."""
    above, _, name = path.rpartition(b"/")
    return above, name
