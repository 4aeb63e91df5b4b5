"""Signed records of a dataset `data`, made in a line."""

from __future__ import annotations

from swarm.protocol.ids import Realm, VersionId
from swarm.protocol.keys import SigningKey
from swarm.protocol.records import NameRecord, TagRecord, record_id, sign_name_record, sign_tag_record
from swarm.protocol.tags import is_immutable

REALM, OTHER_REALM = Realm(b"r" * 16), Realm(b"o" * 16)
ALICE, BOB, MALLORY = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
NOW = 1_800_000_000_000


def root(n: int) -> VersionId:
    return VersionId(bytes([n]) * 32)


def chain(*steps: tuple[SigningKey, tuple[SigningKey, ...]], realm: Realm = REALM) -> tuple[bytes, ...]:
    """Each step: who signs, and who may sign from then on."""
    records: list[bytes] = []
    for n, (signer, keys) in enumerate(steps):
        prev = record_id(records[-1]) if records else None
        record = NameRecord(realm, "data", n, tuple(key.public_key for key in keys), prev, NOW, signer.public_key)
        records.append(sign_name_record(record, signer))
    return tuple(records)


def tagged(
    key: SigningKey = ALICE,
    *,
    tag: str = "latest",
    seq: int = 0,
    to: int | None = 1,
    epoch: int = 1,
    realm: Realm = REALM,
    prev: bytes | None = None,
) -> bytes:
    prev = prev or (b"p" * 32 if seq else None)
    record = TagRecord(
        realm, "data", tag, epoch, seq, prev, None if to is None else root(to), NOW,
        key.public_key, immutable=is_immutable(tag),
    )  # fmt: skip
    return sign_tag_record(record, key)


ALICES = chain((ALICE, (ALICE,)))
