"""Data to publish, and whether a copy is what was published."""

from __future__ import annotations

import os
import random
from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20


def make_data(top: Path, total: int, *, seed: int = 1, files: int = 12) -> Path:
    """A tree of `files` files with about `total` random bytes, an empty one, a link, an executable one."""
    rng = random.Random(seed)
    (top / "deep" / "er").mkdir(parents=True)
    for number in range(files):
        place = top / ("deep/er" if number % 3 else "deep") / f"{number:02}.bin"
        place.write_bytes(rng.randbytes(total // files))
    (top / "empty").touch()
    (top / "link").symlink_to("deep/00.bin")
    (top / "run.sh").write_text("#!/bin/sh\n")
    (top / "run.sh").chmod(0o755)
    return top


def insert(path: Path, offset: int, data: bytes) -> None:
    """Puts bytes into the middle of a file, as an editor or a database does."""
    old = path.read_bytes()
    path.write_bytes(old[:offset] + data + old[offset:])


def tree(top: Path) -> dict[bytes, object]:
    """Paths, kinds, bytes, targets and modes: what a version keeps. swarm's own names are none of it."""
    found: dict[bytes, object] = {}
    for directory, names, files in os.walk(os.fsencode(top)):
        for name in (*names, *files):
            path = os.path.join(directory, name)
            found[os.path.relpath(path, os.fsencode(top))] = _entry(path)
    return {path: entry for path, entry in found.items() if not path.startswith(b".swarm")}


def same(left: Path, right: Path) -> bool:
    """Whether two trees (or files) hold the same."""
    if left.is_file():
        return left.read_bytes() == right.read_bytes()
    return tree(left) == tree(right)


def bytes_of(top: Path) -> int:
    """The sum of the files' sizes: what a receipt calls `bytes`."""
    return sum(path.lstat().st_size for path in top.rglob("*") if path.is_file() and not path.is_symlink())


def adds_up(receipt: dict[str, object]) -> bool:
    """The receipt's own promise."""
    number = {key: value for key, value in receipt.items() if isinstance(value, int)}
    return (
        number["bytes"] == number["bytes_local"] + number["bytes_peer"] + number["bytes_origin"]
        and number["bytes_origin"] == number["bytes_seeder"] + number["bytes_store"]
        and number["bytes_lan"] <= number["bytes_peer"]
        and number["store_alone_bytes"] == number["bytes_peer"] + number["bytes_origin"] + number["bytes_manifest"]
        and number["saved_bytes"] <= number["store_alone_bytes"]
    )


def _entry(path: bytes) -> object:
    if os.path.islink(path):
        return os.readlink(path)
    if os.path.isdir(path):
        return "directory"
    with open(path, "rb") as file:
        return os.stat(path).st_mode & 0o777, file.read()
