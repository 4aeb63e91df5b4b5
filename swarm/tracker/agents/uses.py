"""Who takes part in which version, as a snapshot: for `/versions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.tracker.agents.registry import Registry

USES_MAX = 256
"""Versions that `/versions` tells of: what a reader takes as one document."""


@dataclass(frozen=True, slots=True)
class VersionUse:
    """Who takes part in a version now, by what agents have said. `complete`: consumers that have all of it; what is
    neither that nor `fetching` holds a part and wants no more. `version` is in hex."""

    version: str
    seeders: int
    complete: int
    fetching: int
    sites: int


def uses_of(registry: Registry) -> tuple[VersionUse, ...]:
    """The versions with most members. Linear in all members."""
    swarms = sorted(registry.swarms.values(), key=lambda one: (-len(one.members), one.version))
    return tuple(
        VersionUse(
            version=swarm.version.hex(),
            seeders=len(swarm.origins),
            complete=len(swarm.complete.keys() - swarm.origins.keys()),
            fetching=swarm.lacking,
            sites=len(swarm.by_site),
        )
        for swarm in swarms[:USES_MAX]
    )
