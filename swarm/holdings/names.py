"""Whether a file system can hold a version's names: some fold case, some fold Unicode forms. Looked at before a byte.

On such a system two names of a version may be one file, and the second would overwrite the first.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress

from swarm.errors import UsageError
from swarm.holdings.oserror import shown

TWINS_SHOWN = 3

_PROBES: tuple[tuple[str, str], ...] = (("probe-case", "PROBE-CASE"), ("probe-\u00e9", "probe-e\u0301"))


def check_names(directory: bytes, paths: Iterable[bytes]) -> None:
    """Raises UsageError where two of `paths` are one on the file system of `directory`, in which it may write."""
    folds_case, folds_forms = (_is_one(directory, *pair) for pair in _PROBES)
    if not folds_case and not folds_forms:
        return
    twins = _twins(paths, _folding(case=folds_case, forms=folds_forms))
    if twins:
        what = "upper and lower case" if folds_case else "composed and decomposed letters"
        listed = "; ".join(f"{shown(a)} and {shown(b)}" for a, b in twins[:TWINS_SHOWN])
        raise UsageError(
            f"this file system does not tell {what} apart, and the dataset has {listed}",
            hint="fetch to another file system, or leave one of each out with --exclude",
        )


def _is_one(directory: bytes, name: str, other: str) -> bool:
    """Whether a file made under one name is found under the other."""
    path, twin = (os.path.join(directory, os.fsencode(each)) for each in (name, other))
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        return os.path.lexists(twin)
    finally:
        with suppress(OSError):
            os.unlink(path)


def _folding(*, case: bool, forms: bool) -> Callable[[bytes], object]:
    def fold(path: bytes) -> object:
        try:
            text = path.decode()
        except UnicodeDecodeError:
            return path
        text = unicodedata.normalize("NFD", text) if forms else text
        return text.casefold() if case else text

    return fold


def _twins(paths: Iterable[bytes], fold: Callable[[bytes], object]) -> list[tuple[bytes, bytes]]:
    seen: dict[object, bytes] = {}
    found: list[tuple[bytes, bytes]] = []
    for path in paths:
        first = seen.setdefault(fold(path), path)
        if first is not path:
            found.append((first, path))
    return found
