"""Moves tags: which ones, to which version, and by which records. Deciding is apart from committing.

The rules: a tag that means the published content already stays, unless other notes or labels are wanted; a release
never means anything else, unless its producer insists; a release that is published moves `latest` only if that points
at nothing or at a lower release of the same scheme, and only once, so that publishing it again does not undo a
roll-back.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarm.errors import ConflictError, InternalError, RefusedError
from swarm.protocol.ids import Realm, VersionId
from swarm.protocol.keys import SigningKey
from swarm.protocol.manifest import Root
from swarm.protocol.names import LATEST
from swarm.protocol.records import (
    NameRecord,
    TagRecord,
    decode_tag_record,
    record_id,
    sign_name_record,
    sign_tag_record,
)
from swarm.protocol.tags import moves_latest, parse_release
from swarm.protocol.version import Version
from swarm.seeder.marks import NO_MARKS, Marks
from swarm.seeder.standing import NameStanding, Standing, TagStanding, check_key, read_name, read_tag
from swarm.store import Store

LATEST_ATTEMPTS_MAX = 3
"""`latest` follows by itself, so a conflict there is decided anew; two producers cannot keep this up for longer."""

RELEASES_READ_MAX = 256
"""How far down the releases the one that `latest` points at is searched."""


@dataclass(frozen=True, slots=True)
class PublishedTag:
    """What a tag means after the publish: its newest record, and whether this publish made that."""

    name: str
    tag: str
    record: bytes
    is_moved: bool

    @property
    def version(self) -> VersionId:
        """What it points to."""
        root = decode_tag_record(self.record).root
        if root is None:
            raise InternalError(f"{self.name}:{self.tag} was published as nothing")
        return root


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, for which realm, and what time it is (Unix ms)."""

    key: SigningKey
    realm: Realm
    now_ms: int


@dataclass(frozen=True, slots=True)
class Goal:
    """What a tag is to mean. `is_forced`: also where it is a release that means something else."""

    version: VersionId
    root: Root
    marks: Marks = NO_MARKS
    is_forced: bool = False


# --- deciding -----------------------------------------------------------------------------------


def means(tag: TagStanding, root: Root) -> bool:
    """Whether the tag already points to a version with this content, cut alike, and is believed."""
    return tag.is_valid and tag.root is not None and (tag.root.content, tag.root.cutter) == (root.content, root.cutter)


def version_for(standing: Standing, draft: Version) -> VersionId:
    """The version to publish: one that a tag already points to, if its content is the same; releases come first,
    since they cannot follow the others. Else `draft`, the new one."""
    same = [tag for tag in standing.tags if means(tag, draft.root)]
    same.sort(key=lambda tag: not tag.is_immutable)
    found = [tag.record.root for tag in same if tag.record and tag.record.root]
    return draft.id if draft.id in found or not found else found[0]


def must_move(tag: TagStanding, goal: Goal) -> bool:
    """Whether the tag needs a record for `goal`. Raises RefusedError where it is a release that means another."""
    if tag.record is None:
        return True
    if tag.record.root == goal.version:
        return not tag.is_valid or goal.marks.differ_from(tag.record)
    if not tag.is_immutable:
        return True
    if means(tag, goal.root):
        return False
    if goal.is_forced:
        return True
    there = (
        "was untagged" if tag.record.root is None else f"means {tag.record.root.hex()[:16]}, which has other content"
    )
    raise RefusedError(
        f"{tag.name}:{tag.tag} is a release and never moves: it {there}",
        hint="publish under the next number; --force moves it all the same, and who has it already will refuse it",
    )


def refuse_to_replace(standing: Standing, version: VersionId) -> None:
    """Raises RefusedError where a release points to `version`, whose pages are lost: other times make other ones."""
    for tag in standing.tags:
        if tag.is_immutable and tag.record and tag.record.root == version:
            raise RefusedError(
                f"the version of {tag.name}:{tag.tag} is not whole any more, and this data has other times than it had",
                hint="publish under the next number, or give the files their old times again",
            )


def next_record(tag: TagStanding, version: VersionId | None, signer: Signer, marks: Marks) -> bytes:
    """The record that follows the tag's newest, or begins its history. `version` None: a tombstone."""
    last = tag.record
    same = last if last is not None and last.root == version else None
    return sign_tag_record(
        TagRecord(
            realm=signer.realm,
            name=tag.name,
            tag=tag.tag,
            epoch=last.epoch if last else signer.now_ms,
            seq=last.seq + 1 if last else 0,
            prev=record_id(tag.data) if tag.data else None,
            root=version,
            time=max(signer.now_ms, last.time) if last else signer.now_ms,
            key=signer.key.public_key,
            immutable=tag.is_immutable,
            notes=marks.notes_after(same),
            labels=marks.labels_after(same),
        ),
        signer.key,
    )


