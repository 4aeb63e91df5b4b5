"""`swarm tag`, `swarm rollback`, `swarm untag` as functions: move a tag, and tell the tracker as publishing does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from swarm.agent.announce import Announcement
from swarm.agent.notices import Observer, Phase, Progress
from swarm.agent.recordbook import Recordbook
from swarm.agent.unwrapping import unwrapped
from swarm.config.configs import CommonConfig
from swarm.config.key_file import load_publisher_key
from swarm.errors import NotFoundError, UsageError
from swarm.protocol.ids import VersionId, short
from swarm.protocol.names import Reference, check_tag
from swarm.protocol.records import TagRecord, decode_tag_record
from swarm.seeder.marks import NO_MARKS, Marks
from swarm.seeder.moving import point, read_history, remove, step_back
from swarm.seeder.presence import KeptVersion, load_kept
from swarm.seeder.standing import Standing
from swarm.seeder.tagging import PublishedTag, Signer
from swarm.service.assembly import fresh_key
from swarm.service.producing import decide_here, now_ms, open_records, read_own_standing
from swarm.service.telling import Tell, open_teller
from swarm.store import Store

VERSIONS_LOOKED_AT_MAX = 1024
"""Tags of a name among whose versions a digest's first digits are looked for."""


@dataclass(frozen=True, slots=True)
class MoveOptions:
    """`is_forced`: also a release. `moves_latest`: a release that is tagged moves `latest`, as publishing does."""

    marks: Marks = NO_MARKS
    is_forced: bool = False
    moves_latest: bool = True


@dataclass(frozen=True, slots=True)
class TagMove:
    """What became of a tag. `before` None: it is new. `record.root` None: it means nothing now."""

    before: TagRecord | None
    record: TagRecord
    is_moved: bool


@unwrapped
async def move_tag(
    config: CommonConfig, source: Reference, target: Reference, options: MoveOptions, observer: Observer
) -> tuple[TagMove, ...]:
    """Makes `target` mean what `source` does: a tag, a range, or a version. The tag's move, then that of `latest`.

    Raises UsageError, NotFoundError, RefusedError (a release; trust), ConflictError, UnreachableError (the tracker).
    """
    if source.name != target.name:
        raise UsageError(
            f"{source.name} and {target.name} are two datasets, and a tag stays within one",
            hint=f"swarm tag {source} {source.name}:{target.tag or 'TAG'}; to publish under another name: swarm seed",
        )
    async with _moving(config, target, observer) as moving:
        version, meant = await moving.find(source)
        marks = options.marks if meant is None else options.marks.of_version(meant)
        return await moving.point(version, marks, options)


@unwrapped
async def roll_back(
    config: CommonConfig, target: Reference, to: str | None, options: MoveOptions, observer: Observer
) -> tuple[TagMove, ...]:
    """Makes a tag mean what it meant before. `to`: a number of its history or a digest. Raises as `move_tag`."""
    async with _moving(config, target, observer) as moving:
        history = await read_history(moving.records, target.name, moving.tag)
        earlier = step_back(history, to)
        assert earlier.root is not None
        return await moving.point(earlier.root, options.marks.of_version(earlier), options)


@unwrapped
async def remove_tag(
    config: CommonConfig, target: Reference, options: MoveOptions, observer: Observer
) -> tuple[TagMove, ...]:
    """Makes a tag mean nothing. Its history stays. Raises as `move_tag`."""
    async with _moving(config, target, observer) as moving:
        tag = moving.standing.tags[0]
        removed = await remove(moving.records, tag, moving.signer, options.marks, is_forced=options.is_forced)
        return await moving.done([removed], None)


