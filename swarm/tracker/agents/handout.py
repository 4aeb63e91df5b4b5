"""Whom to introduce to whom: a well-mixed random graph that stays within its degrees.

An introduction is an edge: whoever is handed B connects to B, and B learns of it by that connection. Of two candidates
at random the one of the smaller degree is taken (Mitzenmacher 2001): the oldest agent ends with three times what a
joiner is handed, the mean with twice, and every age is chosen from. Passing over all who have enough instead chains
agents by age: at N = 400 the farthest were then ten steps from the seeder, against three. Measured in simulation at
N = 1,000: last finish ÷ limit 1.165 at degree 16, 1.151 at 32; 1.25 at 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.protocol.ids import AgentId
from swarm.tracker.agents.registry import Member, Swarm

if TYPE_CHECKING:
    from random import Random

AVOID_S = 60.0
"""Whom an agent could not reach, or lost, is not named to it again for this long."""

AVOIDED_MAX = 128
"""Twice the greatest degree: more losses than this in `AVOID_S` and the oldest may be tried again."""

SAMPLES_PER_PEER = 8
"""Random candidates looked at for each peer wanted before all are looked at."""


@dataclass(frozen=True, slots=True)
class Degree:
    """`first`: handed out to who joins; twice that is the mean in the end. `answer`: at most so many at once.

    `cap`: nobody has more. `foreign`: so many of a hand-out are of other sites, and no more. `origins`: at most so many
    of it are seeders.
    """

    first: int = 12
    answer: int = 32
    cap: int = 60
    foreign: int = 3
    origins: int = 4


class HandOuts:
    """Chooses and remembers introductions, in the members themselves."""

    def __init__(self, degree: Degree, rng: Random) -> None:
        self._degree = degree
        self._rng = rng

    def welcome(self, swarm: Swarm, member: Member, now: float) -> tuple[list[Member], list[Member]]:
        """For a member that has just (re)joined: whom to name to it, and to whom to name it.

        Who lacks something is told whom to connect to, its old neighbours among them. Who lacks nothing has no reason
        to connect: those who lack something are told of it.
        """
        known = [swarm.members[neighbour] for neighbour in member.neighbours]
        wanted = (self._degree.answer if member.is_origin else self._degree.first) - member.degree
        chosen = self.choose(swarm, member, wanted, now)
        if member.lacks:
            return known + chosen, []
        return [], [other for other in known + chosen if other.lacks]

    def choose(self, swarm: Swarm, member: Member, count: int, now: float) -> list[Member]:
        """Up to `count` new neighbours for `member`; from here on they are its neighbours."""
        count = min(count, self._degree.answer, self._degree.cap - member.degree)
        chosen: list[Member] = []
        if count > 0:
            chosen += self._origins(swarm, member, min(count, self._degree.origins), now)
            kept_for_others = min(self._degree.foreign, count // 4) if len(swarm.by_site) > 1 else 0
            chosen += self._near(swarm, member, count - len(chosen) - kept_for_others, now)
            # A seeder that is alone in its site gives to others, or to nobody.
            is_lone_origin = member.is_origin and len(swarm.by_site.get(member.site, [])) <= 1
            foreign = count if is_lone_origin else self._degree.foreign
            chosen += self._foreign(swarm, member, min(count - len(chosen), foreign), now)
        return chosen

    def more(self, swarm: Swarm, member: Member, count: int, now: float) -> list[Member]:
        """The same for a member that is short of neighbours: who lacks something comes first, since who does not will
        leave soon. Where most lack something, chance sees to that."""
        count = min(count, self._degree.answer, self._degree.cap - member.degree)
        if not swarm.complete or 2 * swarm.lacking > len(swarm.members):
            return self.choose(swarm, member, count, now)
        crowd = [other for other in swarm.by_site.get(member.site, []) if other.lacks]
        chosen = list(self._pick(crowd, member, count, now))
        return chosen + self.choose(swarm, member, count - len(chosen), now)

    def insist(self, member: Member, others: Iterable[Member]) -> list[Member]:
        """Introduces `member` to these in particular, known or avoided, unless they have no room."""
        return [
            self._introduce(member, other)
            for other in others
            if other.agent.id in member.neighbours or max(other.degree, member.degree) < self._degree.cap
        ]

    def lose(self, swarm: Swarm, member: Member, lost: Iterable[AgentId], now: float) -> None:
        """`member` says that it could not reach these, or lost them."""
        for agent_id in lost:
            if agent_id in member.neighbours:
                del member.neighbours[agent_id]
                del swarm.members[agent_id].neighbours[member.agent.id]
            member.avoided[agent_id] = now + AVOID_S
            member.avoided.move_to_end(agent_id)
            if len(member.avoided) > AVOIDED_MAX:
                member.avoided.popitem(last=False)

    def _origins(self, swarm: Swarm, member: Member, count: int, now: float) -> list[Member]:
        """Seeders first, while they have room: what only they have starts everything. Those of its own site before
        others, who keep half of their room for theirs: across a border they give only what theirs does not lack.
        """
        if not member.lacks or count <= 0:
            return []
        fitting = [other for other in swarm.origins.values() if self._fits(member, other, now)]
        self._rng.shuffle(fitting)
        fitting.sort(key=lambda other: other.site != member.site)
        return [self._introduce(member, other) for other in fitting[:count]]

    def _near(self, swarm: Swarm, member: Member, count: int, now: float) -> list[Member]:
        return list(self._pick(swarm.by_site.get(member.site, []), member, count, now))

    def _foreign(self, swarm: Swarm, member: Member, count: int, now: float) -> list[Member]:
        """From other sites, the nearest first; a few are enough for every block to find a way in. One of them is from
        farther off, where there is such a site: else pairs of near sites would know nobody but each other.
        """
        sites = self._sites_by_nearness(swarm, member.site)
        far = [site for site in sites if nearness(member.site, site) < nearness(member.site, sites[0])]
        chosen = self._of_sites(swarm, member, sites, count - bool(far), now)
        chosen += self._of_sites(swarm, member, far, min(1, count - len(chosen)), now)
        return chosen + self._of_sites(swarm, member, sites, count - len(chosen), now)

    def _of_sites(self, swarm: Swarm, member: Member, sites: list[str], count: int, now: float) -> list[Member]:
        chosen: list[Member] = []
        for site in sites:
            if len(chosen) >= count:
                break
            chosen += self._pick(swarm.by_site[site], member, count - len(chosen), now)
        return chosen

    def _sites_by_nearness(self, swarm: Swarm, home: str) -> list[str]:
        sites = [site for site in swarm.by_site if site != home]
        self._rng.shuffle(sites)
        sites.sort(key=lambda site: -nearness(home, site))
        return sites

    def _pick(self, crowd: list[Member], member: Member, count: int, now: float) -> Iterator[Member]:
        """Up to `count` of `crowd`: sampled where it is large; where that finds too few, all are looked at."""
        if count <= 0:
            return
        if len(crowd) > count * SAMPLES_PER_PEER:
            for other in self._sample(crowd, member, count, now):
                yield self._introduce(member, other)
                count -= 1
        if count > 0:
            fitting = [other for other in crowd if self._fits(member, other, now)]
            for other in self._rng.sample(fitting, min(count, len(fitting))):
                yield self._introduce(member, other)

    def _sample(self, crowd: list[Member], member: Member, count: int, now: float) -> Iterator[Member]:
        for _ in range(count * SAMPLES_PER_PEER // 2):
            one, two = self._rng.choice(crowd), self._rng.choice(crowd)
            better = min(one, two, key=lambda other: other.degree)
            if self._fits(member, better, now):
                yield better
                count -= 1
                if count == 0:
                    return

    def _fits(self, member: Member, other: Member, now: float) -> bool:
        is_near = other.site == member.site
        return (
            other is not member
            and (member.lacks or other.lacks)
            and other.degree < (self._degree.cap if is_near or not other.is_origin else self._degree.cap // 2)
            and other.agent.connection is not None
            and other.agent.id not in member.neighbours
            and member.avoided.get(other.agent.id, now) <= now
            and other.avoided.get(member.agent.id, now) <= now
        )

    def _introduce(self, member: Member, other: Member) -> Member:
        member.neighbours[other.agent.id] = None
        other.neighbours[member.agent.id] = None
        return other


def nearness(one: str, other: str) -> int:
    """How many leading parts two sites (`a/b/c`) share."""
    shared = 0
    for part, counterpart in zip(one.split("/"), other.split("/"), strict=False):
        if part != counterpart:
            break
        shared += 1
    return shared
