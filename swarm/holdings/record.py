"""Rows of the index as plain values."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import IntEnum

from swarm.protocol.ids import VersionId


class HoldingKind(IntEnum):
    """FETCHED: a DEST that swarm wrote and may replace. SOURCE: a producer's own data, which is only ever read.
    INCOMING: the version that a FETCHED one is being updated to in place, as far as that has come."""

    FETCHED = 0
    SOURCE = 1
    INCOMING = 2


@dataclass(frozen=True, slots=True)
class HoldingRecord:
    """A version, whole or partial, in a directory of this machine. `directory` is absolute, links resolved; with
    `is_file` (a producer's dataset of one file) it is that file. `follows_links`: published with `--links follow`.

    `label` is what people call it (`name:tag`). `time` is when it was recorded, Unix seconds. `selected` has a bit
    for each entry of the version (`Bitfield.to_bytes`); None: everything is held.
    """

    id: int
    kind: HoldingKind
    version: VersionId
    directory: bytes
    label: str
    time: int
    follows_links: bool
    is_file: bool
    selected: bytes | None

    @property
    def top(self) -> bytes:
        """The directory that the version's paths are relative to."""
        return os.path.dirname(self.directory) if self.is_file else self.directory

    @property
    def is_partial(self) -> bool:
        return self.selected is not None


@dataclass(frozen=True, slots=True)
class StagingRecord:
    """A staging area that was made and not yet removed: `area` is its directory, `dest` what it is for."""

    area: bytes
    dest: bytes
    version: VersionId
    label: str
    time: int


@dataclass(frozen=True, slots=True)
class PendingRecord:
    """A commit that has begun. `tree` is (device, inode) of the staged tree's directory: where that is after a crash
    tells whether the exchange took place. `is_exchange` False: entry by entry, of the entries in `staged`.
    `is_in_place`: these are a part of the update, and `signatures` says whether the last."""

    dest: bytes
    area: bytes
    is_exchange: bool
    tree: tuple[int, int]
    version: VersionId
    label: str
    selected: bytes | None
    staged: bytes | None
    signatures: bytes
    is_in_place: bool = False
