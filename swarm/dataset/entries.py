"""What a scan finds, as plain values: the entries of a version to be, and where they are on this machine."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from swarm.dataset.layout import Layout
from swarm.dataset.mtime import MtimeRule
from swarm.dataset.selection import Selection
from swarm.errors import PermissionError_, SourceChangedError
from swarm.protocol.pages import Kind

LinkRule = Literal["keep", "follow", "skip"]

NAMES_SHOWN = 10
"""An error names this many paths and counts the others."""


VANISHED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE}
"""What the system says of a path that was another kind of thing, or there, a moment ago."""


class Signature(NamedTuple):
    """What changes when a regular file does. Who edits a file can set mtime back, but not ctime."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What is taken, and what is kept of it."""

    selection: Selection = field(default_factory=Selection)
    links: LinkRule = "keep"
    skip_special: bool = False
    mtime: MtimeRule = "keep"


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One entry of the version to be. `mtime_ns` is what the version will say, `signature` (of files) what is there."""

    path: bytes
    kind: Kind
    mode: int
    size: int
    mtime_ns: int | None
    target: bytes | None
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class Scan:
    """Entries in the order of their paths' bytes. `root` is absolute; with `is_file` it is the only entry itself."""

    root: bytes
    is_file: bool
    entries: tuple[SourceEntry, ...]
    options: ScanOptions
    skipped: tuple[bytes, ...] = ()
    """Symlinks and special files that were left out, by --links skip and --skip-special."""

    def os_path(self, entry: SourceEntry) -> bytes:
        """Where the entry is on this machine."""
        return self.root if self.is_file else self.root + b"/" + entry.path

    def layout(self) -> Layout:
        """File number = entry number: directories and symlinks have no bytes."""
        return Layout(entry.size for entry in self.entries)

    @property
    def total_bytes(self) -> int:
        """Bytes of the stream."""
        return sum(entry.size for entry in self.entries)

    @property
    def file_count(self) -> int:
        """Regular files only."""
        return sum(entry.kind is Kind.FILE for entry in self.entries)


def signature_of(status: os.stat_result) -> Signature:
    """The signature of a regular file's status."""
    return Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def show(path: bytes) -> str:
    """A path for a person: control characters, and bytes that are not UTF-8, as escapes."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def name_some(names: list[str]) -> str:
    """The first few for an error, and how many there are besides."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def source_changed(paths: list[bytes]) -> SourceChangedError:
    """The error that says which files did not hold still."""
    return SourceChangedError(
        f"changed while being published: {name_some([show(path) for path in paths])}",
        hint="no tag was moved; publish again when nothing writes there, or publish a snapshot",
    )


def cannot_read(path: bytes, error: OSError) -> SourceChangedError | PermissionError_:
    """What a failed system call says of a file that was found before."""
    if error.errno in VANISHED:
        return source_changed([path])
    return PermissionError_(f"cannot read {show(path)}: {error.strerror}")
