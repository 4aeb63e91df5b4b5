"""The tag records and name chains that a tracker knows, each verified before it is kept.

Nothing is believed for who said it: signatures, chain, realm and order decide. Whether a key is *trusted* is for the
consumer, who pins; here a name belongs to the chain that was seen first, and to what extends it.

Signatures are verified where the caller is, which is the tracker's event loop: one takes 0.1 to 0.15 ms (ed25519 by
`cryptography`, measured), so that a whole answer of a store, 256 records, holds the loop up for 40 ms once. What is
known byte for byte is not verified again, or a name that is asked for every second would cost that every second. What
agents send is charged by the signature (`allowance`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from swarm.errors import ForkError, NoSpaceError, RefusedError, SwarmError, TrustError
from swarm.protocol.chain import Chain, is_valid, verify_chain
from swarm.protocol.ids import Realm
from swarm.protocol.records import Order, TagRecord, check_history, decode_tag_record, describe

RECORDS_BYTES_MAX = 256 << 20
"""Records and chains in memory: 200,000 tags of a usual kilobyte."""

TAGS_MAX = 65_536
"""Tags of one name: a release an hour for seven years."""


@dataclass(frozen=True, slots=True)
class KnownTag:
    """A verified tag record and its bytes."""

    data: bytes
    record: TagRecord


@dataclass(slots=True)
class KnownName:
    """A verified chain, its bytes, and the newest record of every tag known."""

    chain: Chain
    chain_data: tuple[bytes, ...]
    tags: dict[str, KnownTag] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(map(len, self.chain_data)) + sum(len(tag.data) for tag in self.tags.values())


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record was not taken, and the newest one known instead."""

    reason: str
    newest: bytes | None
    is_conflict: bool = False
    """Two histories claim one name or number; else it is merely old or wrong."""


