"""The entries of a version to be from a flat listing of objects: keys become paths, their parts directories. Pure.

A listing knows neither modes nor directories: files get 0644 and directories 0755, as a umask of 022 makes them, so
that a directory and a copy of it in a bucket are the same content. A directory is as new as the newest thing below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from swarm.dataset.entries import Scan, ScanOptions, SourceEntry, name_some, show
from swarm.dataset.mtime import kept_time
from swarm.dataset.walk import OWN_DIRECTORY
from swarm.errors import UnsafeManifestError, UsageError
from swarm.protocol.bounds import FILES_MAX
from swarm.protocol.pages import Kind
from swarm.protocol.paths import check_path

FILE_MODE, DIRECTORY_MODE = 0o644, 0o755


class Listed(NamedTuple):
    """An object as its listing has it. `path` is the key below the prefix."""

    path: bytes
    size: int
    mtime_ns: int


def scan_listing(root: bytes, listed: Sequence[Listed], options: ScanOptions, *, is_single: bool = False) -> Scan:
    """What is published of `listed`, which is in any order. `root` is the prefix, for a person.

    Objects whose key ends in `/` are a console's folders: they are directories, and must be empty. Raises UsageError
    that names the keys that no path can be, unless `skip_special` leaves them out.
    """
    files, folders, bad = _sorted_out(listed, options)
    if len(files) > FILES_MAX:
        raise UsageError(f"more than {FILES_MAX} objects", hint="publish them as several datasets")
    bad += _below_files(files, folders)
    if bad and not options.skip_special:
        raise UsageError(
            f"keys that no path of a dataset can be: {name_some([show(path) for path in sorted(bad)])}",
            hint="leave them out with --exclude or --skip-special",
        )
    files = {path: found for path, found in files.items() if path not in set(bad)}
    entries = [*_directories(files, folders, options), *(_file(found, options) for found in files.values())]
    entries.sort(key=lambda entry: entry.path)
    return Scan(root, is_single, tuple(entries), options, tuple(sorted(bad)))


def _sorted_out(
    listed: Iterable[Listed], options: ScanOptions
) -> tuple[dict[bytes, Listed], dict[bytes, Listed], list[bytes]]:
    """Files and folders by path, and keys that cannot be paths; of what is selected."""
    files: dict[bytes, Listed] = {}
    folders: dict[bytes, Listed] = {}
    bad: list[bytes] = []
    for found in listed:
        is_folder = found.path.endswith(b"/") and not found.size
        path = found.path[:-1] if is_folder else found.path
        if _is_own(path) or not _is_selected(path, options, is_directory=is_folder):
            continue
        if not _is_path(path):
            bad.append(found.path)
        else:
            (folders if is_folder else files)[path] = found
    return files, folders, bad


def _is_own(path: bytes) -> bool:
    return path == OWN_DIRECTORY or path.startswith(OWN_DIRECTORY + b"/")


def _is_selected(path: bytes, options: ScanOptions, *, is_directory: bool) -> bool:
    return bool(path) and options.selection.takes(path, is_directory=is_directory)


def _is_path(path: bytes) -> bool:
    try:
        check_path(path)
    except UnsafeManifestError:
        return False
    return True


def _below_files(files: dict[bytes, Listed], folders: dict[bytes, Listed]) -> list[bytes]:
    """Objects whose key is also a directory of others: a bucket can hold both, a file system cannot."""
    above = {parent for path in (*files, *folders) for parent in _parents(path)} | folders.keys()
    return [path for path in files if path in above]


def _directories(
    files: dict[bytes, Listed], folders: dict[bytes, Listed], options: ScanOptions
) -> Iterator[SourceEntry]:
    newest = {path: found.mtime_ns for path, found in folders.items()}
    for path, found in (*files.items(), *folders.items()):
        for parent in _parents(path):
            newest[parent] = max(newest.get(parent, found.mtime_ns), found.mtime_ns)
    for path, mtime_ns in newest.items():
        time = kept_time(options.mtime, mtime_ns)
        yield SourceEntry(path, Kind.DIRECTORY, DIRECTORY_MODE, 0, time, None, None)


def _file(found: Listed, options: ScanOptions) -> SourceEntry:
    time = kept_time(options.mtime, found.mtime_ns)
    return SourceEntry(found.path, Kind.FILE, FILE_MODE, found.size, time, None, None)


def _parents(path: bytes) -> Iterator[bytes]:
    cut = path.rfind(b"/")
    while cut > 0:
        yield path[:cut]
        cut = path.rfind(b"/", 0, cut)
