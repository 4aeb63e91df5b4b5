"""Frozen snapshots of a node: for screens, receipts, tests and the simulator."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.ids import AgentId, VersionId


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """One version. Counts are of indexes (pages and blocks); bytes are of whole, verified blocks."""

    version: VersionId
    size: int
    have: int
    lacking: int
    promised: int
    orphaned: int
    """Lacking, promised by nobody, held by no neighbour."""
    neighbours: int
    bytes_from_peers: int
    bytes_from_store: int
    bytes_wasted: int


@dataclass(frozen=True, slots=True)
class NodeStatistics:
    """The agent's own things. Rates and capacities are bytes per second, `rtt_s` is the median to the neighbours."""

    sessions: tuple[SessionStatistics, ...]
    peers: int
    connections: int
    known: int
    banned: tuple[tuple[AgentId, str], ...]
    slots_out: int
    slots_in: int
    offers: int
    sending: int
    receiving: int
    store_reads: int
    leases: int
    rate_up: float
    rate_down: float
    capacity_up: float
    capacity_down: float
    rtt_s: float
    has_tracker: bool
