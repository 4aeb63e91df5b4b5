"""`swarm.cbor` makes a prefix a store: its realm, and whether creation is atomic there. Written once, never changed.

{0: v = 1, 1: required, 2: realm (16 bytes), 3: create_class (0 = checked, 1 = atomic)}
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import IntEnum

from swarm.errors import (
    ConflictError,
    CorruptError,
    DecodeError,
    MissingError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from swarm.protocol.cbor import decode, encode
from swarm.protocol.fields import Field, Schema
from swarm.protocol.forms import EnumOf
from swarm.protocol.ids import Realm
from swarm.protocol.records import REALM
from swarm.store._objects import Objects
from swarm.store.layout import IDENTITY_KEY, PUBLISHING, is_ours
from swarm.store.probe import creates_atomically

IDENTITY_BYTES_MAX = 1024


class CreateClass(IntEnum):
    """What can be relied on where two producers commit at once."""

    CHECKED = 0
    """Creation is not atomic: looked up before, read back after. Two at once are detected, not prevented."""
    ATOMIC = 1
    """Of two creators one is refused."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The content of `swarm.cbor`."""

    realm: Realm
    create_class: CreateClass


IDENTITY = Schema(
    "identity of a store",
    Identity,
    (Field(2, "realm", REALM), Field(3, "create_class", EnumOf(CreateClass))),
    v=1,
)


def encode_identity(identity: Identity) -> bytes:
    return encode(IDENTITY.write(identity))


def decode_identity(data: bytes) -> Identity:
    """Raises DecodeError, also for what a newer version wrote."""
    return IDENTITY.read(decode(data, max_bytes=IDENTITY_BYTES_MAX))


async def load_identity(objects: Objects) -> Identity | None:
    """None where there is no store. Raises CorruptError for a `swarm.cbor` that is none."""
    try:
        data = bytes(await objects.get(IDENTITY_KEY, max_bytes=IDENTITY_BYTES_MAX))
    except MissingError:
        return None
    try:
        return decode_identity(data)
    except DecodeError as error:
        raise CorruptError(
            f"{IDENTITY_KEY} in {objects.url} cannot be used: {error.message}", hint=error.hint
        ) from error


async def begin_identity(
    objects: Objects, realm: Realm | None, *, is_single_writer: bool, only_empty: bool = False
) -> Identity:
    """Makes a store of an empty prefix, or finds the one that somebody made meanwhile.

    `realm` begins a lost store anew, so then its blocks and versions may be there already, unless `only_empty`. Raises
    RefusedError for a place that holds anything else, and where creation is not atomic unless `is_single_writer`.
    """
    if realm is not None and len(realm) != REALM.maximum:
        raise UsageError(f"a realm has {REALM.maximum} bytes", hint=f"{2 * REALM.maximum} hex digits")
    await _check_place(objects, is_lost_store=realm is not None and not only_empty)
    is_atomic = await creates_atomically(objects)
    if not (is_atomic or is_single_writer):
        raise not_atomic(objects.url)
    create_class = CreateClass.ATOMIC if is_atomic else CreateClass.CHECKED
    identity = Identity(realm or Realm(secrets.token_bytes(REALM.maximum)), create_class)
    return await _write(objects, identity)


def check_realm(identity: Identity, realm: Realm | None, url: str) -> Identity:
    """Raises ConflictError if another realm was asked for."""
    if realm is not None and identity.realm != realm:
        message = f"{url} is of realm {identity.realm.hex()}, not {realm.hex()}"
        raise ConflictError(message, hint="leave out --realm, or name another place")
    return identity


def no_store(url: str) -> NotFoundError:
    return NotFoundError(
        f"{url} is no swarm store", hint="swarm seed PATH NAME --store URL makes one in an empty place"
    )


def not_atomic(url: str) -> RefusedError:
    """Two producers who publish to such a place at once could each believe that they were alone."""
    hint = "use another store, or --single-writer if only one producer ever publishes there"
    return RefusedError(f"{url} does not create objects atomically", hint=hint)


async def _check_place(objects: Objects, *, is_lost_store: bool) -> None:
    page = await objects.list_page("")
    foreign = next((listed.key for listed in page.objects if not is_ours(listed.key)), None)
    if foreign is not None:
        hint = "name an empty prefix or directory; nothing was touched"
        raise RefusedError(f"{objects.url} is no swarm store and holds other things ({foreign!r})", hint=hint)
    remains = next((listed.key for listed in page.objects if not listed.key.startswith(PUBLISHING)), None)
    if remains is not None and remains != IDENTITY_KEY and not is_lost_store:
        hint = "restore swarm.cbor, or swarm seed --realm HEX begins it anew under its old realm; nothing was touched"
        raise RefusedError(f"{objects.url} has lost its swarm.cbor (it holds {remains!r})", hint=hint)


async def _write(objects: Objects, identity: Identity) -> Identity:
    data = encode_identity(identity)
    if identity.create_class is CreateClass.ATOMIC:
        await objects.create(IDENTITY_KEY, data)
    else:
        await objects.put(IDENTITY_KEY, data)
    found = await load_identity(objects)
    if found is None:
        raise no_store(objects.url)
    return found
