"""Tag records and name records: what they hold, their bytes, and how two of a tag stand to each other.

A tag record says what a tag means since when; a name record says who may sign the tags of a name (`chain` follows
those). Both come in an envelope. A record's id, the `prev` of the next, is the BLAKE3 of its envelope's bytes.
Times are Unix milliseconds. Trust (pins, realms) is the caller's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from swarm.errors import DecodeError, ForkError, RefusedError
from swarm.protocol import bounds as b
from swarm.protocol import cbor
from swarm.protocol.envelope import ENVELOPE_BYTES_MORE, seal, unseal
from swarm.protocol.fields import Field, Schema
from swarm.protocol.forms import DIGEST, ArrayOf, Boolean, Bytes, PairOf, Text, Uint
from swarm.protocol.ids import Realm, VersionId, digest, short
from swarm.protocol.keys import KEY_BYTES, NAME_CONTEXT, TAG_CONTEXT, SigningKey, fingerprint
from swarm.protocol.names import NAME, TAG, is_tag
from swarm.protocol.tags import is_immutable

REALM = Bytes(16, 16)
TIME = Uint(b.TIME_MS_MAX)
PUBLIC_KEY = Bytes(KEY_BYTES, KEY_BYTES)
LABEL_KEY = re.compile(r"[a-z0-9][a-z0-9._/-]*")


@dataclass(frozen=True, slots=True)
class TagRecord:
    """`root` None is a tombstone. `prev` is the id of record seq - 1, None for seq 0. `key` signs.

    `rollout` is opaque here and empty without a plan; `labels` are sorted by key and unique.
    """

    realm: Realm
    name: str
    tag: str
    epoch: int
    seq: int
    prev: bytes | None
    root: VersionId | None
    time: int
    key: bytes
    immutable: bool = False
    not_before: int | None = None
    expires: int | None = None
    notes: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    rollout: bytes = b""

    @property
    def order(self) -> tuple[int, int]:
        """(epoch, seq): the greater is the newer."""
        return self.epoch, self.seq


@dataclass(frozen=True, slots=True)
class NameRecord:
    """`keys` may sign tags of `name` and the next name record. `key` signs this one: one of record n - 1's, or own."""

    realm: Realm
    name: str
    n: int
    keys: tuple[bytes, ...]
    prev: bytes | None
    time: int
    key: bytes


TAG_RECORD = Schema(
    "tag record",
    TagRecord,
    (
        Field(2, "realm", REALM),
        Field(3, "name", Text(b.NAME_BYTES_MAX, NAME)),
        Field(4, "tag", Text(b.NAME_PART_BYTES_MAX, TAG)),
        Field(5, "epoch", TIME),
        Field(6, "seq", Uint()),
        Field(7, "prev", DIGEST, None),
        Field(8, "root", DIGEST, None),
        Field(9, "time", TIME),
        Field(10, "not_before", TIME, None),
        Field(11, "expires", TIME, None),
        Field(12, "immutable", Boolean(), False),
        Field(13, "notes", Text(b.NOTES_BYTES_MAX, is_multiline=True), ""),
        Field(
            14,
            "labels",
            ArrayOf(PairOf(Text(b.LABEL_KEY_BYTES_MAX, LABEL_KEY), Text(b.LABEL_VALUE_BYTES_MAX)), b.LABELS_MAX),
            (),
        ),
        Field(15, "rollout", Bytes(b.ROLLOUT_BYTES_MAX), b""),
        Field(16, "key", PUBLIC_KEY),
    ),
    v=1,
)

NAME_RECORD = Schema(
    "name record",
    NameRecord,
    (
        Field(2, "realm", REALM),
        Field(3, "name", Text(b.NAME_BYTES_MAX, NAME)),
        Field(4, "n", Uint(b.NAME_RECORDS_MAX - 1)),
        Field(5, "keys", ArrayOf(PUBLIC_KEY, b.RECORD_KEYS_MAX)),
        Field(6, "prev", DIGEST, None),
        Field(7, "time", TIME),
        Field(8, "key", PUBLIC_KEY),
    ),
    v=1,
)


def record_id(data: bytes) -> bytes:
    """What the next record's `prev` says."""
    return digest(data)


def sign_tag_record(record: TagRecord, key: SigningKey) -> bytes:
    """The record's bytes. Raises DecodeError where a reader would refuse it."""
    if record.key != key.public_key:
        raise DecodeError("a tag record that names another key than the one that signs it")
    body = cbor.encode(TAG_RECORD.write(record))
    _check_tag_record(TAG_RECORD.read(cbor.decode(body, max_bytes=b.RECORD_BYTES_MAX - ENVELOPE_BYTES_MORE)))
    return seal(body, key, TAG_CONTEXT)


def decode_tag_record(data: bytes) -> TagRecord:
    """The record, its signature verified against its own key. Raises DecodeError, SignatureError."""
    envelope, body = unseal(data)
    record = _check_tag_record(TAG_RECORD.read(body))
    envelope.verify(record.key, TAG_CONTEXT)
    return record


