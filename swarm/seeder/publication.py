"""What goes into a publish and what comes out of it, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from swarm.dataset.entries import Scan, ScanOptions
from swarm.dataset.source import StreamSource
from swarm.protocol.ids import Realm
from swarm.protocol.version import Version
from swarm.seeder.marks import NO_MARKS, Marks
from swarm.seeder.tagging import PublishedTag


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """`average` (bytes) None: that of the name's newest version, else chosen by the size; `rechunk` lets it change.

    `realm` begins a lost store anew under its old one. `no_latest`: a release does not move `latest`. `marks` are the
    note and labels of the records. `is_forced`: a release that means something else moves.
    """

    scan: ScanOptions = field(default_factory=ScanOptions)
    average: int | None = None
    rechunk: bool = False
    no_latest: bool = False
    realm: Realm | None = None
    dry_run: bool = False
    marks: Marks = NO_MARKS
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published, and all that a seeder needs to serve it from where it lies.

    `version` and `scan` describe one stream: a block is `source.read(version.stream_offsets(index)[0], length)`, and
    each file's signature is in `scan.entries`. `pages` are in the order of the index space. A dry run has neither
    `tags` nor `name_records`, and no `realm` where there is no store yet.
    """

    version: Version
    pages: tuple[bytes, ...]
    scan: Scan
    source: StreamSource
    realm: Realm | None
    tags: tuple[PublishedTag, ...]
    """The tags that were asked for, in that order, and then `latest` where it followed."""
    name_records: Mapping[str, tuple[bytes, ...]]
    blocks_new: int
    bytes_new: int
    """Data blocks that the store (or, without one, the tags' and the name's last versions) did not have."""
    seconds: float
    is_dry_run: bool = False
    would_move: tuple[str, ...] = ()
    """Of a dry run: each `name:tag` that would get a new record, `latest` included."""

    @property
    def is_unchanged(self) -> bool:
        """All tags meant this content already."""
        return not self.would_move if self.is_dry_run else not any(tag.is_moved for tag in self.tags)
