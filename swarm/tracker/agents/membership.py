"""What agents say of the versions they take part in, and what follows: introductions, leases, shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.protocol import runs as run_sets
from swarm.protocol.ids import AgentId, Runs, VersionId
from swarm.protocol.messages import Count, Entered, HandOut, Join, LeaseWanted, NeedPeers, Orphans
from swarm.tracker.agents.handout import Degree, HandOuts
from swarm.tracker.agents.registry import Agent, Member, Registry, Swarm
from swarm.tracker.agents.seeding import Seeding
from swarm.tracker.commands import Command, Send
from swarm.tracker.leasing.leases import Leases
from swarm.tracker.leasing.restart import Settling

if TYPE_CHECKING:
    from random import Random

HOLDERS_NAMED_MAX = 4
"""Holders introduced in answer to one `Orphans`."""


class Membership:
    """Acts on registry, leases and shares; returns what is to be said. `presigns`: agents need no credentials."""

    def __init__(
        self, registry: Registry, leases: Leases, settling: Settling, degree: Degree, rng: Random, *, presigns: bool
    ) -> None:
        self.seeding = Seeding(leases.books, leases.borders)
        self._registry = registry
        self._leases = leases
        self._settling = settling
        self._handouts = HandOuts(degree, rng)
        self._presigns = presigns

    def join(self, agent: Agent, join: Join, now: float) -> list[Command]:
        """An agent takes part, or says again that it does. Raises OverflowError where there is no room."""
        member = self._registry.join(agent, join)
        swarm = self._registry.swarms[join.version]
        told = run_sets.union(join.held or (), join.receiving)
        self._leases.join(agent.id, join.version, join.leases, told, now, site=join.site)
        self.seeding.note(swarm, member, is_starting=not self._settling.is_settled(now))
        return self._introduce(swarm, member, now)

    def leave(self, agent: Agent, version: VersionId, *, is_death: bool) -> None:
        """An agent takes no further part."""
        if self._registry.leave(agent, version) is None:
            return
        self._leases.lose(agent.id, version)
        swarm = self._registry.swarms.get(version)
        self.seeding.end(version, agent.id, swarm, is_death=is_death)
        if swarm is None:
            self._leases.forget_version(version)

    def count(self, agent: Agent, message: Count, now: float) -> None:
        """How far an agent is."""
        if member := agent.memberships.get(message.version):
            swarm = self._registry.swarms[message.version]
            was_complete = member.is_complete
            swarm.set_progress(member, message.have_count, lacks=message.lacks)
            if member.is_complete is not was_complete:
                self.seeding.note(swarm, member, is_starting=not self._settling.is_settled(now))

    def need_peers(self, agent: Agent, message: NeedPeers, now: float) -> list[Command]:
        """An agent has too few neighbours."""
        member = agent.memberships.get(message.version)
        if member is None:
            return []
        swarm = self._registry.swarms[message.version]
        self._handouts.lose(swarm, member, message.lost, now)
        return self._hand_out(swarm, member, self._handouts.more(swarm, member, message.count, now))

    def want_lease(self, agent: Agent, message: LeaseWanted) -> None:
        """An agent wants to read from the store, by itself or with our URLs, or to take blocks over its border."""
        member = agent.memberships.get(message.version)
        if member is not None and message.from_peers:
            self._leases.borders.wish(agent.id, message.version, message.count, message.lacks or ())
        elif member is not None and (self._presigns or member.reads_store or agent.reads_store):
            self._leases.books.want(agent.id, member.site, message.version, message.count, message.lacks)

    def silence(self, agent: Agent) -> None:
        """An agent cannot be spoken to for now: it is granted nothing until it says again what it wants."""
        for version in agent.memberships:
            self._leases.books.withdraw(agent.id, version)
            self._leases.borders.withdraw(agent.id, version)

    def entered(self, agent: Agent, message: Entered) -> None:
        """A seeder gives an agent these blocks."""
        if message.version in agent.memberships:
            self._leases.entered(agent.id, message.version, message.runs)

    def orphans(self, agent: Agent, message: Orphans, now: float) -> list[Command]:
        """Whoever reads or has such a block is introduced; what nobody is known to have may leave the origin again."""
        member = agent.memberships.get(message.version)
        book = self._leases.books.open(message.version)
        if member is None or book is None:
            return []
        swarm = self._registry.swarms[message.version]
        if message.from_peers:
            return self._miss_in_site(swarm, member, message.runs, now)
        reading = {live.place.index: live.agent for live in self._leases.table.of_version(message.version)}
        having = self._leases.table.arrived_at(message.version)
        complete = swarm.complete_member(except_for=agent.id)
        missed = run_sets.subtract(message.runs, run_sets.normalise(reading))
        held = missed if complete is not None else run_sets.intersect(missed, run_sets.normalise(having))
        is_alone = swarm.lacking <= 1
        book.miss(agent.id, held, is_alone=is_alone, has_holder=True, now=now)
        book.miss(agent.id, run_sets.subtract(missed, held), is_alone=is_alone, has_holder=False, now=now)
        named = [holder for index, holder in (having | reading).items() if run_sets.contains(message.runs, index)]
        return self._name(swarm, member, [complete, *named] if complete is not None else named)

    # --- parts --------------------------------------------------------------------------------------

    def _miss_in_site(self, swarm: Swarm, member: Member, runs: Runs, now: float) -> list[Command]:
        """Members of its site that take or took such a block across are introduced; what is lost may enter again."""
        border = self._leases.borders.open(swarm.version, member.site)
        if border is None:
            return []
        live = self._leases.table.of_version(swarm.version)
        crossing = {live.place.index: live.agent for live in live if live.place.border == member.site}
        having = self._leases.table.arrived_at(swarm.version, border=member.site)
        is_alone = not any(other.lacks for other in swarm.by_site[member.site] if other is not member)
        missed = run_sets.subtract(runs, run_sets.normalise(crossing))
        held = run_sets.intersect(missed, run_sets.normalise(having))
        border.miss(member.agent.id, held, is_alone=is_alone, has_holder=True, now=now)
        missed = run_sets.subtract(missed, held)
        border.miss(member.agent.id, missed, is_alone=is_alone, has_holder=False, now=now)
        named = [holder for index, holder in (having | crossing).items() if run_sets.contains(runs, index)]
        return self._name(swarm, member, named)

    def _name(self, swarm: Swarm, member: Member, holders: list[AgentId]) -> list[Command]:
        distinct = [
            holder for holder in dict.fromkeys(holders) if holder in swarm.members and holder != member.agent.id
        ]
        others = self._handouts.insist(member, [swarm.members[holder] for holder in distinct[:HOLDERS_NAMED_MAX]])
        return self._hand_out(swarm, member, others) if others else []

    def _introduce(self, swarm: Swarm, member: Member, now: float) -> list[Command]:
        named, told = self._handouts.welcome(swarm, member, now)
        commands = self._hand_out(swarm, member, named) if member.lacks else []
        for other in told:
            commands += self._hand_out(swarm, other, [member])
        return commands

    def _hand_out(self, swarm: Swarm, member: Member, others: list[Member]) -> list[Command]:
        connection = member.agent.connection
        message = HandOut(swarm.version, tuple(other.info for other in others))
        return [Send(connection, message)] if connection is not None else []
