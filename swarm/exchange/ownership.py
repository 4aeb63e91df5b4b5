"""Who takes a block from the origin where no tracker says so: rendezvous hashing over the living.

Each (agent, index) has a score, and the least score owns the block (Thaler and Ravishankar, 1998). When an agent comes
or goes only its own blocks change hands. Scores are computed when asked for: most comparisons end at the first or
second agent, so that no table of owners needs to be kept or hashed again.
"""

from __future__ import annotations

from collections.abc import Iterable

from swarm.protocol.ids import AgentId, VersionId, digest

_MASK = (1 << 64) - 1

FIRST_SHARE = 8
"""Before others are known an agent takes only what its own hash picks: one block in so many."""


def seed_of(agent: AgentId, version: VersionId) -> int:
    """64 bits that stand for an agent in one version: otherwise the same agents would be first in every version."""
    return int.from_bytes(digest(agent + version)[:8], "big")


def score(seed: int, index: int) -> int:
    """64 well-mixed bits (splitmix64: Steele, Lea, Flood 2014)."""
    z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def is_owner(own: int, others: Iterable[int], index: int) -> bool:
    """Whether the seed `own` has the least score."""
    mine = score(own, index)
    return all(score(other, index) > mine for other in others)


def rank(own: int, others: Iterable[int], index: int) -> int:
    """How many others come before `own`."""
    mine = score(own, index)
    return sum(score(other, index) < mine for other in others)


def is_in_first_share(own: int, index: int) -> bool:
    """Whether the own hash picks the block, whoever else there may be."""
    return score(own, index) < (1 << 64) // FIRST_SHARE
