"""ed25519 keys and the names made of them: fingerprints, peer ids, agent ids. Pure: randomness is handed in.

A signature is over a context string that ends in NUL and then the bytes, so that no signature made for one purpose can
be shown for another.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from swarm.errors import DecodeError, SignatureError, UsageError
from swarm.protocol.ids import AgentId, PeerId, digest

KEY_BYTES = 32
SIGNATURE_BYTES = 64

TAG_CONTEXT: Final = b"swarm/tag/1\0"
NAME_CONTEXT: Final = b"swarm/name/1\0"
LEASE_CONTEXT: Final = b"swarm/lease/1\0"
AGENT_CONTEXT: Final = b"swarm/agent/1\0"

_FINGERPRINT_PREFIX = "ed25519:"
# A protobuf PublicKey{Type: Ed25519, Data: 32 bytes} in an identity multihash: libp2p's specification of peer ids.
_PEER_ID_PREFIX = bytes.fromhex("002408011220")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUES = {letter: value for value, letter in enumerate(_BASE58)}
_PEER_ID_LETTERS_MAX = 64


class SigningKey:
    """A private key. Its seed is all of it; it never appears in `repr`."""

    __slots__ = ("_key", "public_key", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_BYTES:
            raise ValueError(f"a seed has {KEY_BYTES} bytes, not {len(seed)}")
        self.seed = bytes(seed)
        self._key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public_key: bytes = self._key.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of 32 bytes: fresh random ones make a fresh key."""
        return cls(seed)

    @classmethod
    def generate(cls, random_bytes: bytes) -> SigningKey:
        """A new key of 32 random bytes that the caller has drawn from the system."""
        return cls(random_bytes)

    def sign(self, context: bytes, data: bytes) -> bytes:
        """64 bytes over `context` and `data`."""
        return self._key.sign(_message(context, data))

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.public_key)

    @property
    def peer_id(self) -> PeerId:
        return peer_id_of(self.public_key)

    @property
    def agent_id(self) -> AgentId:
        return agent_id_of(self.public_key)

    def __repr__(self) -> str:
        return f"<SigningKey {self.fingerprint}>"


def verify(public_key: bytes, context: bytes, data: bytes, signature: bytes) -> None:
    """Returns if the signature holds, else raises SignatureError."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _message(context, data))
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(f"the signature does not hold for key {fingerprint(public_key)}") from error


def _message(context: bytes, data: bytes) -> bytes:
    if not context.endswith(b"\0"):
        raise ValueError("a context ends in NUL")
    return context + data


def fingerprint(public_key: bytes) -> str:
    """`ed25519:` and the key itself in base32, small letters: 60 characters that people may paste."""
    return _FINGERPRINT_PREFIX + base64.b32encode(public_key).decode().rstrip("=").lower()


def parse_fingerprint(text: str) -> bytes:
    """The public key of a fingerprint. Raises UsageError."""
    word = text.strip()
    hint = "it looks like ed25519: and 52 letters and digits; `swarm key show` prints yours"
    if not word.startswith(_FINGERPRINT_PREFIX):
        raise UsageError(f"'{text[:80]}' is not a fingerprint", hint=hint)
    letters = word[len(_FINGERPRINT_PREFIX) :].upper()
    try:
        public_key = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"'{text[:80]}' is not a fingerprint", hint=hint) from error
    if len(public_key) != KEY_BYTES or fingerprint(public_key) != word.lower():
        raise UsageError(f"'{text[:80]}' is not a fingerprint", hint=hint)
    return public_key


def agent_id_of(public_key: bytes) -> AgentId:
    """BLAKE3 of the key."""
    return AgentId(digest(public_key))


def peer_id_of(public_key: bytes) -> PeerId:
    """libp2p's peer id: `12D3Koo…`."""
    if len(public_key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(public_key)}")
    return PeerId(_base58(_PEER_ID_PREFIX + public_key))


def public_key_of(peer_id: PeerId) -> bytes:
    """The ed25519 key inside a peer id. Raises DecodeError for any other kind of peer id."""
    if len(peer_id) > _PEER_ID_LETTERS_MAX:
        raise DecodeError("a peer id that is too long")
    value = 0
    for letter in peer_id:
        if letter not in _BASE58_VALUES:
            raise DecodeError("a peer id that is not base58")
        value = value * 58 + _BASE58_VALUES[letter]
    public_key = value.to_bytes(_PEER_ID_LETTERS_MAX, "big")[-KEY_BYTES:]
    if peer_id_of(public_key) != peer_id:
        raise DecodeError("a peer id that holds no ed25519 key")
    return public_key


def _base58(data: bytes) -> str:
    value, letters = int.from_bytes(data, "big"), ""
    while value:
        value, digit = divmod(value, 58)
        letters = _BASE58[digit] + letters
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + letters
