"""The versions of a name in the order in which they appeared, from the histories of its tags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from swarm.errors import CorruptError, MissingError, NotFoundError
from swarm.protocol.bounds import PAGE_BYTES_MAX
from swarm.protocol.ids import BlockId, Index, VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import decode_root
from swarm.protocol.names import nearest
from swarm.protocol.records import TagRecord, decode_tag_record
from swarm.protocol.tags import is_immutable
from swarm.protocol.version import Version, assemble
from swarm.store import Store

LAST_MAX = 1000
"""Versions of one report: each costs the reading of its manifest, and a row."""

GetBlock = Callable[[BlockId, int], Awaitable[bytes]]
"""The verified bytes of a page or block that is at most so long. Raises MissingError, StoreError."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A version when it was first pointed to. `tags` are all that ever pointed to it, releases before channels."""

    version: VersionId
    time_ms: int
    tags: tuple[str, ...]
    publisher: bytes


@dataclass(frozen=True, slots=True)
class Timeline:
    """Oldest first. `left_out`: how many older versions there are besides."""

    name: str
    tag: str | None
    moments: tuple[Moment, ...]
    left_out: int


async def read_timeline(records: Store, name: str, tag: str | None = None, *, last: int = LAST_MAX) -> Timeline:
    """The newest `last` versions of a tag, or of all tags of a name. Reads records only.

    Raises NotFoundError where there is no such tag, CorruptError, TrustError, and what a store raises.
    """
    tags = await records.tags(name)
    wanted = tags if tag is None else [one for one in tags if one == tag]
    if not wanted:
        word = name if tag is None else f"{name}:{tag}"
        near = nearest(tag or "", tags) if tags else nearest(name, await records.names())
        otherwise = f"swarm tags {name} lists its tags" if tags else "swarm ls lists names"
        raise NotFoundError(f"there is no {word}", hint=f"there is {', '.join(near)}" if near else otherwise)
    found = [decode_tag_record(data) for each in wanted for data in await records.tag_history(name, each)]
    moments = moments_of(found)
    return Timeline(name, tag, moments[-last:], max(0, len(moments) - last))


def moments_of(records: Iterable[TagRecord]) -> tuple[Moment, ...]:
    """Each version once, by the time of the oldest record that points to it. Pure."""
    by_version: dict[VersionId, list[TagRecord]] = {}
    for record in sorted(records, key=lambda one: (one.time, one.epoch, one.seq, one.tag)):
        if record.root is not None:
            by_version.setdefault(record.root, []).append(record)
    return tuple(Moment(version, found[0].time, _tags(found), found[0].key) for version, found in by_version.items())


def _tags(records: Iterable[TagRecord]) -> tuple[str, ...]:
    tags = dict.fromkeys(record.tag for record in records)
    return tuple(sorted(tags, key=lambda tag: not is_immutable(tag)))


class Manifests:
    """Reads versions one after the other: a page that the last one had is not read again."""

    def __init__(self, records: Store, get: GetBlock) -> None:
        self._records = records
        self._get = get
        self._pages: dict[BlockId, bytes] = {}
        self.bytes_read = 0

    async def load(self, version: VersionId) -> Version | None:
        """None where its root or a page is gone, or damaged."""
        try:
            root_bytes = await self._records.get_root(version)
            refs = IndexSpace(decode_root(root_bytes)).page_refs
            pages = {ref.id: self._pages.get(ref.id) or await self._read(ref.id) for ref in refs}
        except (MissingError, CorruptError):
            return None
        self._pages = pages
        return assemble(root_bytes, {Index(number): pages[ref.id] for number, ref in enumerate(refs)})

    async def _read(self, page: BlockId) -> bytes:
        data = await self._get(page, PAGE_BYTES_MAX)
        self.bytes_read += len(data)
        return data
