"""Lease tokens: the tracker's signed word that one agent may take blocks from the store, or over a site's border.

Others (a store's door, a tracker that has just started) can check it without asking anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarm.errors import DecodeError
from swarm.protocol import cbor
from swarm.protocol.bounds import LEASE_BYTES_MAX, LEASE_INDEXES_MAX, TIME_MS_MAX
from swarm.protocol.envelope import seal, unseal
from swarm.protocol.fields import Field, Schema
from swarm.protocol.forms import DIGEST, Boolean, RunsOf, Uint
from swarm.protocol.ids import AgentId, Runs, VersionId
from swarm.protocol.keys import LEASE_CONTEXT, SigningKey


@dataclass(frozen=True, slots=True)
class Lease:
    """`expires` and `tracker_epoch` are Unix milliseconds; `number` is unique within the epoch; `indexes` are runs.

    `expires` is that of the grant: renewing makes no new token, so the tracker's word outlives it. `from_peers`: the
    blocks are to be taken from agents of other sites, not from the store.
    """

    tracker_epoch: int
    number: int
    version: VersionId
    indexes: Runs
    agent: AgentId
    expires: int
    from_peers: bool = False


LEASE = Schema(
    "lease",
    Lease,
    (
        Field(2, "tracker_epoch", Uint(TIME_MS_MAX)),
        Field(3, "number", Uint()),
        Field(4, "version", DIGEST),
        Field(5, "indexes", RunsOf(LEASE_INDEXES_MAX, LEASE_INDEXES_MAX)),
        Field(6, "agent", DIGEST),
        Field(7, "expires", Uint(TIME_MS_MAX)),
        Field(8, "from_peers", Boolean(), False),
    ),
    v=1,
)


def sign_lease(lease: Lease, key: SigningKey) -> bytes:
    """The token: at most 1 KiB."""
    return seal(cbor.encode(LEASE.write(lease)), key, LEASE_CONTEXT, max_bytes=LEASE_BYTES_MAX)


def verify_lease(token: bytes, tracker_key: bytes) -> Lease:
    """The lease of a token that `tracker_key` signed. Raises DecodeError, SignatureError. The time is not looked at."""
    envelope, body = unseal(token, max_bytes=LEASE_BYTES_MAX)
    lease = LEASE.read(body)
    if not lease.indexes:
        raise DecodeError("a lease of nothing")
    envelope.verify(tracker_key, LEASE_CONTEXT)
    return lease
