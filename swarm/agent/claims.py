"""Which of the records that several sources answered with may be believed at all. Pure.

A tag record counts only if its key is in the newest name record known, also one that only this machine has seen; a
pinned key must have signed it or a record of its chain; the pin holds the realm, else what was seen does. Unpinned, the
first use pins, but never while two keys claim the name. A stranger on the LAN cannot spoil what tracker or store say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swarm.errors import RefusedError, SwarmError, TrustError
from swarm.protocol.chain import Chain, is_valid, verify_chain
from swarm.protocol.ids import Realm
from swarm.protocol.keys import fingerprint
from swarm.protocol.records import TagRecord, decode_tag_record, describe


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
    """Whom this machine believes about a name; `realm` None: whichever comes first.

    `is_kept` False: this was said of one fetch, of a name that has no pin yet.
    """

    key: bytes
    realm: Realm | None
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What this machine has seen of a name: the newest record of a tag (None: none), and the chain."""

    newest: Callable[[str], bytes | None] = lambda _tag: None
    chain: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Vouching:
    """A verified chain and its bytes."""

    chain: Chain
    records: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """One verified tag record with the chain that it came with."""

    answer: Answer
    vouching: Vouching
    record: TagRecord
    data: bytes


def trusted_claims(
    name: str, answers: Sequence[Answer], *, pin: Pinned | None, seen: Seen
) -> tuple[list[Claim], Vouching]:
    """Every record that may be believed, at least one, and the longest chain, by which they were judged.

    Raises TrustError, ForkError, RefusedError: what the first answer was refused with where none is left.
    """
    known = _known(name, pin, seen)
    claims, refusals = _claims(name, answers, pin, known)
    if not claims:
        raise refusals[0] if refusals else RefusedError(f"nobody answered for '{name}'")
    claims = _without_strangers(claims, pin)
    vouching = _longest(name, claims, known, is_pinned=pin is not None)
    valid = [claim for claim in claims if is_valid(claim.record, vouching.chain)]
    if not valid:
        raise TrustError(
            f"{describe(claims[0].record)} is signed by a key that may no longer sign tags of '{name}'",
            hint="ask the producer; `swarm inspect` shows who may",
        )
    return valid, vouching


def is_believable(name: str, answer: Answer, *, pin: Pinned | None, seen: Seen) -> bool:
    """Whether an answer holds a record that would count by itself: only such a one is worth ending a question for."""
    try:
        return bool(trusted_claims(name, (answer,), pin=pin, seen=seen))
    except SwarmError:
        return False


def _known(name: str, pin: Pinned | None, seen: Seen) -> Vouching | None:
    """The chain that this machine has seen; None where the pin says that the name has begun anew in another realm."""
    if not seen.chain:
        return None
    chain = verify_chain(seen.chain, name=name)
    is_past = pin is not None and pin.realm is not None and pin.realm != chain.realm
    return None if is_past else Vouching(chain, seen.chain)


def _claims(
    name: str, answers: Sequence[Answer], pin: Pinned | None, known: Vouching | None
) -> tuple[list[Claim], list[SwarmError]]:
    claims: list[Claim] = []
    refusals: list[SwarmError] = []
    for answer in answers:
        try:
            claims.extend(_verified(name, answer, pin, known))
        except SwarmError as error:
            refusals.append(error)
    return claims, refusals


def _verified(name: str, answer: Answer, pin: Pinned | None, known: Vouching | None) -> list[Claim]:
    if not answer.tag_records:
        return []
    chain = verify_chain(answer.chain, name=name)
    _check_realm(name, answer, chain, pin, known)
    if known is not None:
        chain.check_extends(known.chain)
    found = []
    for data in answer.tag_records:
        record = decode_tag_record(data)
        if record.name != name or record.realm != chain.realm:
            raise RefusedError(f"the {answer.source} answered for '{name}' with {describe(record)}")
        if pin is not None and pin.key != record.key and pin.key not in chain.signers:
            raise TrustError(
                f"'{name}' is signed by {fingerprint(record.key)}, and {fingerprint(pin.key)} is "
                + ("pinned" if pin.is_kept else "the one that --publisher names"),
                hint=f"if the new key is right: swarm trust {name} {fingerprint(record.key)}",
            )
        found.append(Claim(answer, Vouching(chain, answer.chain), record, data))
    return found


def _check_realm(name: str, answer: Answer, chain: Chain, pin: Pinned | None, known: Vouching | None) -> None:
    """The realm is that of the pin, else the one in which the name was seen before."""
    realm = pin.realm if pin is not None else None
    if realm is None and known is not None:
        realm = known.chain.realm
    if realm is None or chain.realm == realm:
        return
    key = fingerprint(pin.key if pin is not None else chain.records[0].key)
    known_as = (
        f"{realm.hex()} is pinned" if pin is not None and pin.realm is not None else f"it was seen in {realm.hex()}"
    )
    raise TrustError(
        f"the {answer.source} speaks of '{name}' in realm {chain.realm.hex()}, and {known_as}",
        hint=f"if that is right: swarm trust {name} {key} --realm {chain.realm.hex()}",
    )


def _without_strangers(claims: list[Claim], pin: Pinned | None) -> list[Claim]:
    """Those that carry the most weight, and of the others those that speak of the same history.

    A chain that the pinned key signed weighs most (anybody can list somebody else's key, and add its old records), then
    what tracker and store say, last what a neighbour says. Contradictions between equals are for the user.
    """

    def weight(claim: Claim) -> tuple[bool, bool]:
        is_pinned = pin is not None and pin.key in claim.vouching.chain.signers
        return is_pinned, claim.answer.source != "lan"

    firmest = max(map(weight, claims))
    firm = next(claim.vouching.chain for claim in claims if weight(claim) == firmest)
    return [
        claim
        for claim in claims
        if weight(claim) == firmest or claim.vouching.chain.extends(firm) or firm.extends(claim.vouching.chain)
    ]


def _longest(name: str, claims: Sequence[Claim], known: Vouching | None, *, is_pinned: bool) -> Vouching:
    chains = [claim.vouching for claim in claims] + ([known] if known is not None else [])
    longest = max(chains, key=lambda vouching: len(vouching.chain.ids))
    for vouching in chains:
        if longest.chain.extends(vouching.chain):
            continue
        if is_pinned:
            longest.chain.check_extends(vouching.chain)
        keys = ", ".join(sorted({fingerprint(claim.record.key) for claim in claims}))
        raise TrustError(f"several keys claim '{name}': {keys}", hint="say which one you mean: --publisher FINGERPRINT")
    return longest