@dataclass(slots=True)
class _Moving:
    """One move of `standing`'s tag, by `signer`, in `records`."""

    config: CommonConfig
    records: Store
    standing: Standing
    signer: Signer
    observer: Observer
    tell: Tell | None
    """None: no tracker is configured."""

    @property
    def tag(self) -> str:
        return self.standing.tags[0].tag

    async def find(self, source: Reference) -> tuple[VersionId, TagRecord | None]:
        """What is tagged, and the record that says so where it is a tag."""
        if source.version is not None:
            return source.version, None
        if source.digest_prefix is not None:
            return await self._of_prefix(source), None
        decision = await decide_here(self.records, self.config, source.name, source.tag)
        assert decision.record.root is not None
        return decision.record.root, decision.record

    async def point(self, version: VersionId, marks: Marks, options: MoveOptions) -> tuple[TagMove, ...]:
        self.observer.notify(Progress(Phase.COMMIT, 0, None))
        kept = await load_kept(self.records, version)
        moved = await point(
            self.records,
            self.standing,
            kept,
            self.signer,
            marks=marks,
            is_forced=options.is_forced,
            moves_latest=options.moves_latest,
            has_blocks=self.config.store is not None,
        )
        return await self.done(moved, kept)

    async def done(self, moved: list[PublishedTag], kept: KeptVersion | None) -> tuple[TagMove, ...]:
        """Remembers what was signed, tells the tracker, and says what became of each tag."""
        name, was = self.standing.names[0], self.standing.tags[0]
        found = []
        for tag in moved:
            Recordbook(self.config.home).keep(tag.name, tag.tag, tag.record, name.records)
            before = was.record if tag.tag == was.tag else await self._before(tag)
            found.append(TagMove(before, decode_tag_record(tag.record), tag.is_moved))
        if self.tell is not None:
            root = kept.version.root_bytes if kept is not None else None
            told = tuple(Announcement(f"{tag.name}:{tag.tag}", tag.record, name.records, root) for tag in moved)
            await self.tell(told)
        return tuple(found)

    async def _before(self, tag: PublishedTag) -> TagRecord | None:
        records = [decode_tag_record(data) for data in await self.records.tag_history(tag.name, tag.tag, limit=2)]
        return records[0] if len(records) > 1 else None

    async def _of_prefix(self, source: Reference) -> VersionId:
        """Among what the tags of the name mean and have meant: a version that no tag holds may be gone tomorrow."""
        digits, found = source.digest_prefix or "", dict[VersionId, str]()
        for tag in (await self.records.tags(source.name))[:VERSIONS_LOOKED_AT_MAX]:
            for data in await self.records.tag_history(source.name, tag):
                root = decode_tag_record(data).root
                if root is not None and root.hex().startswith(digits):
                    found[root] = tag
        if len(found) > 1:
            shown = ", ".join(f"{version.hex()[: len(digits) + 4]} ({tag})" for version, tag in found.items())
            raise UsageError(f"{digits} begins several versions: {shown}", hint="write more digits")
        if not found:
            raise NotFoundError(
                f"no tag of {source.name} means or has meant a version that begins with {digits}",
                hint=f"swarm tags {source.name} lists them; all 64 digits name any version",
            )
        return next(iter(found))


@asynccontextmanager
async def _moving(config: CommonConfig, target: Reference, observer: Observer) -> AsyncIterator[_Moving]:
    tag = _tag_of(target)
    key = load_publisher_key(config)
    async with AsyncExitStack() as stack:
        records = await stack.enter_async_context(open_records(config))
        standing = await read_own_standing(records, config, target.name, tag, key)
        tell = None
        if config.tracker:  # connected meanwhile, so that it hears at once
            teller = open_teller(config, fresh_key(), observer, done="the tag has moved")
            tell = await stack.enter_async_context(teller)
        yield _Moving(config, records, standing, Signer(key, records.realm, now_ms()), observer, tell)


def _tag_of(target: Reference) -> str:
    if target.tag is None:
        what = f"{target} names no tag" if target.version is None else f"{short(target.version)} is a version, no tag"
        raise UsageError(what, hint=f"write {target.name}:TAG")
    return check_tag(target.tag)
