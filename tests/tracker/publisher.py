"""A producer with keys: signs name and tag records, and makes small roots."""

from __future__ import annotations

from swarm.protocol.ids import Realm, VersionId
from swarm.protocol.keys import SigningKey
from swarm.protocol.records import NameRecord, TagRecord, record_id, sign_name_record, sign_tag_record

REALM = Realm(b"realm-of-tests..")
OTHER_REALM = Realm(b"another-realm...")


def key(seed: str) -> SigningKey:
    return SigningKey.from_seed(seed.encode().ljust(32, b"."))


class Publisher:
    """One name's history. `epoch` begins it."""

    def __init__(self, name: str = "maps", *, seed: str = "publisher", realm: Realm = REALM, epoch: int = 1000) -> None:
        self.name = name
        self.realm = realm
        self.epoch = epoch
        self.key = key(seed)
        record = NameRecord(realm, name, 0, (self.key.public_key,), None, 1, self.key.public_key)
        self.chain: tuple[bytes, ...] = (sign_name_record(record, self.key),)
        self._newest: dict[str, tuple[int, bytes]] = {}

    def tag(
        self, tag: str, root: VersionId | None, *, time: int = 1, immutable: bool = False, keep: bool = True
    ) -> bytes:
        """The next record of a tag; `keep` False signs it and goes on from the one before."""
        seq, prev = -1, None
        if tag in self._newest:
            seq, data = self._newest[tag]
            prev = record_id(data)
        record = TagRecord(
            self.realm, self.name, tag, self.epoch, seq + 1, prev, root, time, self.key.public_key, immutable
        )
        signed = sign_tag_record(record, self.key)
        if keep:
            self._newest[tag] = (seq + 1, signed)
        return signed

    def rotate(self, seed: str) -> None:
        """The name is handed to another key."""
        successor = key(seed)
        record = NameRecord(
            self.realm,
            self.name,
            len(self.chain),
            (successor.public_key,),
            record_id(self.chain[-1]),
            2,
            self.key.public_key,
        )
        self.chain = (*self.chain, sign_name_record(record, self.key))
        self.key = successor
