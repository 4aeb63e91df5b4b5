"""The data and the store must not lie inside each other: a publish would publish its own traces."""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes, urlsplit

from swarm.dataset.entries import Scan, show
from swarm.errors import UsageError
from swarm.store.layout import IDENTITY_KEY


def check_apart(found: Scan, store_url: str) -> None:
    """Raises UsageError where a directory store is inside what was scanned, or the other way round."""
    split = urlsplit(store_url)
    if split.scheme != "file":
        return
    place, data = os.path.realpath(unquote_to_bytes(split.path)), os.path.realpath(found.root)
    if _is_within(data, place) or (_is_within(place, data) and _is_taken(found, place[len(data) + 1 :])):
        raise UsageError(
            f"{show(place)} and the data in {show(data)} lie inside each other",
            hint="move one of them, or --exclude the inner directory",
        )


def _is_taken(found: Scan, path: bytes) -> bool:
    """Whether what is at `path`, or will be, is published."""
    selection = found.options.selection
    if selection.may_enter(path) and selection.takes(path + b"/" + IDENTITY_KEY.encode(), is_directory=False):
        return True
    return any(entry.path == path or entry.path.startswith(path + b"/") for entry in found.entries)


def _is_within(inner: bytes, outer: bytes) -> bool:
    return inner == outer or inner.startswith(outer.rstrip(b"/") + b"/")
