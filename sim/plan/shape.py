"""How large the version is that is to be rolled out: told in numbers, or read from a root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarm.dataset.average import choose_average
from swarm.errors import SwarmError
from swarm.protocol.bounds import ROOT_BYTES_MAX
from swarm.protocol.manifest import Root, decode_root

ROOT_NAME = "root"
"""Under which `swarm` keeps a version's root in its directory of `$SWARM_HOME/versions`."""


class ShapeError(Exception):
    """The size of the version is not known; the text says why."""


@dataclass(frozen=True)
class Shape:
    """Bytes that every machine needs (distinct blocks), and how many blocks they are."""

    bytes: int
    blocks: int

    @property
    def block_size(self) -> int:
        """On average."""
        return max(1, round(self.bytes / self.blocks))


def make_shape(count: int, blocks: int | None) -> Shape:
    """Without a number of blocks: as many as `swarm seed` would cut. Raises ShapeError."""
    if count < 1 or (blocks is not None and blocks < 1):
        raise ShapeError("a version has at least one byte in one block")
    return Shape(count, blocks or max(1, round(count / choose_average(count))))


def read_shape(path: Path) -> Shape:
    """Of a root, or of the directory of a version that has it. Raises ShapeError."""
    found = path / ROOT_NAME if path.is_dir() else path
    try:
        with found.open("rb") as file:
            root = decode_root(file.read(ROOT_BYTES_MAX + 1))
    except OSError as error:
        raise ShapeError(f"{found}: {error.strerror}; name a version's root, or say --bytes and --blocks") from error
    except SwarmError as error:
        raise ShapeError(f"{found} is not a version's root: {error}") from error
    return shape_of(root)


def shape_of(root: Root) -> Shape:
    """Of a version. Raises ShapeError where it has no bytes."""
    return make_shape(root.totals.block_bytes, root.totals.blocks or None)
