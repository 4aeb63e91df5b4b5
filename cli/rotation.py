"""Who may sign a name: the next name record, and after a removal every tag's record signed again.

The record-making part is pure; `add_key` and `remove_key` read and commit through a store. A consumer takes nothing on
the store's word: it verifies the same chain.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from swarm.errors import ConflictError, NotFoundError, TrustError, UsageError
from swarm.protocol.chain import Chain, is_valid, verify_chain
from swarm.protocol.ids import Realm
from swarm.protocol.keys import SigningKey, fingerprint
from swarm.protocol.records import (
    NameRecord,
    TagRecord,
    decode_tag_record,
    record_id,
    sign_name_record,
    sign_tag_record,
)

ATTEMPTS = 5
"""A tag that other producers move more often than this between our look and our commit is being fought over."""


class RecordStore(Protocol):
    """What this needs of a store."""

    @property
    def realm(self) -> Realm: ...

    async def name_chain(self, name: str) -> tuple[bytes, ...]: ...
    async def commit_name_record(self, data: bytes) -> None: ...
    async def tags(self, name: str) -> list[str]: ...
    async def newest_tag(self, name: str, tag: str) -> bytes | None: ...
    async def commit_tag(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done: the keys that may sign now, the number of the new name record, the tags that were signed again."""

    name: str
    n: int
    keys: tuple[str, ...]
    tags: tuple[str, ...] = ()


async def add_key(store: RecordStore, name: str, public_key: bytes, signer: SigningKey) -> Rotation:
    """Lets `public_key` sign too. Raises NotFoundError, TrustError (`signer` may not), UsageError (it may already)."""
    chain = await read_chain(store, name)
    if public_key in chain.keys:
        raise UsageError(
            f"{fingerprint(public_key)} may sign {name} already", hint="swarm key show NAME lists the keys"
        )
    record = next_name_record(chain, (*chain.keys, public_key), signer, _now_ms())
    await store.commit_name_record(sign_name_record(record, signer))
    return _rotation(record)


async def remove_key(store: RecordStore, name: str, public_key: bytes, signer: SigningKey) -> Rotation:
    """Takes the right to sign `name` from a key, and signs the newest record of every tag again.

    Interrupted between the two, a second call signs what is still missing. Raises as `add_key`, and UsageError where
    the signer would remove itself: somebody who stays must do that.
    """
    if public_key == signer.public_key:
        raise UsageError("a key cannot remove itself: it must sign what remains", hint="use --key with another key")
    chain = await read_chain(store, name)
    if public_key not in chain.keys:
        return await _finish_removal(store, chain, public_key, signer)
    record = next_name_record(chain, tuple(key for key in chain.keys if key != public_key), signer, _now_ms())
    await store.commit_name_record(sign_name_record(record, signer))
    tags = await store.tags(name)
    for tag in tags:
        await _sign_again(store, name, tag, signer)
    return replace(_rotation(record), tags=tuple(tags))


async def read_chain(store: RecordStore, name: str) -> Chain:
    """The verified chain of a name. Raises NotFoundError where nobody has published it."""
    records = await store.name_chain(name)
    if not records:
        raise NotFoundError(
            f"nobody has published {name} in this store", hint="swarm seed begins a name; swarm ls lists"
        )
    return verify_chain(records, name=name, realm=store.realm)


def next_name_record(chain: Chain, keys: Sequence[bytes], signer: SigningKey, now_ms: int) -> NameRecord:
    """The record after the chain's last. Raises TrustError where `signer` is not among the keys that may sign it."""
    if signer.public_key not in chain.keys:
        raise TrustError(
            f"{signer.fingerprint} may not sign {chain.name}",
            hint=f"one of these may: {', '.join(chain.fingerprints)}; name its file with --key",
        )
    last = chain.records[-1]
    return NameRecord(chain.realm, chain.name, last.n + 1, tuple(keys), chain.ids[-1], now_ms, signer.public_key)


def next_tag_record(data: bytes, signer: SigningKey, now_ms: int) -> TagRecord:
    """The same tag, meaning the same, one number later and under another signature."""
    record = decode_tag_record(data)
    later = max(now_ms, record.time)
    return replace(record, seq=record.seq + 1, prev=record_id(data), time=later, key=signer.public_key)


async def _finish_removal(store: RecordStore, chain: Chain, public_key: bytes, signer: SigningKey) -> Rotation:
    listed = {key for record in chain.records for key in record.keys}
    if public_key not in listed:
        raise NotFoundError(f"{fingerprint(public_key)} never could sign {chain.name}", hint="swarm key show NAME")
    if signer.public_key not in chain.keys:
        raise TrustError(f"{signer.fingerprint} may not sign {chain.name}", hint="name the file of one that may: --key")
    done = [tag for tag in await store.tags(chain.name) if await _sign_again(store, chain.name, tag, signer, chain)]
    return replace(_rotation(chain.records[-1]), tags=tuple(done))


async def _sign_again(store: RecordStore, name: str, tag: str, signer: SigningKey, chain: Chain | None = None) -> bool:
    """With a chain: only where the newest record is not valid under it."""
    for _ in range(ATTEMPTS):
        newest = await store.newest_tag(name, tag)
        if newest is None or (chain is not None and is_valid(decode_tag_record(newest), chain)):
            return False
        try:
            await store.commit_tag(sign_tag_record(next_tag_record(newest, signer, _now_ms()), signer))
        except ConflictError:
            continue  # a producer moved it meanwhile: sign what it means now
        return True
    raise ConflictError(f"{name}:{tag} keeps being moved by others", hint="run the same command again")


def _rotation(record: NameRecord) -> Rotation:
    return Rotation(record.name, record.n, tuple(fingerprint(key) for key in record.keys))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
