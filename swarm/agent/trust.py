"""What a reference means, given what several sources answered and whom this machine believes. Pure decisions.

Which answers count at all is `claims`'s. Of those the highest record wins; nothing older than what was seen is taken,
and equal number with another root is a fork (DESIGN 3, Trust).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swarm.agent.claims import Answer, Claim, Pinned, Seen, trusted_claims
from swarm.errors import ForkError, NotFoundError, RefusedError
from swarm.protocol.chain import Chain
from swarm.protocol.names import LATEST, is_query, nearest
from swarm.protocol.ranges import ranked
from swarm.protocol.records import Order, TagRecord, check_follows, compare, decode_tag_record, describe
from swarm.protocol.tags import newest_release

__all__ = ["Answer", "Decision", "Pinned", "Seen", "check_seen", "decide"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The record to go by. `chain_records` are the bytes of the longest chain that vouches for it."""

    record: TagRecord
    data: bytes
    chain: Chain
    chain_records: tuple[bytes, ...]
    source: str
    root: bytes | None
    is_first_use: bool


def decide(
    name: str, tag: str | None, answers: Sequence[Answer], *, pin: Pinned | None, seen: Seen, now_ms: int
) -> Decision:
    """The newest trusted record. `tag` None: `latest`, else the newest release; a range: the greatest release in it.

    Raises NotFoundError, TrustError, ForkError, RefusedError; the message names what the sources said.
    """
    if not any(answer.tag_records for answer in answers):
        raise _not_found(name, tag, answers)
    claims, vouching = trusted_claims(name, answers, pin=pin, seen=seen)
    chosen = _newest(_choose_tag(name, tag, claims))
    _check_time(chosen.record, now_ms)
    newest = seen.newest(chosen.record.tag)
    if newest is not None and check_seen(newest, chosen.data) is Order.OLDER:
        raise RefusedError(
            f"{describe(chosen.record)} is older than what this machine has seen",
            hint="a source is behind or replays the past; try again, or another --tracker or --store",
        )
    return Decision(
        chosen.record, chosen.data, vouching.chain, vouching.records, chosen.answer.source, chosen.answer.root,
        is_first_use=pin is None,
    )  # fmt: skip


def check_seen(seen: bytes, new: bytes) -> Order:
    """How a record stands to the one seen before; one of another tag or (the pin has allowed it) realm is newer."""
    known, record = decode_tag_record(seen), decode_tag_record(new)
    is_of_one_history = (known.realm, known.name, known.tag) == (record.realm, record.name, record.tag)
    return check_follows(seen, new) if is_of_one_history else Order.NEWER


def _choose_tag(name: str, tag: str | None, claims: Sequence[Claim]) -> list[Claim]:
    by_tag: dict[str, list[Claim]] = {}
    for claim in claims:
        by_tag.setdefault(claim.record.tag, []).append(claim)
    if tag is not None and is_query(tag):
        return by_tag[_choose_release(name, tag, [t for t, group in by_tag.items() if _is_alive(group)])]
    chosen: str | None = tag if tag is not None else LATEST
    if tag is None and not _is_alive(by_tag.get(LATEST, ())):
        chosen = newest_release(t for t, group in by_tag.items() if _is_alive(group))
    if chosen is None or chosen not in by_tag:
        known = ", ".join(sorted(one for one, group in by_tag.items() if _is_alive(group)))
        which = f"say which tag: {known}" if known else f"all of its tags were removed; see swarm tags {name}"
        hint = which if tag is None else _did_you_mean(tag, by_tag)
        raise NotFoundError(f"'{name}' has no tag '{tag or LATEST}'" + ("" if tag else " and no release"), hint=hint)
    return by_tag[chosen]


def _choose_release(name: str, query: str, alive: Sequence[str]) -> str:
    found = ranked(query, alive)
    if found:
        return found[0]
    newest = newest_release(alive)
    there = f"the newest release known is {newest}" if newest is not None else "no release of it is known"
    raise NotFoundError(
        f"'{name}' has no release in {query}",
        hint=f"{there}; a pre-release is meant only by a range that names one; swarm tags {name} lists all",
    )


def _is_alive(claims: Iterable[Claim]) -> bool:
    newest = max(claims, key=lambda claim: claim.record.order, default=None)
    return newest is not None and newest.record.root is not None


def _newest(claims: Sequence[Claim]) -> Claim:
    newest = max(claims, key=lambda claim: claim.record.order)
    for claim in claims:
        if compare(newest.record, claim.record) is Order.FORK:
            raise ForkError(f"two records claim one number: {describe(newest.record)} and {describe(claim.record)}")
    if newest.record.root is None:
        raise NotFoundError(f"{newest.record.name}:{newest.record.tag} was removed by its producer")
    with_root = [claim for claim in claims if claim.record == newest.record and claim.answer.root is not None]
    return with_root[0] if with_root else newest


def _check_time(record: TagRecord, now_ms: int) -> None:
    if record.expires is not None and record.expires <= now_ms:
        raise RefusedError(f"{describe(record)} has expired", hint="ask the producer, and look at this clock")
    if record.not_before is not None and record.not_before > now_ms:
        raise RefusedError(f"{describe(record)} is not valid yet", hint="try later, and look at this clock")


def _not_found(name: str, tag: str | None, answers: Sequence[Answer]) -> NotFoundError:
    near = tuple(dict.fromkeys(word for answer in answers for word in answer.near))
    asked = ", ".join(answer.source for answer in answers)
    what = f"{name}:{tag}" if tag is not None else name
    lists = f"swarm tags {name} lists its tags" if tag is not None else "ask its producer for the name"
    hint = f"did you mean {' or '.join(near)}?" if near else lists
    return NotFoundError(f"there is no {what} ({asked} asked)", hint=hint)


def _did_you_mean(tag: str, tags: Iterable[str]) -> str:
    found = nearest(tag, tags)
    return f"did you mean {' or '.join(found)}?" if found else f"there are: {', '.join(sorted(tags))}"
