"""The files below a directory in the order of their keys' bytes, as S3 lists them. Called by `directory` only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

NOT_A_DATASET = "lost+found"
"""mkfs puts it into the root of every ext file system."""


def walk(root: Path, prefix: str, after: str, *, hidden: set[str]) -> Iterator[tuple[str, os.stat_result]]:
    """(key, status) of everything below `prefix` that is no directory and comes after `after`; nothing if not there.

    Lazy: a caller that stops early reads no further directory. Symbolic links are entries, never followed.
    """
    try:
        directory = _open(root, prefix)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        yield from _below(directory, prefix, after, hidden | {NOT_A_DATASET} if not prefix else set())
    finally:
        os.close(directory)


def _open(root: Path, prefix: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    directory = os.open(root, flags)
    for part in filter(None, prefix.split("/")):
        try:
            below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=directory)
        finally:
            os.close(directory)
        directory = below
    return directory


def _below(directory: int, prefix: str, after: str, hidden: set[str]) -> Iterator[tuple[str, os.stat_result]]:
    for key, status in _entries(directory, prefix, after, hidden):
        if status is not None:
            yield key, status
            continue
        with suppress(FileNotFoundError):
            name = key.rstrip("/").rpartition("/")[2]
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                yield from _below(below, key, after, set())
            finally:
                os.close(below)


def _entries(directory: int, prefix: str, after: str, hidden: set[str]) -> list[tuple[str, os.stat_result | None]]:
    """One directory, sorted. A directory has no status, and a `/` at its end: there S3 would sort its objects."""
    found: list[tuple[str, os.stat_result | None]] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            key = prefix + entry.name
            if entry.name in hidden:
                continue
            if entry.is_dir(follow_symlinks=False):
                # Everything inside begins with the directory's own key, so all of it may be before `after`.
                if f"{key}/" > after or after.startswith(f"{key}/"):
                    found.append((f"{key}/", None))
            elif key > after:
                with suppress(FileNotFoundError):  # a temporary, or another process's delete
                    found.append((key, entry.stat(follow_symlinks=False)))
    return sorted(found, key=lambda item: os.fsencode(item[0]))
