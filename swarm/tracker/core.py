"""The tracker's mind: one door (`handle`) and one question (`next_deadline`). It only routes.

Who is there is `registry`'s, whom to introduce `handout`'s, what is read from the store `leases`' and what seeders give
`shares`'; what exists is a `Catalog`'s, handed in so that the simulator can do without. `service` and the simulator
drive it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from swarm.protocol.ids import AgentId, ConnectionId, Index, VersionId
from swarm.protocol.messages import (
    Alive,
    Busy,
    Count,
    DialMe,
    Failed,
    HandOut,
    Join,
    LeaseFenced,
    LeaseGrant,
    Leases,
    LeaseWanted,
    Leave,
    ListDatasets,
    Message,
    NeedPeers,
    Orphans,
    Publish,
    Resolve,
    RootReply,
    RootRequest,
    Share,
    Subscribe,
    Welcome,
)
from swarm.protocol.runs import count, iterate, union
from swarm.tracker.allowance import Allowance
from swarm.tracker.beats import Beats
from swarm.tracker.book import Shape
from swarm.tracker.budget import OriginBudget
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
from swarm.tracker.handout import Degree, HandOuts
from swarm.tracker.leases import PRESIGNED_S, Grant, LeaseRules, Signer, Verifier
from swarm.tracker.leases import Leases as LeaseDesk
from swarm.tracker.pace import Pace
from swarm.tracker.registry import Agent, Member, Registry, Swarm
from swarm.tracker.restart import Settling
from swarm.tracker.shares import Shares

if TYPE_CHECKING:
    from random import Random

ORPHANS_MAX = 4_096
"""Blocks of one `Orphans` that are looked at; the rest is said again."""
HOLDERS_NAMED_MAX = 4
"""Holders introduced in answer to one `Orphans`."""

BUSY_S = 5.0
"""When to try again to join where there is no room."""

Question = Resolve | ListDatasets | RootRequest | Publish | Subscribe


class CatalogPart(Protocol):
    """What exists: see `catalog`. The simulator does without."""

    def ask(self, connection: ConnectionId, question: Question, now: float) -> list[Command]: ...
    def answered(self, event: LookedUp, now: float) -> list[Command]: ...
    def want_shape(self, version: VersionId, connection: ConnectionId, now: float) -> list[Command]: ...
    def root_came(self, reply: RootReply) -> None: ...
    def forget(self, connection: ConnectionId) -> None: ...
    def learned(self) -> list[tuple[VersionId, Shape]]: ...
    def shape(self, version: VersionId) -> Shape | None: ...
    def check(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TrackerRules:
    """What a tracker is told once. `epoch` is when it started, in Unix ms; `unix_s` is the wall clock where `now` is 0.

    `first_number`: of its leases, random, so that a forerunner's do not recur. `presigns`: its driver can make URLs
    for agents without credentials. `is_first_start`: there was no forerunner whose leases could still be out.
    """

    epoch: int
    key: bytes
    sign: Signer
    verify: Verifier
    first_number: int = 1
    unix_s: float = 0.0
    presigns: bool = False
    is_first_start: bool = False
    degree: Degree = field(default_factory=Degree)
    budget: OriginBudget = field(default_factory=OriginBudget)
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class TrackerStatistics:
    """A snapshot, for people and tests."""

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
    blocks_lost: int
    lease_bytes: int


class Tracker:
    """See the module. `now` never goes back."""

    def __init__(self, rules: TrackerRules, rng: Random, now: float, catalog: CatalogPart | None = None) -> None:
        self._rules = rules
        self._catalog = catalog
        self._registry = Registry()
        self._handouts = HandOuts(rules.degree, rng)
        lease_rules = LeaseRules(
            rules.epoch, rules.sign, rules.verify, rules.first_number, rules.unix_s, rules.budget, rules.pace
        )
        self._settling = Settling(now, is_first_start=rules.is_first_start)
        self._leases = LeaseDesk(lease_rules, self._settling, rng)
        self._shares = Shares()
        self._beats = Beats()
        self._allowances: dict[AgentId, Allowance] = {}
        self._shapes: dict[VersionId, Shape] = {}  # told by events: only where there is no catalog

    def handle(self, event: Event, now: float) -> list[Command]:
        """What is to be done about an event."""
        commands = list(self._commands(event, now))
        commands += self._consequences(now)
        for command in commands:
            if isinstance(command, Send) and self._beats.knows(command.connection):
                self._beats.spoke(command.connection, now)
        return commands

    def next_deadline(self) -> float | None:
        """When `Ticked` is due next, if nothing else happens."""
        times = (self._registry.next_silence(), self._beats.next_due(), self._leases.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def statistics(self) -> TrackerStatistics:
        swarms = self._registry.swarms.values()
        counters = self._leases.counters
        return TrackerStatistics(
            agents=len(self._registry.agents),
            versions=len(swarms),
            members=sum(len(swarm.members) for swarm in swarms),
            lacking=sum(swarm.lacking for swarm in swarms),
            seeders=sum(len(self._shares.seeders(swarm.version)) for swarm in swarms),
            leases_live=self._leases.live_count,
            leases_granted=counters.granted,
            leases_arrived=counters.arrived,
            leases_returned=counters.returned,
            leases_fenced=counters.fenced,
            leases_restored=counters.restored,
            blocks_lost=counters.lost,
            lease_bytes=counters.bytes,
        )

    def check(self) -> None:
        """Every part again from first principles; AssertionError where one is wrong."""
        self._registry.check()
        self._leases.check()
        self._shares.check()
        assert self._allowances.keys() == self._registry.agents.keys()
        for version in self._registry.swarms:
            for agent in self._shares.seeders(version):
                assert self._registry.swarms[version].members[agent].is_origin
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
                return self._disconnect(event.connection)
            case LookedUp():
                return self._catalog.answered(event, now) if self._catalog else []
            case VersionLearned():
                self._shapes[event.version] = shape = Shape(event.page_count, event.space)
                self._learn(event.version, shape)
                return []
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
        commands: list[Command] = [Send(event.connection, Welcome(self._rules.epoch, self._rules.key))]
        if replaced is not None:
            commands.append(self._close(replaced, "the agent has a newer connection"))
        return commands

    def _disconnect(self, connection: ConnectionId) -> list[Command]:
        """The agent may come back: it keeps its place until it has been silent for too long."""
        self._registry.disconnect(connection)
        self._forget_connection(connection)
        return []

    def _tick(self, now: float) -> list[Command]:
        commands: list[Command] = []
        for agent in self._registry.silent(now):
            if agent.connection is not None:
                commands.append(self._close(agent.connection, "nothing was heard for too long"))
            self._forget(agent)
        self._leases.tick(now)
        commands += [Send(connection, Alive()) for connection in self._beats.due(now)]
        return commands

    def _consequences(self, now: float) -> Iterable[Command]:
        """What follows from whatever happened: shares first, since what is in one is not leased."""
        if self._catalog:
            for version, shape in self._catalog.learned():
                self._learn(version, shape)
        for version, runs in self._leases.freed():
            self._shares.assign(version, runs, self._least_loaded(version))
        for version, agent_id, runs in self._shares.changed():
            yield from self._tell(agent_id, Share(self._rules.epoch, version, runs))
        for fence in self._leases.fences():
            yield from self._tell(fence.agent, LeaseFenced(fence.number, fence.epoch))
        for grant in self._leases.grants(now):
            yield from self._send_lease(grant)

    # --- messages -----------------------------------------------------------------------------------

    def _hear(self, event: MessageReceived, now: float) -> Iterable[Command]:
        agent = self._registry.agent_on(event.connection)
        if agent is None:
            return []
        if not self._allowances[agent.id].take_message(now):
            return [self._close(event.connection, "more messages than an agent needs")]
        self._registry.hear(agent, now)
        if isinstance(event.message, Question):
            return self._ask(agent, event.connection, event.message, now)
        return self._route(agent, event.connection, event.message, now)

    def _ask(self, agent: Agent, connection: ConnectionId, question: Question, now: float) -> list[Command]:
        if self._catalog is None or not self._allowances[agent.id].take_question(now):
            return [Send(connection, Failed(question.request, "unavailable", "too many questions at once"))]
        return self._catalog.ask(connection, question, now)

    def _route(self, agent: Agent, connection: ConnectionId, message: Message, now: float) -> Iterable[Command]:
        match message:
            case Leases():
                self._leases.report(agent.id, message.reports, now)
            case LeaseWanted():
                self._want_lease(agent, message)
            case Count():
                self._count(agent, message)
            case NeedPeers():
                return self._need_peers(agent, message, now)
            case Join():
                return self._join(agent, connection, message, now)
            case Leave():
                self._leave(agent, message.version, is_death=False)
            case Orphans():
                return self._orphans(agent, message, now)
            case DialMe() if message.target is not None:
                return self._tell(message.target, DialMe(message.addresses, message.nonce, message.target, agent.id))
            case RootReply() if self._catalog:
                self._catalog.root_came(message)
            case _:
                pass
        return []

    def _join(self, agent: Agent, connection: ConnectionId, join: Join, now: float) -> Iterable[Command]:
        try:
            member = self._registry.join(agent, join)
        except OverflowError:
            return [Send(connection, Busy(BUSY_S))]
        swarm = self._registry.swarms[join.version]
        commands = self._introduce(swarm, member, now)
        commands += self._want_shape(join.version, connection, now)
        self._leases.join(agent.id, join.version, join.leases, union(join.held or (), join.receiving), now)
        self._note_possession(swarm, member)
        self._note_seeder(swarm, member, now)
        return commands

    def _introduce(self, swarm: Swarm, member: Member, now: float) -> list[Command]:
        named, told = self._handouts.welcome(swarm, member, now)
        commands: list[Command] = []
        if member.lacks:
            commands += self._hand_out(swarm, member, named)
        for other in told:
            commands += self._hand_out(swarm, other, [member])
        return commands

    def _hand_out(self, swarm: Swarm, member: Member, others: list[Member]) -> Iterable[Command]:
        return self._tell(member.agent.id, HandOut(swarm.version, tuple(other.info for other in others)))

    def _need_peers(self, agent: Agent, message: NeedPeers, now: float) -> Iterable[Command]:
        member = agent.memberships.get(message.version)
        if member is None:
            return []
        swarm = self._registry.swarms[message.version]
        self._handouts.lose(swarm, member, message.lost, now)
        return self._hand_out(swarm, member, self._handouts.choose(swarm, member, message.count, now))

    def _count(self, agent: Agent, message: Count) -> None:
        if member := agent.memberships.get(message.version):
            swarm = self._registry.swarms[message.version]
            swarm.set_progress(member, message.have_count, lacks=message.lacks)
            self._note_possession(swarm, member)

    def _want_lease(self, agent: Agent, message: LeaseWanted) -> None:
        member = agent.memberships.get(message.version)
        if member is not None and (self._rules.presigns or member.reads_store or agent.reads_store):
            self._leases.want(agent.id, member.site, message.version, message.count, message.lacks)

    def _orphans(self, agent: Agent, message: Orphans, now: float) -> Iterable[Command]:
        """Who reads or has such a block is introduced; what nobody is known to have may leave the origin again."""
        member = agent.memberships.get(message.version)
        book = self._leases.book(message.version)
        if member is None or book is None:
            return []
        swarm = self._registry.swarms[message.version]
        holders = self._leases.holders(message.version)
        complete = swarm.complete_member(except_for=agent.id)
        named: dict[AgentId, None] = {}
        for index, _ in zip(iterate(message.runs), range(ORPHANS_MAX), strict=False):
            holder = holders.get(Index(index), complete)
            if holder is not None and holder != agent.id:
                named[holder] = None
            if index < book.shape.space:
                is_alone = swarm.lacking <= 1
                book.miss(Index(index), agent.id, is_alone=is_alone, has_holder=holder is not None, now=now)
        self._leases.touch(message.version)
        others = [swarm.members[holder] for holder in list(named)[:HOLDERS_NAMED_MAX] if holder in swarm.members]
        return self._hand_out(swarm, member, self._handouts.insist(member, others)) if others else []

    # --- parts --------------------------------------------------------------------------------------

    def _learn(self, version: VersionId, shape: Shape) -> None:
        """Only versions with members take memory here."""
        if version in self._registry.swarms:
            self._leases.learn(version, shape)

    def _want_shape(self, version: VersionId, connection: ConnectionId, now: float) -> list[Command]:
        if self._leases.shape(version) is not None:
            return []
        shape = self._catalog.shape(version) if self._catalog else self._shapes.get(version)
        if shape is not None:
            self._leases.learn(version, shape)
        return self._catalog.want_shape(version, connection, now) if shape is None and self._catalog else []

    def _note_possession(self, swarm: Swarm, member: Member) -> None:
        """Who has everything holds everything: the store is spared while it lives. A seeder has its share instead."""
        if member.is_complete and not member.is_origin:
            self._leases.tell(swarm.version, ((0, member.space),))

    def _note_seeder(self, swarm: Swarm, member: Member, now: float) -> None:
        version, agent_id = swarm.version, member.agent.id
        if not member.is_origin or not member.is_complete:
            return
        shape = self._leases.shape(version)
        if shape is not None and shape.space != member.space:
            return
        known = self._shares.seeders(version)
        self._shares.start(version, agent_id)
        if not known:
            self._shares.assign(version, self._leases.close(version, member.space), [agent_id])
        elif agent_id not in known and (swarm.is_untouched() or not self._settling.is_settled(now)):
            self._shares.assign(version, self._shares.collect(version), self._shares.seeders(version))

    def _leave(self, agent: Agent, version: VersionId, *, is_death: bool) -> None:
        if self._registry.leave(agent, version) is None:
            return
        self._leases.lose(agent.id, version)
        swarm = self._registry.swarms.get(version)
        was_seeder = agent.id in self._shares.seeders(version)
        share = self._shares.end(version, agent.id)
        if swarm is None:
            self._leases.forget_version(version)
        elif was_seeder:
            if others := self._shares.seeders(version):
                self._shares.assign(version, share, others)
            else:
                self._leases.open(version, is_untouched=is_death and swarm.is_untouched())

    def _least_loaded(self, version: VersionId) -> list[AgentId]:
        return [min(self._shares.seeders(version), key=lambda agent: count(self._shares.of(version, agent) or ()))]

    def _send_lease(self, grant: Grant) -> Iterable[Command]:
        agent = self._registry.agents.get(grant.agent)
        if agent is None or agent.connection is None:
            return []
        member = agent.memberships.get(grant.version)
        if agent.reads_store or (member is not None and member.reads_store):
            return [Send(agent.connection, LeaseGrant(grant.lease))]
        return [
            PresignAndSend(
                agent.connection, agent.id, grant.number, grant.lease, grant.version, grant.index, PRESIGNED_S
            )
        ]

    def _tell(self, agent_id: AgentId, message: Message) -> Iterable[Command]:
        agent = self._registry.agents.get(agent_id)
        return [Send(agent.connection, message)] if agent is not None and agent.connection is not None else []

    def _close(self, connection: ConnectionId, reason: str) -> Command:
        self._registry.disconnect(connection)
        self._forget_connection(connection)
        return Disconnect(connection, reason)

    def _forget_connection(self, connection: ConnectionId) -> None:
        self._beats.remove(connection)
        if self._catalog:
            self._catalog.forget(connection)

    def _forget(self, agent: Agent) -> None:
        for version in list(agent.memberships):
            self._leave(agent, version, is_death=True)
        self._leases.lose(agent.id)
        self._registry.forget(agent)
        del self._allowances[agent.id]
