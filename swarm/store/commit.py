"""The one step that makes a record count: creating its object. With or without a back end that creates atomically."""

from __future__ import annotations

import trio

from swarm.errors import MissingError
from swarm.protocol.bounds import RECORD_BYTES_MAX
from swarm.store._objects import Objects
from swarm.store.identity import CreateClass, Identity, not_atomic

SETTLE_S = 1.0
"""Longer than from another producer's look to his write of a kilobyte: whoever was overwritten then sees it."""


class Commit:
    """Creates records. `is_single_writer` is the user's word that nobody else publishes here."""

    def __init__(self, objects: Objects, identity: Identity, *, is_single_writer: bool) -> None:
        self._objects = objects
        self._identity = identity
        self._is_single_writer = is_single_writer

    async def create(self, key: str, data: bytes) -> bool:
        """False if somebody else's bytes are there. Raises RefusedError where only a single writer may commit."""
        self.check()
        if self._identity.create_class is CreateClass.ATOMIC:
            return await self._objects.create(key, data)
        if await self._objects.stat(key) is not None:
            return False
        await self._objects.put(key, data)
        await trio.sleep(SETTLE_S)
        return await read_record(self._objects, key) == data

    def check(self) -> None:
        """Raises RefusedError where this store may not be committed to: asked before anything is sent."""
        if self._identity.create_class is not CreateClass.ATOMIC and not self._is_single_writer:
            raise not_atomic(self._objects.url)


async def read_record(objects: Objects, key: str) -> bytes | None:
    """The bytes of a record, not yet verified; None if there is none."""
    try:
        return bytes(await objects.get(key, max_bytes=RECORD_BYTES_MAX))
    except MissingError:
        return None