def sign_name_record(record: NameRecord, key: SigningKey) -> bytes:
    """The record's bytes. Raises DecodeError where a reader would refuse it."""
    if record.key != key.public_key:
        raise DecodeError("a name record that names another key than the one that signs it")
    body = cbor.encode(NAME_RECORD.write(record))
    _check_name_record(NAME_RECORD.read(cbor.decode(body, max_bytes=b.RECORD_BYTES_MAX - ENVELOPE_BYTES_MORE)))
    return seal(body, key, NAME_CONTEXT)


def decode_name_record(data: bytes) -> NameRecord:
    """The record, its signature verified against its own key. Raises DecodeError, SignatureError."""
    envelope, body = unseal(data)
    record = _check_name_record(NAME_RECORD.read(body))
    envelope.verify(record.key, NAME_CONTEXT)
    return record


def _check_tag_record(record: TagRecord) -> TagRecord:
    if not is_tag(record.tag):
        raise DecodeError(f"tag record: '{record.tag}' asks for a range and cannot be a tag")
    if (record.prev is None) != (record.seq == 0):
        raise DecodeError(f"tag record: seq {record.seq} with{'out' if record.prev is None else ''} prev")
    if is_immutable(record.tag) and not record.immutable:
        raise DecodeError(f"tag record: '{record.tag}' is a release and not marked immutable")
    keys = [key for key, _ in record.labels]
    if any(left >= right for left, right in pairwise(keys)):
        raise DecodeError("tag record: labels that are not sorted and unique")
    if record.not_before is not None and record.expires is not None and record.expires <= record.not_before:
        raise DecodeError("tag record: it expires before it is valid")
    return record


def _check_name_record(record: NameRecord) -> NameRecord:
    if not record.keys or len(set(record.keys)) != len(record.keys):
        raise DecodeError("name record: no keys, or one twice")
    if (record.prev is None) != (record.n == 0):
        raise DecodeError(f"name record: n {record.n} with{'out' if record.prev is None else ''} prev")
    if record.n == 0 and record.key not in record.keys:
        raise DecodeError("name record: the first is not signed by one of its own keys")
    return record


class Order(Enum):
    """How another record of a tag stands to one that is known."""

    OLDER = "older"
    SAME = "same"
    NEWER = "newer"
    FORK = "fork"


def compare(known: TagRecord, other: TagRecord) -> Order:
    """By (epoch, seq); an equal number with another root is a fork. Both are of one realm, name and tag."""
    if other.order != known.order:
        return Order.NEWER if other.order > known.order else Order.OLDER
    return Order.SAME if other.root == known.root else Order.FORK


def check_history(known_data: bytes, new_data: bytes) -> Order:
    """How `new_data` stands to `known_data`, both verified before. Raises where no history has both.

    ForkError: one number and two roots, or the next number with another past. RefusedError: not of one tag.
    """
    known, new = decode_tag_record(known_data), decode_tag_record(new_data)
    if (known.realm, known.name, known.tag) != (new.realm, new.name, new.tag):
        raise RefusedError(f"{describe(new)} does not belong to the history of {describe(known)}")
    order = compare(known, new)
    if order is Order.FORK:
        raise ForkError(f"two records claim one number: {describe(known)} and {describe(new)}")
    older, newer = (known, new) if order is Order.NEWER else (new, known)
    older_data = known_data if order is Order.NEWER else new_data
    is_next = older.epoch == newer.epoch and older.seq + 1 == newer.seq
    if is_next and newer.prev != record_id(older_data):
        raise ForkError(f"{describe(newer)} does not follow {describe(older)}")
    return order


def moves_immutable(older: TagRecord, newer: TagRecord) -> bool:
    """Whether a tag that was never to mean anything else does, even in a new epoch; after its tombstone nothing else
    comes. A producer must insist on it, and who has seen the older record refuses it."""
    return older.immutable and newer.root != older.root and newer.root is not None


def check_follows(known_data: bytes, new_data: bytes) -> Order:
    """As `check_history`, for who was promised that an immutable tag stays: raises RefusedError where it moved."""
    order = check_history(known_data, new_data)
    known, new = decode_tag_record(known_data), decode_tag_record(new_data)
    older, newer = (known, new) if order is Order.NEWER else (new, known)
    if order is not Order.SAME and moves_immutable(older, newer):
        raise RefusedError(
            f"{newer.name}:{newer.tag} is immutable, and its producer has moved it all the same: this machine has seen "
            f"{describe(known)}, and now there is {describe(new)}",
            hint=f"ask the producer why; to believe it: swarm trust {newer.name} --moved {newer.tag}",
        )
    return order


def describe(record: TagRecord) -> str:
    """One line for people: `name:tag #seq -> root (key …)`."""
    root = short(record.root) if record.root is not None else "nothing"
    return f"{record.name}:{record.tag} #{record.epoch}.{record.seq} -> {root} (key {fingerprint(record.key)[:20]}…)"
