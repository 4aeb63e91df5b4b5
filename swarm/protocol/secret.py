"""Proof that two sides know the same secret, bound to this connection: both nonces, both peer ids, and who dialled."""

from __future__ import annotations

import hmac
from enum import IntEnum
from typing import Final

from blake3 import blake3

from swarm.protocol.ids import PeerId

HELLO_CONTEXT: Final = b"swarm/hello/1\0"
_KEY_CONTEXT: Final = "swarm 1 2025 shared secret, key of the hello proof"


class Role(IntEnum):
    """Whose proof it is."""

    DIALER = 0
    ACCEPTOR = 1


def prove(secret: bytes, role: Role, nonces: tuple[bytes, bytes], peer_ids: tuple[PeerId, PeerId]) -> bytes:
    """32 bytes: keyed BLAKE3 with a key derived from `secret`. The pairs are (dialer's, acceptor's)."""
    key = blake3(secret, derive_key_context=_KEY_CONTEXT).digest()
    message = bytearray(HELLO_CONTEXT)
    message.append(role)
    for part in (*nonces, *(peer_id.encode() for peer_id in peer_ids)):
        message += len(part).to_bytes(2, "big") + part
    return blake3(bytes(message), key=key).digest()


def is_proof(
    proof: bytes, secret: bytes, role: Role, nonces: tuple[bytes, bytes], peer_ids: tuple[PeerId, PeerId]
) -> bool:
    """Whether `proof` is the one of `role`; takes the same time for every wrong one."""
    return hmac.compare_digest(proof, prove(secret, role, nonces, peer_ids))
