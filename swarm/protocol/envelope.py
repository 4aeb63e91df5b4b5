"""The envelope of everything that is signed: a body of canonical CBOR, the algorithm, the signature.

The signature is over a context string and the body's bytes, so a reader keeps and compares bytes, never its own
re-encoding of what it understood. Which key must have signed is the caller's question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from swarm.errors import DecodeError
from swarm.protocol import cbor
from swarm.protocol.bounds import RECORD_BYTES_MAX, STORED_ITEMS_MAX
from swarm.protocol.fields import Field, Schema
from swarm.protocol.forms import Bytes, Uint
from swarm.protocol.keys import SIGNATURE_BYTES, SigningKey, verify

ED25519: Final = 1
"""The only algorithm so far."""

ENVELOPE_BYTES_MORE = 128
"""What the envelope adds to its body, at most."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A body and its signature, not yet verified."""

    alg: int
    body: bytes
    signature: bytes

    def verify(self, public_key: bytes, context: bytes) -> None:
        """Raises SignatureError unless `public_key` signed the body for this context."""
        verify(public_key, context, self.body, self.signature)


ENVELOPE = Schema(
    "envelope",
    Envelope,
    (
        Field(2, "alg", Uint(ED25519, ED25519)),
        Field(3, "body", Bytes(RECORD_BYTES_MAX, 1)),
        Field(4, "signature", Bytes(SIGNATURE_BYTES, SIGNATURE_BYTES)),
    ),
    v=1,
)


def seal(body: bytes, key: SigningKey, context: bytes, *, max_bytes: int = RECORD_BYTES_MAX) -> bytes:
    """The envelope's bytes. Raises DecodeError where no reader would take them."""
    data = cbor.encode(ENVELOPE.write(Envelope(ED25519, body, key.sign(context, body))))
    if len(data) > max_bytes:
        raise DecodeError(f"{len(data)} bytes signed, where at most {max_bytes} are allowed")
    return data


def unseal(data: bytes, *, max_bytes: int = RECORD_BYTES_MAX) -> tuple[Envelope, object]:
    """The envelope and its decoded body; the signature is still to be verified. Raises DecodeError."""
    envelope = ENVELOPE.read(cbor.decode(data, max_bytes=max_bytes, max_items=STORED_ITEMS_MAX))
    return envelope, cbor.decode(envelope.body, max_bytes=max_bytes, max_items=STORED_ITEMS_MAX)
