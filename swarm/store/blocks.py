"""Blocks and roots in a store: encoded, decoded, and verified before anybody sees them.

A block's object is 8 bytes of head and a body. The head says how the body was made of the bytes that the block is
named by; so far there is one way: as it is. Which blocks are there at all is asked in `presence`.

    0  4  magic b"swb\\x01"      4  1  codec, 0 = none      5  1  cipher, 0 = none      6  2  flags, big-endian, 0
"""

from __future__ import annotations

import struct

import trio

from swarm.errors import CorruptError, InternalError, RefusedError
from swarm.protocol.bounds import BLOCK_BYTES_MAX, ROOT_BYTES_MAX
from swarm.protocol.ids import BlockId, VersionId, digest
from swarm.store._objects import Body, Objects
from swarm.store._reading import Moved
from swarm.store.layout import block_key, version_key

MAGIC = b"swb\x01"
_HEAD = struct.Struct(">4sBBH")
HEAD_BYTES = _HEAD.size
PLAIN = 0

DIGEST_IN_THREAD_BYTES = 1024 * 1024
"""0.13 ms of hashing; a thread costs 0.1 ms, so below this the loop does it itself."""


def encode_block(data: bytes | bytearray | memoryview) -> bytes:
    """The object that holds a block's bytes."""
    return _HEAD.pack(MAGIC, PLAIN, PLAIN, 0) + data


def decode_block(body: Body, *, key: str, max_length: int) -> bytes:
    """The bytes of a block's object, not yet hashed. Raises CorruptError, or RefusedError for an unknown encoding."""
    if len(body) < HEAD_BYTES:
        raise CorruptError(f"{key} has {len(body)} bytes: too short for a block")
    magic, codec, cipher, flags = _HEAD.unpack_from(body)
    if magic != MAGIC:
        raise CorruptError(f"{key} does not begin as a block does")
    if codec != PLAIN or cipher != PLAIN or flags:
        what = f"codec {codec}, cipher {cipher}, flags {flags:#x}"
        raise RefusedError(f"{key} is encoded in a way that this version does not know ({what})", hint="upgrade swarm")
    if len(body) - HEAD_BYTES > max_length:
        raise CorruptError(f"{key} has {len(body) - HEAD_BYTES} bytes, more than {max_length}")
    return bytes(memoryview(body)[HEAD_BYTES:])


class Blocks:
    """Reads and writes over `objects`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def get(self, block: BlockId, *, max_length: int = BLOCK_BYTES_MAX, moved: Moved | None = None) -> bytes:
        """The bytes of `block`, verified. Raises MissingError, CorruptError (it names the key), UnavailableError."""
        key = block_key(block)
        body = await self._objects.get(key, max_bytes=HEAD_BYTES + max_length, moved=moved)
        data = decode_block(body, key=key, max_length=max_length)
        await check_digest(data, block, f"{key} in {self._objects.url}")
        return data

    async def put(self, block: BlockId, data: bytes, *, is_missing: bool) -> bool:
        """Writes a block unless it is there; `is_missing` writes without a look. True if it was written."""
        if len(data) > BLOCK_BYTES_MAX:
            raise InternalError(f"a block of {len(data)} bytes")
        await _check_own(data, block)
        key = block_key(block)
        stat = None if is_missing else await self._objects.stat(key)
        # A length that cannot be right is the one corruption that a look shows for nothing.
        if stat is not None and stat.size == HEAD_BYTES + len(data):
            return False
        await self._objects.put(key, encode_block(data))
        return True

    async def get_root(self, version: VersionId) -> bytes:
        """A version's root, verified. The same errors."""
        key = version_key(version)
        data = bytes(await self._objects.get(key, max_bytes=ROOT_BYTES_MAX))
        await check_digest(data, version, f"{key} in {self._objects.url}")
        return data

    async def put_root(self, version: VersionId, data: bytes) -> None:
        """Writes a root; every time, because it is small and may have been condemned."""
        await _check_own(data, version)
        await self._objects.put(version_key(version), data)


async def check_digest(data: bytes, expected: bytes, where: str) -> None:
    """Raises CorruptError, naming `where`, unless `data` hashes to `expected`."""
    found = await _digest(data)
    if found != expected:
        hint = "delete that object and publish the version again"
        raise CorruptError(f"{where} is corrupt: its bytes hash to {found.hex()[:16]}…", hint=hint)


async def _check_own(data: bytes, expected: bytes) -> None:
    if await _digest(data) != expected:
        raise InternalError(f"bytes that are not {expected.hex()[:16]}… were to be stored under that name")


async def _digest(data: bytes) -> bytes:
    if len(data) < DIGEST_IN_THREAD_BYTES:
        return digest(data)
    return await trio.to_thread.run_sync(digest, data)
