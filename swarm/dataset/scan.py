"""What a directory (or a single file) holds, as the entries of a version: paths, kinds, modes, times, and a signature
of each file by which a later change is noticed. Reads no file's bytes; runs in a thread.
"""

# Paths are bytes, which pathlib does not know.
# ruff: noqa: PTH100, PTH115, PTH116, PTH119

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from swarm.dataset.entries import (
    Scan,
    ScanOptions,
    SourceEntry,
    cannot_read,
    show,
    signature_of,
    source_changed,
)
from swarm.dataset.links import refusal, relative_target, tidy_target
from swarm.dataset.mtime import check_rule, kept_time
from swarm.dataset.walk import Complaints, Found, walk
from swarm.errors import NotFoundError, PermissionError_, SourceChangedError, UsageError
from swarm.protocol.bounds import FILES_MAX
from swarm.protocol.pages import Kind

TICK_ENTRIES = 1000
"""How often a scan says how far it is, and can be cancelled: every few milliseconds."""

Tick = Callable[[int], None]
"""Called with the number of entries found so far. May raise, to cancel."""

SPECIAL_NAMES = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


def scan(path: Path | bytes, options: ScanOptions | None = None, tick: Tick | None = None) -> Scan:
    """Everything under `path` (a symlink given as PATH itself is followed).

    Raises NotFoundError, PermissionError_ (what cannot be read), UsageError (special files, symlinks that leave the
    dataset, too much), SourceChangedError (it changes while it is looked at). Each names what it is about.
    """
    root = os.path.abspath(os.fsencode(path))
    options = options or ScanOptions()
    check_rule(options.mtime)
    return _Scanning(root, options, tick or _no_tick).run()


def check_unchanged(found: Scan, tick: Tick | None = None) -> None:
    """Looks again. Raises SourceChangedError, naming what was changed, added or removed since `found`."""
    try:
        now = scan(found.root, found.options, tick)
    except (NotFoundError, PermissionError_, UsageError) as error:
        raise SourceChangedError(f"the data changed while it was being published: {error.message}") from error
    if found.entries == now.entries:
        return
    before = {entry.path: _facts(entry) for entry in found.entries}
    after = {entry.path: _facts(entry) for entry in now.entries}
    differing = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if differing:
        raise source_changed(differing)


def _facts(entry: SourceEntry) -> SourceEntry:
    """A directory's times change when a file beside the published ones comes and goes; that changes no byte of ours."""
    return replace(entry, mtime_ns=None) if entry.kind is Kind.DIRECTORY else entry


def _no_tick(_count: int) -> None:
    pass


class _Scanning:
    """One scan: turns what the walk finds into entries, and keeps what is wrong for one error at the end."""

    def __init__(self, root: bytes, options: ScanOptions, tick: Tick) -> None:
        self._root = root
        self._options = options
        self._tick = tick
        self._complaints = Complaints(follows=options.links == "follow")
        self._skipped: list[bytes] = []

    def run(self) -> Scan:
        status = _status_of_root(self._root)
        is_file = not stat.S_ISDIR(status.st_mode)
        if is_file:
            found: Iterable[Found] = [Found(os.path.basename(self._root), status)]
        else:
            found = walk(self._root, status, self._options, self._complaints)
        entries = self._needed(self._entries(found, is_file=is_file))
        self._complaints.raise_any()
        return Scan(self._root, is_file, tuple(entries), self._options, tuple(sorted(self._skipped)))

    def _entries(self, items: Iterable[Found], *, is_file: bool) -> list[SourceEntry]:
        entries: list[SourceEntry] = []
        for count, found in enumerate(items, 1):
            entry = self._entry(found, self._root if is_file else self._root + b"/" + found.path)
            if entry:
                entries.append(entry)
            if count % TICK_ENTRIES == 0:
                self._tick(len(entries))
            if len(entries) > FILES_MAX:
                raise UsageError(f"more than {FILES_MAX} entries", hint="publish it as several datasets")
        entries.sort(key=lambda entry: entry.path)
        return entries

    def _entry(self, found: Found, full: bytes) -> SourceEntry | None:
        mode = found.status.st_mode
        if stat.S_ISDIR(mode):
            return self._make(found, Kind.DIRECTORY)
        if not self._options.selection.takes(found.path, is_directory=False):
            return None
        if stat.S_ISREG(mode):
            return self._file(found, full)
        if stat.S_ISLNK(mode):
            return self._link(found, full)
        self._special(found)
        return None

    def _file(self, found: Found, full: bytes) -> SourceEntry:
        if not os.access(full, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            self._complaints.unreadable.append(show(found.path))
        return self._make(found, Kind.FILE)

    def _link(self, found: Found, full: bytes) -> SourceEntry | None:
        if self._options.links == "skip":
            self._skipped.append(found.path)
            return None
        try:
            raw = os.readlink(full)
        except OSError as error:
            raise cannot_read(found.path, error) from error
        target = tidy_target(raw)
        reason = refusal(found.path, target)
        if reason:
            better = relative_target(found.path, raw, self._root)
            advice = f"; as a relative one it would be {show(better)}" if better else ""
            self._complaints.links.append(f"{show(found.path)} -> {show(raw)} {reason}{advice}")
        return self._make(found, Kind.SYMLINK, target)

    def _special(self, found: Found) -> None:
        if self._options.skip_special:
            self._skipped.append(found.path)
        else:
            name = SPECIAL_NAMES.get(stat.S_IFMT(found.status.st_mode), "special file")
            self._complaints.special.append(f"{show(found.path)} ({name})")

    def _make(self, found: Found, kind: Kind, target: bytes | None = None) -> SourceEntry:
        status, is_file = found.status, kind is Kind.FILE
        return SourceEntry(
            path=found.path,
            kind=kind,
            mode=0o777 if kind is Kind.SYMLINK else stat.S_IMODE(status.st_mode) & 0o777,
            size=status.st_size if is_file else 0,
            mtime_ns=kept_time(self._options.mtime, status.st_mtime_ns),
            target=target,
            signature=signature_of(status) if is_file else None,
        )

    def _needed(self, entries: list[SourceEntry]) -> Iterator[SourceEntry]:
        """Without the directories that are neither selected nor above anything that is."""
        if self._options.selection.is_everything:
            return iter(entries)
        above = {parent for entry in entries if entry.kind is not Kind.DIRECTORY for parent in _parents(entry.path)}
        chosen = [entry for entry in entries if entry.kind is Kind.DIRECTORY and self._is_selected(entry)]
        above.update(parent for entry in chosen for parent in (entry.path, *_parents(entry.path)))
        return (entry for entry in entries if entry.kind is not Kind.DIRECTORY or entry.path in above)

    def _is_selected(self, entry: SourceEntry) -> bool:
        return self._options.selection.takes(entry.path, is_directory=True)


def _parents(path: bytes) -> Iterator[bytes]:
    cut = path.rfind(b"/")
    while cut > 0:
        yield path[:cut]
        cut = path.rfind(b"/", 0, cut)


def _status_of_root(root: bytes) -> os.stat_result:
    try:
        return os.stat(root)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"there is no file or directory {show(root)}") from error
    except OSError as error:
        raise PermissionError_(f"cannot look at {show(root)}: {error.strerror}") from error
