"""The chain of a name's records: who may sign its tags now, and who ever vouched for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from swarm.errors import DecodeError, ForkError, RefusedError, TrustError
from swarm.protocol.bounds import NAME_CHAIN_BYTES_MAX, NAME_RECORDS_MAX
from swarm.protocol.ids import Realm
from swarm.protocol.keys import fingerprint
from swarm.protocol.records import NameRecord, TagRecord, decode_name_record, record_id


@dataclass(frozen=True, slots=True)
class Chain:
    """A verified chain, n = 0 first. `ids` are the records' ids."""

    name: str
    realm: Realm
    records: tuple[NameRecord, ...]
    ids: tuple[bytes, ...]

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys that may sign tags now."""
        return self.records[-1].keys

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of `keys`, in their order."""
        return tuple(fingerprint(key) for key in self.keys)

    @property
    def signers(self) -> frozenset[bytes]:
        """Keys that signed a record of the chain. Only these vouch for it: anybody can list somebody else's key."""
        return frozenset(record.key for record in self.records)

    def extends(self, older: Chain) -> bool:
        """Whether `older` is where this one began."""
        return self.ids[: len(older.ids)] == older.ids

    def check_extends(self, older: Chain) -> None:
        """Raises ForkError unless one of the two chains begins with the other."""
        if not self.extends(older) and not older.extends(self):
            raise ForkError(
                f"two chains of keys claim '{self.name}': {', '.join(older.fingerprints)} and "
                f"{', '.join(self.fingerprints)}",
                hint=f"ask its producer; if he began it anew: swarm trust {self.name} FINGERPRINT --realm REALM, "
                "which also forgets what was seen before",
            )


def verify_chain(records: Sequence[bytes], *, name: str, realm: Realm | None = None) -> Chain:
    """The chain of `name`, n = 0 first. Raises DecodeError, SignatureError, TrustError (realm), ForkError (broken)."""
    if not 1 <= len(records) <= NAME_RECORDS_MAX or sum(map(len, records)) > NAME_CHAIN_BYTES_MAX:
        raise DecodeError(f"a chain of {len(records)} name records")
    decoded = tuple(decode_name_record(data) for data in records)
    ids = tuple(record_id(data) for data in records)
    first_realm = realm if realm is not None else decoded[0].realm
    for n, record in enumerate(decoded):
        if record.name != name or record.n != n:
            raise RefusedError(f"record {record.n} of '{record.name}' at place {n} of the chain of '{name}'")
        if record.realm != first_realm:
            raise TrustError(f"'{name}' is of realm {record.realm.hex()}, not {first_realm.hex()}")
        if n > 0:
            _check_step(decoded[n - 1], ids[n - 1], record)
    return Chain(name, first_realm, decoded, ids)


def _check_step(previous: NameRecord, previous_id: bytes, record: NameRecord) -> None:
    if record.prev != previous_id:
        raise ForkError(f"name record {record.n} of '{record.name}' does not follow the one before it")
    if record.key not in previous.keys:
        raise TrustError(f"name record {record.n} of '{record.name}' is signed by {fingerprint(record.key)}, "
                         "which the one before it does not list")  # fmt: skip


def is_valid(record: TagRecord, chain: Chain) -> bool:
    """Whether the newest name record lets the tag record's key sign."""
    return record.name == chain.name and record.realm == chain.realm and record.key in chain.keys


def is_trusted(record: TagRecord, chain: Chain, pins: Collection[bytes]) -> bool:
    """Valid, and a pinned key has signed the tag record itself or a record of the chain."""
    return is_valid(record, chain) and (record.key in pins or not chain.signers.isdisjoint(pins))