# --- committing ---------------------------------------------------------------------------------


async def claim_name(records: Store, standing: NameStanding, signer: Signer) -> NameStanding:
    """Makes the name's first record where there is none; says who may sign now.

    Raises TrustError where somebody else has claimed it meanwhile.
    """
    if standing.chain:
        return standing
    key = signer.key.public_key
    first = NameRecord(signer.realm, standing.name, 0, (key,), None, signer.now_ms, key)
    try:
        await records.commit_name_record(sign_name_record(first, signer.key))
    except ConflictError:
        check_key(await read_name(records, standing.name), signer.key)
    return await read_name(records, standing.name)


async def settle_tag(records: Store, tag: TagStanding, goal: Goal, signer: Signer) -> PublishedTag:
    """Makes the tag mean the goal. Raises ConflictError, with both records, where somebody else moved it meanwhile."""
    if tag.data and not must_move(tag, goal):
        return PublishedTag(tag.name, tag.tag, tag.data, is_moved=False)
    record = next_record(tag, goal.version, signer, goal.marks)
    try:
        await records.commit_tag(record)
    except ConflictError as conflict:
        if conflict.newest is None or decode_tag_record(conflict.newest).root != goal.version:
            raise
        return PublishedTag(tag.name, tag.tag, conflict.newest, is_moved=False)  # he published the very same
    return PublishedTag(tag.name, tag.tag, record, is_moved=True)


async def settle_latest(
    records: Store, name: NameStanding, releases: list[PublishedTag], goal: Goal, signer: Signer
) -> PublishedTag | None:
    """Moves `latest` if one of the releases of `name` that were just published says so; None if it stays."""
    for release in releases:
        for attempt in range(LATEST_ATTEMPTS_MAX):
            latest = await read_tag(records, name, LATEST)
            if not await _moves(records, latest, release):
                break
            try:
                return await settle_tag(records, latest, goal, signer)
            except ConflictError:
                if attempt + 1 == LATEST_ATTEMPTS_MAX:
                    raise
    return None


async def would_follow(records: Store | None, name: NameStanding, tag: str, version: VersionId) -> bool:
    """Whether `latest` of `name` would move if `tag` were published as `version`; `records` None: there are none."""
    if records is None:
        return moves_latest(None, tag)
    latest = await read_tag(records, name, LATEST)
    pointed_at = latest.record.root if latest.record else None
    return pointed_at != version and await _is_above(records, latest, tag)


async def _moves(records: Store, latest: TagStanding, release: PublishedTag) -> bool:
    pointed_at = latest.record.root if latest.record else None
    if parse_release(release.tag) is None or pointed_at == release.version:
        return False
    if not release.is_moved and await _was_latest(records, release):
        return False
    return await _is_above(records, latest, release.tag)


async def _is_above(records: Store, latest: TagStanding, tag: str) -> bool:
    """Whether `tag` is a greater release than the one that `latest` points at, if that is one."""
    pointed_at = latest.record.root if latest.record else None
    old = await _release_of(records, latest.name, pointed_at) if pointed_at else None
    return moves_latest(old, tag, latest_is_set=pointed_at is not None)


async def _was_latest(records: Store, release: PublishedTag) -> bool:
    return await _has_meant(records, release.name, LATEST, release.version)


async def _release_of(records: Store, name: str, version: VersionId) -> str | None:
    """The greatest release that points to `version`; else the greatest that did so once, before it was removed or moved
    by force: what took a release's place is to take that of `latest` as well."""
    releases = [(release, tag) for tag in await records.tags(name) if (release := parse_release(tag))]
    releases.sort(key=lambda found: (found[0].scheme, found[0].order), reverse=True)
    before: str | None = None
    for _, tag in releases[:RELEASES_READ_MAX]:
        data = await records.newest_tag(name, tag)
        record = decode_tag_record(data) if data else None
        if record is not None and record.root == version:
            return tag
        if before is None and record is not None and record.seq and await _has_meant(records, name, tag, version):
            before = tag
    return before


async def _has_meant(records: Store, name: str, tag: str, version: VersionId) -> bool:
    return any(decode_tag_record(data).root == version for data in await records.tag_history(name, tag))
