"""How a tracker is doing, as a snapshot: for `/status`, the screen and tests."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.tracker.agents.registry import Registry
from swarm.tracker.agents.shares import Shares
from swarm.tracker.leasing.leases import Leases


@dataclass(frozen=True, slots=True)
class TrackerStatistics:
    """Counts now, and leases since the start. `lease_bytes` is what agents said that the store gave them;
    `leases_beyond_budget` were for what could be had from nobody; `blocks_crossed` came under leases over borders."""

    agents: int
    versions: int
    members: int
    lacking: int
    seeders: int
    leases_live: int
    leases_granted: int
    leases_arrived: int
    leases_returned: int
    leases_fenced: int
    leases_restored: int
    leases_beyond_budget: int
    blocks_lost: int
    lease_bytes: int
    blocks_crossed: int


def count_up(registry: Registry, leases: Leases, shares: Shares) -> TrackerStatistics:
    """Linear in the versions."""
    swarms = registry.swarms.values()
    counters = leases.counters
    return TrackerStatistics(
        agents=len(registry.agents),
        versions=len(swarms),
        members=sum(len(swarm.members) for swarm in swarms),
        lacking=sum(swarm.lacking for swarm in swarms),
        seeders=sum(len(shares.seeders(version)) for version in shares.versions()),
        leases_live=len(leases.table),
        leases_granted=counters.granted,
        leases_arrived=counters.arrived,
        leases_returned=counters.returned,
        leases_fenced=counters.fenced,
        leases_restored=counters.restored,
        leases_beyond_budget=counters.beyond,
        blocks_lost=counters.lost,
        lease_bytes=counters.bytes,
        blocks_crossed=counters.crossed,
    )
