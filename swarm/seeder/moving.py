"""Points a tag at a version that was published before, or at nothing. The rules of a move are `tagging`'s.

A roll-back goes back along what the tag meant, as one would go back along one's own steps: whoever has gone back from
the third version to the second, and wants to go back again, means the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from swarm.errors import NotFoundError, RefusedError, UsageError
from swarm.protocol.names import DIGEST_PREFIX_HEX_MIN, LATEST
from swarm.protocol.records import TagRecord, decode_tag_record, describe
from swarm.seeder.committing import commit_whole
from swarm.seeder.marks import NO_MARKS, Marks
from swarm.seeder.presence import KeptVersion, hold
from swarm.seeder.standing import Standing, TagStanding
from swarm.seeder.tagging import Goal, PublishedTag, Signer, must_move, next_record, settle_latest, settle_tag
from swarm.store import Store

STEPS_SHOWN_MAX = 8
"""Earlier meanings of a tag that an error names."""


async def point(
    records: Store,
    standing: Standing,
    kept: KeptVersion,
    signer: Signer,
    *,
    marks: Marks = NO_MARKS,
    is_forced: bool = False,
    moves_latest: bool = True,
    has_blocks: bool = True,
) -> list[PublishedTag]:
    """Makes the one tag of `standing` mean `kept`; then `latest`, where the tag is a release that says so.

    Raises RefusedError (a release), NotFoundError (the version is not whole), ConflictError (`.newest`), StoreError.
    """
    (name,), (tag,) = standing.names, standing.tags
    goal = Goal(kept.version.id, kept.version.root, marks, is_forced)
    if not must_move(tag, goal):
        assert tag.data is not None
        return [PublishedTag(tag.name, tag.tag, tag.data, is_moved=False)]

    async def commit() -> list[PublishedTag]:
        moved = [await settle_tag(records, tag, goal, signer)]
        if moves_latest and tag.tag != LATEST and moved[0].is_moved:
            latest = await settle_latest(records, name, moved, goal, signer)
            moved += [latest] if latest is not None else []
        return moved

    async with records.publishing() as marker:
        keep = partial(hold, records, kept, has_blocks=has_blocks)
        await keep()
        return await commit_whole(records, marker, commit, keep)


async def remove(
    records: Store, tag: TagStanding, signer: Signer, marks: Marks, *, is_forced: bool = False
) -> PublishedTag:
    """Makes the tag mean nothing. Raises NotFoundError (there is none), RefusedError (a release), ConflictError."""
    if tag.data is None or tag.record is None:
        raise NotFoundError(f"there is no {tag.name}:{tag.tag}", hint=f"swarm tags {tag.name} lists what there is")
    if tag.record.root is None and tag.is_valid:
        return PublishedTag(tag.name, tag.tag, tag.data, is_moved=False)
    if tag.is_immutable and not is_forced and tag.record.root is not None:
        raise RefusedError(
            f"{tag.name}:{tag.tag} is a release, and is not removed",
            hint="--force removes it all the same; no other version can ever take its place on machines that had it",
        )
    record = next_record(tag, None, signer, marks)
    await records.commit_tag(record)
    return PublishedTag(tag.name, tag.tag, record, is_moved=True)


def step_back(history: Sequence[TagRecord], to: str | None) -> TagRecord:
    """The record whose version a roll-back goes to. `history` is the tag's, oldest first, and not empty.

    `to`: a number of it, or a digest's first digits; None: the version before. Raises NotFoundError, UsageError.
    """
    if to is not None:
        return _named(history, to.removeprefix("#"))
    steps = _steps(history)
    back = steps[-1:] if history[-1].root is None else steps[-2:-1]
    if not back:
        newest = history[-1]
        if history[0].seq:
            message = f"what {newest.name}:{newest.tag} meant before #{history[0].seq} is not known here"
            raise NotFoundError(message, hint="swarm tag NAME@DIGEST NAME:TAG makes it mean any version that is here")
        raise NotFoundError(
            f"there is nothing before the first version that {newest.name}:{newest.tag} has meant",
            hint=_listed(history) or "there is nothing to go back to",
        )
    return back[0]


def _steps(history: Sequence[TagRecord]) -> list[TagRecord]:
    """The versions on the way to the present one: who comes back to a version has left what came after it."""
    steps: list[TagRecord] = []
    for record in history:
        roots = [step.root for step in steps]
        if record.root is None:
            continue
        if record.root in roots:
            del steps[roots.index(record.root) :]
        steps.append(record)
    return steps


def _named(history: Sequence[TagRecord], to: str) -> TagRecord:
    if not to or not all(digit in "0123456789abcdef" for digit in to):
        raise UsageError(f"{to!r} is neither a number nor a digest", hint="swarm log NAME:TAG shows both")
    if len(to) >= DIGEST_PREFIX_HEX_MIN:
        found = {
            record.root: record for record in history if record.root is not None and record.root.hex().startswith(to)
        }
        if len(found) > 1:
            raise UsageError(f"{to} begins several versions: {_shown(found.values())}", hint="write more digits")
        if found:
            return next(iter(found.values()))
    by_seq = {str(record.seq): record for record in history if record.epoch == history[-1].epoch}
    if to not in by_seq:
        newest = history[-1]
        raise NotFoundError(f"{newest.name}:{newest.tag} has no record {to}", hint=_listed(history))
    record = by_seq[to]
    if record.root is None:
        raise UsageError(f"{describe(record)} removed the tag", hint="swarm untag does that")
    return record


def _listed(history: Sequence[TagRecord]) -> str:
    shown = _shown([record for record in history if record.root is not None][-STEPS_SHOWN_MAX:])
    return f"it has meant {shown}; choose one with --to" if shown else ""


def _shown(records: Iterable[TagRecord]) -> str:
    return ", ".join(f"#{record.seq} {record.root.hex()[:16]}" for record in records if record.root is not None)


async def read_history(records: Store, name: str, tag: str) -> list[TagRecord]:
    """A tag's records, oldest first. Raises NotFoundError where there never was such a tag; CorruptError (broken)."""
    history = [decode_tag_record(data) for data in await records.tag_history(name, tag)]
    if not history:
        raise NotFoundError(f"there is no {name}:{tag}", hint=f"swarm tags {name} lists what there is")
    return history
