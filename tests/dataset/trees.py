"""Directories for tests, made from one mapping."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


def make_tree(root: Path, tree: Mapping[str, bytes | str]) -> Path:
    """`a/b`: bytes make a file, `d/` makes a directory (whatever its value), text makes a symlink to it."""
    root.mkdir(exist_ok=True)
    for name, value in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif isinstance(value, bytes):
            path.write_bytes(value)
        else:
            path.symlink_to(value)
    return root


@contextmanager
def as_nobody() -> Iterator[None]:
    """Runs a block without root's right to read everything, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
