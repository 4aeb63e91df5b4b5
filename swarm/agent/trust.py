"""What a reference means, given what several sources answered and whom this machine believes. Pure decisions.

Rules (DESIGN 3, Trust): a tag record counts only if its key is in the newest name record; a pinned key must have
signed it or a record of the chain; the pin holds the realm; nothing older than what was seen; equal number with
another root is a fork. Unpinned, the first use pins, but never while two keys claim the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swarm.errors import ForkError, NotFoundError, RefusedError, SwarmError, TrustError
from swarm.protocol.chain import Chain, is_trusted, is_valid, verify_chain
from swarm.protocol.ids import Realm
from swarm.protocol.keys import fingerprint
from swarm.protocol.names import LATEST, nearest
from swarm.protocol.records import Order, TagRecord, check_follows, compare, decode_tag_record, describe
from swarm.protocol.tags import newest_release


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source says of a name. `source` is `tracker`, `store`, `lan` or `local`."""

    source: str
    tag_records: tuple[bytes, ...]
    chain: tuple[bytes, ...]
    root: bytes | None = None
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pinned:
    """Whom this machine believes about a name; `realm` None: whichever comes first."""

    key: bytes
    realm: Realm | None


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


@dataclass(frozen=True, slots=True)
class _Claim:
    """One verified tag record with the chain that it came with."""

    answer: Answer
    chain: Chain
    record: TagRecord
    data: bytes


def decide(
    name: str,
    tag: str | None,
    answers: Sequence[Answer],
    *,
    pin: Pinned | None,
    seen: bytes | None,
    seen_chain: tuple[bytes, ...],
    now_ms: int,
) -> Decision:
    """The newest trusted record. `tag` None: `latest`, else the newest release.

    Raises NotFoundError, TrustError, ForkError, RefusedError; the message names what the sources said.
    """
    claims, refusals = _claims(name, answers, pin, seen_chain)
    if not claims:
        raise refusals[0] if refusals else _not_found(name, tag, answers)
    longest = _longest_chain(name, claims, is_pinned=pin is not None)
    valid = [claim for claim in claims if is_valid(claim.record, longest.chain)]
    if not valid:
        raise TrustError(
            f"{describe(claims[0].record)} is signed by a key that may no longer sign tags of '{name}'",
            hint="ask the producer; `swarm inspect` shows who may",
        )
    chosen = _newest(_choose_tag(name, tag, valid))
    _check_time(chosen.record, now_ms)
    if seen is not None and check_seen(seen, chosen.data) is Order.OLDER:
        raise RefusedError(
            f"{describe(chosen.record)} is older than what this machine has seen",
            hint="a source is behind or replays the past; try again, or another --tracker or --store",
        )
    return Decision(
        chosen.record, chosen.data, longest.chain, longest.answer.chain, chosen.answer.source, chosen.answer.root,
        is_first_use=pin is None,
    )  # fmt: skip


def check_seen(seen: bytes, new: bytes) -> Order:
    """How a record stands to the one seen before; a record of another tag is simply newer."""
    known, record = decode_tag_record(seen), decode_tag_record(new)
    return check_follows(seen, new) if (known.name, known.tag) == (record.name, record.tag) else Order.NEWER


def _claims(
    name: str, answers: Sequence[Answer], pin: Pinned | None, seen_chain: tuple[bytes, ...]
) -> tuple[list[_Claim], list[SwarmError]]:
    claims: list[_Claim] = []
    refusals: list[SwarmError] = []
    known = verify_chain(seen_chain, name=name) if seen_chain else None
    for answer in answers:
        if not answer.tag_records:
            continue
        try:
            claims.extend(_verified(name, answer, pin, known))
        except SwarmError as error:
            refusals.append(error)
    return claims, refusals


def _verified(name: str, answer: Answer, pin: Pinned | None, known: Chain | None) -> Iterable[_Claim]:
    chain = verify_chain(answer.chain, name=name)
    if pin is not None and pin.realm is not None and chain.realm != pin.realm:
        raise TrustError(
            f"the {answer.source} speaks of '{name}' in realm {chain.realm.hex()}, and {pin.realm.hex()} is pinned",
            hint=f"if that is right: swarm trust {name} {fingerprint(pin.key)} --realm {chain.realm.hex()}",
        )
    if known is not None and known.realm == chain.realm:
        chain.check_extends(known)
    found = []
    for data in answer.tag_records:
        record = decode_tag_record(data)
        if record.name != name or record.realm != chain.realm:
            raise RefusedError(f"the {answer.source} answered for '{name}' with {describe(record)}")
        if pin is not None and not is_trusted(record, chain, (pin.key,)):
            raise TrustError(
                f"'{name}' is signed by {fingerprint(record.key)}, and {fingerprint(pin.key)} is pinned",
                hint=f"if the new key is right: swarm trust {name} {fingerprint(record.key)}",
            )
        found.append(_Claim(answer, chain, record, data))
    return found


def _longest_chain(name: str, claims: Sequence[_Claim], *, is_pinned: bool) -> _Claim:
    longest = max(claims, key=lambda claim: len(claim.chain.ids))
    for claim in claims:
        if longest.chain.extends(claim.chain):
            continue
        if is_pinned:
            longest.chain.check_extends(claim.chain)
        keys = ", ".join(sorted({fingerprint(c.record.key) for c in claims}))
        raise TrustError(f"several keys claim '{name}': {keys}", hint="say which one you mean: --publisher FINGERPRINT")
    return longest


def _choose_tag(name: str, tag: str | None, claims: Sequence[_Claim]) -> list[_Claim]:
    by_tag: dict[str, list[_Claim]] = {}
    for claim in claims:
        by_tag.setdefault(claim.record.tag, []).append(claim)
    chosen: str | None = tag if tag is not None else LATEST
    if tag is None and not _is_alive(by_tag.get(LATEST, ())):
        chosen = newest_release(t for t, group in by_tag.items() if _is_alive(group))
    if chosen is None or chosen not in by_tag:
        known = ", ".join(sorted(by_tag)) or "none"
        hint = f"say which tag: {known}" if tag is None else _did_you_mean(tag, by_tag)
        raise NotFoundError(f"'{name}' has no tag '{tag or LATEST}'" + ("" if tag else " and no release"), hint=hint)
    return by_tag[chosen]


def _is_alive(claims: Iterable[_Claim]) -> bool:
    newest = max(claims, key=lambda claim: claim.record.order, default=None)
    return newest is not None and newest.record.root is not None


def _newest(claims: Sequence[_Claim]) -> _Claim:
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
    hint = f"did you mean {' or '.join(near)}?" if near else "`swarm ls` lists what there is"
    return NotFoundError(f"there is no {what} ({asked} asked)", hint=hint)


def _did_you_mean(tag: str, tags: Iterable[str]) -> str:
    found = nearest(tag, tags)
    return f"did you mean {' or '.join(found)}?" if found else f"there are: {', '.join(sorted(tags))}"
