"""What leases are made by, and what comes of them: rules told once, grants, fences, counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swarm.protocol.ids import AgentId
from swarm.protocol.lease import Lease
from swarm.tracker.leasing.budget import OriginBudget
from swarm.tracker.leasing.pace import Pace
from swarm.tracker.leasing.table import Place

LEASE_S = 15.0
"""Life of a lease after its last renewal: what an agent that hears nothing more may count on."""

PRESIGNED_S = 30
"""Life of a presigned URL: at most twice the lease, since for S3 it is the only fence."""

Signer = Callable[[Lease], bytes]
Verifier = Callable[[bytes], Lease]
"""Raises a SwarmError where the bytes are no lease of ours."""


@dataclass(frozen=True, slots=True)
class LeaseRules:
    """What is decided once. `first_number` differs from start to start, so that a forerunner's numbers do not recur.

    `epoch`: Unix ms of the start. `unix_s`: the wall clock where `now` is 0.
    """

    epoch: int
    sign: Signer
    verify: Verifier
    first_number: int = 1
    unix_s: float = 0.0
    budget: OriginBudget = field(default_factory=OriginBudget)
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Grant:
    """A lease to be sent."""

    agent: AgentId
    number: int
    place: Place
    lease: bytes


@dataclass(frozen=True, slots=True)
class Fence:
    """A lease that its agent must be told to stop."""

    agent: AgentId
    number: int
    epoch: int


@dataclass(slots=True)
class LeaseCounters:
    """Since the start."""

    granted: int = 0
    arrived: int = 0
    returned: int = 0
    fenced: int = 0
    restored: int = 0
    lost: int = 0
    beyond: int = 0
    bytes: int = 0
    crossed: int = 0
    """Blocks that were taken over a border; they did not leave the origin and are in no other count but `granted`."""
