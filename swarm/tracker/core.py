"""The tracker's mind: one door (`handle`) and one question (`next_deadline`). It only routes.

Who is there is `registry`'s; introductions and whatever else follows from taking part is `membership`'s; what is read
from the store `leases`'; what exists is a catalog's, handed in so that the simulator can do without. `service` and the
simulator drive it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from swarm.protocol.ids import AgentId, ConnectionId, VersionId
from swarm.protocol.messages import (
    Alive,
    Busy,
    Count,
    DialMe,
    Entered,
    Failed,
    HandOut,
    Join,
    LeaseFenced,
    LeaseGrant,
    Leases,
    LeaseWanted,
    Leave,
    Message,
    NeedPeers,
    Orphans,
    RootReply,
    Share,
    Welcome,
)
from swarm.tracker.agents.allowance import CHECKS_PER_QUESTION, Allowance, cost_of
from swarm.tracker.agents.beats import Beats
from swarm.tracker.agents.membership import Membership
from swarm.tracker.agents.registry import Agent, Registry
from swarm.tracker.agents.uses import VersionUse, uses_of
from swarm.tracker.catalog.lookups import Asked
from swarm.tracker.commands import Command, Disconnect, PresignAndSend, Send
from swarm.tracker.events import (
    AgentConnected,
    AgentGone,
    Event,
    LookedUp,
    MessageReceived,
    PresignFailed,
    Ticked,
    VersionLearned,
)
from swarm.tracker.leasing.leases import Leases as LeaseDesk
from swarm.tracker.leasing.restart import Settling
from swarm.tracker.leasing.rules import PRESIGNED_S, Grant
from swarm.tracker.rules import TrackerRules
from swarm.tracker.shape import Shape
from swarm.tracker.statistics import TrackerStatistics, count_up

if TYPE_CHECKING:
    from random import Random

BUSY_S = 5.0
"""When to try again to join where there is no room."""


class CatalogPart(Protocol):
    """What exists: see `catalog`."""

    def ask(self, connection: ConnectionId, message: Asked, now: float) -> list[Command]: ...
    def answered(self, event: LookedUp, now: float) -> list[Command]: ...
    def shape(self, version: VersionId) -> Shape | None: ...
    def want_shape(self, version: VersionId, connection: ConnectionId, now: float) -> list[Command]: ...
    def root_came(self, reply: RootReply) -> None: ...
    def learned(self) -> list[tuple[VersionId, Shape]]: ...
    def forget(self, connection: ConnectionId) -> None: ...
    def check(self) -> None: ...


class Tracker:
    """See the module. `now` never goes back. Without a catalog, versions are learned by `VersionLearned`."""

    def __init__(self, rules: TrackerRules, rng: Random, now: float, catalog: CatalogPart | None = None) -> None:
        self._rules = rules
        self._catalog = catalog
        self._registry = Registry()
        settling = Settling(now, is_first_start=rules.is_first_start)
        self._leases = LeaseDesk(rules.for_leases, settling, rng)
        self._membership = Membership(
            self._registry, self._leases, settling, rules.degree, rng, presigns=rules.presigns
        )
        self._beats = Beats()
        self._allowances: dict[AgentId, Allowance] = {}
        self._shapes: dict[VersionId, Shape] = {}

    def handle(self, event: Event, now: float) -> list[Command]:
        """What is to be done about an event."""
        commands = [*self._commands(event, now), *self._consequences(now)]
        for command in commands:
            if isinstance(command, Send) and self._beats.knows(command.connection):
                self._beats.spoke(command.connection, now)
        return commands

    def next_deadline(self) -> float | None:
        """When `Ticked` is due next, if nothing else happens."""
        times = (self._registry.next_silence(), self._beats.next_due(), self._leases.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def uses(self) -> tuple[VersionUse, ...]:
        """Who takes part in which version now."""
        return uses_of(self._registry)

    def statistics(self) -> TrackerStatistics:
        """A snapshot."""
        return count_up(self._registry, self._leases, self._membership.seeding.shares)

    def check(self) -> None:
        """Every part again from first principles; AssertionError where one is wrong."""
        self._registry.check()
        self._leases.check()
        shares = self._membership.seeding.shares
        shares.check()
        assert self._allowances.keys() == self._registry.agents.keys()
        for version in shares.versions():
            members = self._registry.swarms[version].members
            assert all(members[agent].is_origin for agent in shares.seeders(version))
        if self._catalog:
            self._catalog.check()

    # --- events -------------------------------------------------------------------------------------

    def _commands(self, event: Event, now: float) -> Iterable[Command]:
        match event:
            case MessageReceived():
                return self._hear(event, now)
            case Ticked():
                return self._tick(now)
            case AgentConnected():
                return self._connect(event, now)
            case AgentGone():
                self._disconnect(event.connection)
            case LookedUp() if self._catalog:
                return self._catalog.answered(event, now)
            case VersionLearned():
                self._shapes[event.version] = shape = Shape(event.page_count, event.space)
                self._learn(event.version, shape)
            case PresignFailed():
                self._leases.give_up(event.agent, event.number, now)
        return []

    def _connect(self, event: AgentConnected, now: float) -> list[Command]:
        try:
            replaced = self._registry.connect(event.connection, event.peer, event.reads_store, now)
        except OverflowError as error:
            return [Disconnect(event.connection, str(error))]
        self._allowances.setdefault(event.peer.agent_id, Allowance(now))
        self._beats.spoke(event.connection, now)
        commands: list[Command] = [Send(event.connection, self._welcome())]
        if replaced is not None:
            commands.append(self._close(replaced, "the agent has a newer connection"))
        return commands

    def _welcome(self) -> Welcome:
        return Welcome(self._rules.epoch, self._rules.key, self._rules.budget.fails_closed)

    def _disconnect(self, connection: ConnectionId) -> None:
        """The agent may come back: it keeps its place until it has been silent for too long."""
        agent = self._registry.disconnect(connection)
        if agent is not None:
            self._membership.silence(agent)
        self._beats.remove(connection)
        if self._catalog:
            self._catalog.forget(connection)

    def _close(self, connection: ConnectionId, reason: str) -> Command:
        self._disconnect(connection)
        return Disconnect(connection, reason)

    def _tick(self, now: float) -> list[Command]:
        commands: list[Command] = []
        for agent in self._registry.silent(now):
            if agent.connection is not None:
                commands.append(self._close(agent.connection, "nothing was heard for too long"))
            for version in list(agent.memberships):
                self._membership.leave(agent, version, is_death=True)
            self._registry.forget(agent)
            del self._allowances[agent.id]
        self._leases.tick(now)
        return commands + [Send(connection, Alive()) for connection in self._beats.due(now)]

    def _consequences(self, now: float) -> Iterable[Command]:
        """What follows from whatever happened: shares first, since what is in one is not leased."""
        for version, shape in self._catalog.learned() if self._catalog else ():
            self._learn(version, shape)
        for version, agent_id, runs in self._membership.seeding.changed():
            yield from self._tell(agent_id, Share(self._rules.epoch, version, runs))
        for fence in self._leases.fences():
            yield from self._tell(fence.agent, LeaseFenced(fence.number, fence.epoch))
        for grant in self._leases.grants(now):
            yield from self._send_lease(grant)

    def _learn(self, version: VersionId, shape: Shape) -> None:
        """Only versions with members take memory here."""
        if version in self._registry.swarms:
            self._leases.books.learn(version, shape)

    # --- messages -----------------------------------------------------------------------------------

    def _hear(self, event: MessageReceived, now: float) -> Iterable[Command]:
        agent = self._registry.agent_on(event.connection)
        if agent is None:
            return []
        if not self._allowances[agent.id].take_message(now):
            return [self._close(event.connection, "more messages than an agent needs")]
        self._registry.hear(agent, now)
        if isinstance(event.message, Asked):
            return self._ask(agent, event.connection, event.message, now)
        return self._route(agent, event.connection, event.message, now)

    def _ask(self, agent: Agent, connection: ConnectionId, message: Asked, now: float) -> list[Command]:
        if self._catalog is None or not self._may_ask(agent, cost_of(message), now):
            return [Send(connection, Failed(message.request, "unavailable", "too many questions at once"))]
        return self._catalog.ask(connection, message, now)

    def _may_ask(self, agent: Agent, cost: float, now: float) -> bool:
        return self._allowances[agent.id].take_question(now, cost)

    def _route(self, agent: Agent, connection: ConnectionId, message: Message, now: float) -> Iterable[Command]:
        match message:
            case Leases():
                self._leases.report(agent.id, message.reports, now)
            case LeaseWanted():
                self._membership.want_lease(agent, message)
            case Entered():
                self._membership.entered(agent, message)
            case Count():
                self._membership.count(agent, message, now)
            case NeedPeers() if self._may_ask(agent, 1.0, now):
                return self._membership.need_peers(agent, message, now)
            case Join():
                return self._join(agent, connection, message, now)
            case Leave():
                self._membership.leave(agent, message.version, is_death=False)
            case Orphans() if self._may_ask(agent, 1.0, now):
                return self._membership.orphans(agent, message, now)
            case DialMe() if message.target is not None:
                return self._tell(message.target, DialMe(message.addresses, message.nonce, message.target, agent.id))
            case RootReply() if self._catalog:
                self._catalog.root_came(message)
            case _:
                pass
        return []

    def _join(self, agent: Agent, connection: ConnectionId, join: Join, now: float) -> Iterable[Command]:
        try:
            site = self._rules.site_of(join.site, join.addresses or agent.peer.addresses)
            is_within = self._may_ask(agent, len(join.leases) / CHECKS_PER_QUESTION, now)
            leases = join.leases if is_within else ()
            commands = self._membership.join(agent, replace(join, site=site, leases=leases), now)
        except OverflowError:
            return [Send(connection, Busy(BUSY_S))]
        if site != join.site:
            # It learns its site before it is named anybody.
            commands.insert(0, Send(connection, HandOut(join.version, (agent.memberships[join.version].info,))))
        return commands + self._want_shape(join.version, connection, now)

    def _want_shape(self, version: VersionId, connection: ConnectionId, now: float) -> list[Command]:
        if self._leases.books.shape(version) is not None:
            return []
        shape = self._catalog.shape(version) if self._catalog else self._shapes.get(version)
        if shape is not None:
            self._leases.books.learn(version, shape)
        return self._catalog.want_shape(version, connection, now) if shape is None and self._catalog else []

    def _send_lease(self, grant: Grant) -> Iterable[Command]:
        agent = self._registry.agents[grant.agent]
        place = grant.place
        member = agent.memberships[place.version]
        if place.border is not None or agent.reads_store or member.reads_store:
            return self._tell(grant.agent, LeaseGrant(grant.lease))
        if agent.connection is None:
            return []
        return [
            PresignAndSend(
                agent.connection, agent.id, grant.number, grant.lease, place.version, place.index, PRESIGNED_S
            )
        ]

    def _tell(self, agent_id: AgentId, message: Message) -> Iterable[Command]:
        agent = self._registry.agents.get(agent_id)
        return [Send(agent.connection, message)] if agent is not None and agent.connection is not None else []
