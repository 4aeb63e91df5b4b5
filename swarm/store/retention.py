"""Which versions a collection of garbage keeps: what tags mean now, and as much of their histories as is asked for.

A version is kept if a tag means it now; or if it is among the last N versions of a tag that still means something; or
if it was what a tag meant at any moment of the last D days, by the times at which the store got the records. A tag that
was taken away keeps nothing but by the last of these. History is read from `history/`, where creating is committing:
the pointers may lag.
"""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from swarm.errors import CorruptError, DecodeError, SignatureError, UsageError
from swarm.protocol.ids import VersionId
from swarm.protocol.records import decode_tag_record, describe
from swarm.store._listing import Listing
from swarm.store._objects import Objects
from swarm.store._workers import for_each
from swarm.store.commit import read_record
from swarm.store.dropped import MEANINGS_MAX, Meaning
from swarm.store.history import check_realm_of_record
from swarm.store.identity import Identity
from swarm.store.layout import HISTORY, number, number_of

LAST = 2
"""What a tag means, and what it meant before: so that one step back is always possible."""

DAY_S = 24 * 3600.0
READS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Keep:
    """`last`: versions of each tag, the one that it means now counted. `days`: how long it stays after that."""

    last: int = LAST
    days: float = 0.0

    def __post_init__(self) -> None:
        if self.last < 1 or self.days < 0:
            raise UsageError("a collection keeps at least what tags mean now", hint="--keep-last 1, --keep-days 0")


@dataclass(frozen=True, slots=True)
class Kept:
    """A version that stays, the first reason why, and whether a tag means it now."""

    version: VersionId
    reason: str
    is_current: bool


Take = Callable[[Kept], Awaitable[object]]


@dataclass(slots=True)
class _Tag:
    """The steps of one tag's history as they are listed: numbers, and when the store got each."""

    path: str
    seqs: array[int]
    times_s: array[float]

    @property
    def label(self) -> str:
        return ":".join(self.path.rsplit("/", 1))


class Retention:
    """Reads what is to be kept; again as often as asked, each record once."""

    def __init__(self, objects: Objects, identity: Identity, keep: Keep) -> None:
        self._objects = objects
        self._identity = identity
        self._keep = keep
        self._roots: dict[str, VersionId | None] = {}

    async def read(self, now_s: float, take: Take) -> None:
        """Gives `take` every version that is kept, more than once where several tags keep it. Raises CorruptError,
        TrustError."""
        await self._visit(lambda tag: self._of_tag(tag, now_s, take))

    async def meanings(self, versions: Mapping[VersionId, list[Meaning]]) -> None:
        """Adds to each of `versions` the records that meant it. Reads all of every history."""
        await self._visit(lambda tag: self._meanings_of(tag, versions))

    async def _visit(self, visit: Callable[[_Tag], Awaitable[None]]) -> None:
        tag: _Tag | None = None
        async for listed in Listing(self._objects, HISTORY):
            path = listed.key.removeprefix(HISTORY).rpartition("/")[0]
            try:
                seq = number_of(listed.key)
            except DecodeError:
                continue  # no record's key, so none of ours
            # Keys come in order, so each tag is whole before the next begins.
            if tag is None or tag.path != path:
                if tag is not None:
                    await visit(tag)
                tag = _Tag(path, array("Q"), array("d"))
            tag.seqs.append(seq)
            tag.times_s.append(listed.modified_s)
        if tag is not None:
            await visit(tag)

    async def _meanings_of(self, tag: _Tag, versions: Mapping[VersionId, list[Meaning]]) -> None:
        roots: dict[int, VersionId | None] = {}

        async def read(step: int) -> None:
            roots[step] = await self._root(tag.path, tag.seqs[step])

        await for_each(range(len(tag.seqs)), read, concurrency=READS_AT_ONCE)
        ends = (*tag.times_s[1:], None)
        for step, (seq, since_s, until_s) in enumerate(zip(tag.seqs, tag.times_s, ends, strict=True)):
            root = roots[step]
            if root is not None and root in versions and len(versions[root]) < MEANINGS_MAX:
                versions[root].append(Meaning(tag.label, seq, since_s, until_s))

    async def _of_tag(self, tag: _Tag, now_s: float, take: Take) -> None:
        path, seqs = tag.path, tag.seqs

        async def root_of(step: int) -> VersionId | None:
            return await self._root(path, seqs[step])

        for version, is_current in await kept_of(tag.times_s, root_of, self._keep, now_s):
            await take(Kept(version, tag.label, is_current))

    async def _root(self, path: str, seq: int) -> VersionId | None:
        key = f"{HISTORY}{path}/{number(seq)}"
        if key not in self._roots:
            self._roots[key] = await self._read_root(key, path, seq)
        return self._roots[key]

    async def _read_root(self, key: str, path: str, seq: int) -> VersionId | None:
        data = await read_record(self._objects, key)
        if data is None:
            raise CorruptError(f"{key} in {self._objects.url} went away while it was read", hint="nothing was deleted")
        try:
            record = decode_tag_record(data)
        except (DecodeError, SignatureError) as error:
            raise CorruptError(
                f"{key} in {self._objects.url} is no tag record: {error.message}", hint="nothing was deleted"
            ) from error
        if (f"{record.name}/{record.tag}", record.seq) != (path, seq):
            raise CorruptError(
                f"{key} in {self._objects.url} holds another record: {describe(record)}", hint="nothing was deleted"
            )
        check_realm_of_record(record.realm, self._identity, key)
        return record.root


async def kept_of(
    times_s: Sequence[float], root_of: Callable[[int], Awaitable[VersionId | None]], keep: Keep, now_s: float
) -> list[tuple[VersionId, bool]]:
    """(version, whether it is meant now) of one tag, newest first, no version twice. `times_s` are its steps' times,
    oldest first; records are asked for from the newest, and no further back than needed."""
    found: dict[VersionId, bool] = {}
    is_living = False
    for step in reversed(range(len(times_s))):
        is_newest = step == len(times_s) - 1
        is_young = is_newest or (keep.days > 0 and times_s[step + 1] >= now_s - keep.days * DAY_S)
        if not is_young and not (is_living and len(found) < keep.last):
            break
        root = await root_of(step)
        if is_newest:
            is_living = root is not None
        if root is not None and root not in found:
            found[root] = is_newest
    return list(found.items())