class Records:
    """By name and tag. `realm` None is taken from the first record. `may_forget`: a store has them all."""

    def __init__(self, realm: Realm | None, *, may_forget: bool) -> None:
        self.realm = realm
        self._may_forget = may_forget
        self._names: OrderedDict[str, KnownName] = OrderedDict()  # least recently used first
        self._by_data: dict[bytes, TagRecord] = {}
        self._bytes = 0

    def offer(self, tag_record: bytes, name_records: tuple[bytes, ...]) -> TagRecord | Refusal | None:
        """Takes a record if it is valid and newer. Returns it, None where it was known, or the refusal."""
        try:
            record = self._verified(tag_record)
        except SwarmError as error:
            return Refusal(str(error), None)
        return self._offer(record, tag_record, name_records)

    def offer_from_store(
        self, tag_record: bytes, chains: Mapping[str, tuple[bytes, ...]]
    ) -> TagRecord | Refusal | None:
        """The same; but what the store says replaces a name that was only told and contradicts it."""
        try:
            record = self._verified(tag_record)
        except SwarmError as error:
            return Refusal(str(error), None)
        name_records = chains.get(record.name, ())
        taken = self._offer(record, tag_record, name_records)
        if isinstance(taken, Refusal) and taken.is_conflict and record.name in self._names:
            self._drop(record.name)
            taken = self._offer(record, tag_record, name_records)
        return taken

    def name(self, name: str) -> KnownName | None:
        """What is known of a name."""
        known = self._names.get(name)
        if known is not None:
            self._names.move_to_end(name)
        return known

    def newest(self, name: str, tag: str) -> KnownTag | None:
        known = self.name(name)
        return known.tags.get(tag) if known is not None else None

    def names(self) -> list[str]:
        """Every name known, sorted."""
        return sorted(self._names)

    def all_tags(self) -> Iterator[KnownTag]:
        """Every record, by name and tag."""
        for name in sorted(self._names):
            tags = self._names[name].tags
            yield from (tags[tag] for tag in sorted(tags))

    @property
    def count(self) -> int:
        return sum(len(known.tags) for known in self._names.values())

    def check(self) -> None:
        assert self._bytes == sum(known.bytes for known in self._names.values())
        assert self._by_data == {tag.data: tag.record for tag in self.all_tags()}
        for name, known in self._names.items():
            assert known.chain.name == name
            assert all(tag.record.tag == key and tag.record.name == name for key, tag in known.tags.items())

    def _offer(
        self, record: TagRecord, tag_record: bytes, name_records: tuple[bytes, ...]
    ) -> TagRecord | Refusal | None:
        known = self.newest(record.name, record.tag)
        try:
            return self._take(record, tag_record, self._extended(record, name_records), known)
        except SwarmError as error:
            newest = known.data if known else None
            return Refusal(str(error), newest, is_conflict=isinstance(error, (ForkError, TrustError)))

    def _verified(self, data: bytes) -> TagRecord:
        """Raises DecodeError, SignatureError."""
        return self._by_data.get(data) or decode_tag_record(data)

    def _extended(self, record: TagRecord, name_records: tuple[bytes, ...]) -> tuple[Chain, tuple[bytes, ...]]:
        """The longest chain known of the record's name, this one included. Raises where the record does not fit."""
        if self.realm is not None and record.realm != self.realm:
            raise TrustError(f"{describe(record)} is of realm {record.realm.hex()}, not {self.realm.hex()}")
        known = self._names.get(record.name)
        if known is not None and (not name_records or name_records == known.chain_data):
            return known.chain, known.chain_data
        chain = verify_chain(name_records, name=record.name, realm=record.realm)
        if known is not None:
            chain.check_extends(known.chain)
            if known.chain.extends(chain):
                return known.chain, known.chain_data
        return chain, name_records

    def _take(
        self, record: TagRecord, data: bytes, chain: tuple[Chain, tuple[bytes, ...]], known: KnownTag | None
    ) -> TagRecord | None:
        if not is_valid(record, chain[0]):
            raise TrustError(f"{describe(record)} is signed by a key that its name does not list")
        # A release that its producer has moved is passed on: whoever has seen it before refuses it himself, and a
        # tracker that held on to the old record would keep the new one from those who ask nobody else.
        order = check_history(known.data, data) if known is not None else Order.NEWER
        if order is Order.OLDER:
            raise RefusedError(f"{describe(record)} is older than what is known")
        self._keep(record, data, chain)
        return record if order is Order.NEWER else None

    def _keep(self, record: TagRecord, data: bytes, chain: tuple[Chain, tuple[bytes, ...]]) -> None:
        known = self._names.get(record.name)
        is_new = known is None
        if known is None:
            known = KnownName(*chain)
        if record.tag not in known.tags and len(known.tags) >= TAGS_MAX:
            raise NoSpaceError(f"'{record.name}' has {TAGS_MAX} tags")
        old_bytes = 0 if is_new else known.bytes
        self._make_room(len(data) + sum(map(len, chain[1])), keep=record.name)
        known.chain, known.chain_data = chain
        if (old := known.tags.get(record.tag)) is not None:
            del self._by_data[old.data]
        known.tags[record.tag] = KnownTag(data, record)
        self._by_data[data] = record
        self._names[record.name] = known
        self._names.move_to_end(record.name)
        self._bytes += known.bytes - old_bytes
        self.realm = record.realm

    def _make_room(self, more_bytes: int, keep: str) -> None:
        while self._bytes + more_bytes > RECORDS_BYTES_MAX:
            oldest = next((name for name in self._names if name != keep), None)
            if not self._may_forget or oldest is None:
                raise NoSpaceError("the tracker holds as many records as it can", hint="give it a --store")
            self._drop(oldest)

    def _drop(self, name: str) -> None:
        dropped = self._names.pop(name)
        self._bytes -= dropped.bytes
        for tag in dropped.tags.values():
            del self._by_data[tag.data]
