"""The identifiers of the protocol, and nothing else: how things are named on the wire and in the code.

Digests are BLAKE3-256. A peer id is libp2p's: the identity multihash of an ed25519 public key in base58 (`12D3Koo…`).
"""

from __future__ import annotations

from typing import NewType

from blake3 import blake3

DIGEST_BYTES = 32

BlockId = NewType("BlockId", bytes)
"""BLAKE3 of a block's bytes; 32 bytes."""

VersionId = NewType("VersionId", bytes)
"""BLAKE3 of a version's root; 32 bytes. Shown as hex."""

AgentId = NewType("AgentId", bytes)
"""BLAKE3 of an agent's ed25519 public key; 32 bytes. Leases, bans, liveness and credit belong to agents."""

PeerId = NewType("PeerId", str)
"""libp2p's name of one connection end."""

Realm = NewType("Realm", bytes)
"""A store's random name; 16 bytes."""

Index = NewType("Index", int)
"""A position in a version's index space: `blocks` pages, `tree` pages, then the block table."""

ConnectionId = NewType("ConnectionId", int)
"""Numbers one connection of this process; never on the wire."""

Run = tuple[int, int]
"""(first, count), count >= 1."""

Runs = tuple[Run, ...]
"""Ascending, disjoint and not adjacent."""


def digest(data: bytes | bytearray | memoryview) -> bytes:
    """BLAKE3-256 of `data`: 32 bytes. Releases the GIL on large inputs."""
    return blake3(data).digest()


def short(identifier: bytes) -> str:
    """The first eight hex digits: enough to tell things apart on a screen."""
    return identifier[:4].hex()
