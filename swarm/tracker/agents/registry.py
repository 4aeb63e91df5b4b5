"""Who is connected, and who takes part in which version. Soft state: all of it comes back when agents announce again.

An *agent* is known by its id, not by its connection: one that comes back within `DEATH_S` finds its place as it
was. A *member* is an agent in one version's swarm. Facts only: whom to introduce is `handout`'s, who reads what from
the store is `leases`'.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from swarm.exchange.liveness import DEATH_S
from swarm.protocol.ids import AgentId, ConnectionId, VersionId
from swarm.protocol.messages import Join, PeerInfo

AGENTS_MAX = 20_000
"""Connections one process can hold and still answer a second's signs of life; past it, more trackers."""

VERSIONS_MAX = 4_096
"""Versions with members at once: far more than a realm uses, few enough that a stranger's inventions cost little."""

VERSIONS_PER_AGENT_MAX = 256
"""A machine that serves more datasets than this at once joins those that are in use."""


@dataclass(slots=True, eq=False)
class Agent:
    """One agent; `connection` is None while it may still come back."""

    id: AgentId
    peer: PeerInfo
    reads_store: bool
    connection: ConnectionId | None
    heard_at: float
    memberships: dict[VersionId, Member] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Member:
    """An agent's part in one version. `neighbours`: everybody it was handed to or was handed. `place`: see `Swarm`."""

    agent: Agent
    site: str
    addresses: tuple[str, ...]
    space: int
    have_count: int
    lacks: bool
    is_origin: bool
    reads_store: bool
    place: int = 0
    neighbours: dict[AgentId, None] = field(default_factory=dict)
    avoided: OrderedDict[AgentId, float] = field(default_factory=OrderedDict)

    @property
    def degree(self) -> int:
        return len(self.neighbours)

    @property
    def is_complete(self) -> bool:
        return not self.lacks and self.have_count >= self.space

    @property
    def info(self) -> PeerInfo:
        """What others are told about it; the addresses are the newest it said."""
        addresses = self.addresses or self.agent.peer.addresses
        return PeerInfo(self.agent.id, self.agent.peer.peer_id, addresses, self.site, self.is_origin)


@dataclass(slots=True, eq=False)
class Swarm:
    """The members of one version, by id and by site; the lists allow a random choice in constant time."""

    version: VersionId
    members: dict[AgentId, Member] = field(default_factory=dict)
    by_site: dict[str, list[Member]] = field(default_factory=dict)
    origins: dict[AgentId, Member] = field(default_factory=dict)
    complete: dict[AgentId, Member] = field(default_factory=dict)
    """Who has everything, seeders included."""
    lacking: int = 0
    """How many members lack something."""

    def add(self, member: Member) -> None:
        self.members[member.agent.id] = member
        crowd = self.by_site.setdefault(member.site, [])
        member.place = len(crowd)
        crowd.append(member)
        if member.is_origin:
            self.origins[member.agent.id] = member
        self._count_in(member)

    def remove(self, member: Member) -> None:
        """Takes a member out, and out of its neighbours' lists."""
        for neighbour in member.neighbours:
            if other := self.members.get(neighbour):
                other.neighbours.pop(member.agent.id, None)
        del self.members[member.agent.id]
        self._leave_crowd(member)
        self.origins.pop(member.agent.id, None)
        self._count_out(member)

    def set_progress(self, member: Member, have_count: int, *, lacks: bool) -> None:
        self._count_out(member)
        member.have_count = have_count
        member.lacks = lacks
        self._count_in(member)

    def is_untouched(self) -> bool:
        """Whether nobody but seeders is known to have anything."""
        return all(member.is_origin or not member.have_count for member in self.members.values())

    def complete_member(self, except_for: AgentId) -> AgentId | None:
        """Somebody who has everything and is connected."""
        connected = (agent for agent, member in self.complete.items() if member.agent.connection is not None)
        return next((agent for agent in connected if agent != except_for), None)

    def _count_in(self, member: Member) -> None:
        self.lacking += member.lacks
        if member.is_complete:
            self.complete[member.agent.id] = member

    def _count_out(self, member: Member) -> None:
        self.lacking -= member.lacks
        self.complete.pop(member.agent.id, None)

    def _leave_crowd(self, member: Member) -> None:
        crowd = self.by_site[member.site]
        last = crowd.pop()
        if last is not member:
            crowd[member.place] = last
            last.place = member.place
        if not crowd:
            del self.by_site[member.site]


class Registry:
    """All agents and swarms. The caller says what happened; nothing here sends."""

    def __init__(self) -> None:
        self.agents: dict[AgentId, Agent] = {}
        self.swarms: dict[VersionId, Swarm] = {}
        self._by_connection: dict[ConnectionId, Agent] = {}
        self._heard: OrderedDict[AgentId, None] = OrderedDict()  # least recently heard of first

    def connect(self, connection: ConnectionId, peer: PeerInfo, reads_store: bool, now: float) -> ConnectionId | None:
        """Notes a new connection; returns the one it replaces, if the agent had another.

        Raises OverflowError where `AGENTS_MAX` are known already.
        """
        agent = self.agents.get(peer.agent_id)
        if agent is None:
            if len(self.agents) >= AGENTS_MAX:
                raise OverflowError(f"{AGENTS_MAX} agents are connected")
            agent = self.agents[peer.agent_id] = Agent(peer.agent_id, peer, reads_store, None, now)
        replaced = agent.connection
        if replaced is not None:
            del self._by_connection[replaced]
        agent.peer, agent.reads_store, agent.connection = peer, reads_store, connection
        self._by_connection[connection] = agent
        self.hear(agent, now)
        return replaced

    def disconnect(self, connection: ConnectionId) -> Agent | None:
        """Notes the end of a connection; the agent stays known until `silent` names it. None: replaced before."""
        agent = self._by_connection.pop(connection, None)
        if agent is not None:
            agent.connection = None
        return agent

    def agent_on(self, connection: ConnectionId) -> Agent | None:
        return self._by_connection.get(connection)

    def hear(self, agent: Agent, now: float) -> None:
        agent.heard_at = now
        self._heard[agent.id] = None
        self._heard.move_to_end(agent.id)

    def silent(self, now: float) -> list[Agent]:
        """Agents not heard of for `DEATH_S`; they stay until `forget`."""
        found = []
        for agent_id in self._heard:
            agent = self.agents[agent_id]
            if agent.heard_at + DEATH_S > now:
                break
            found.append(agent)
        return found

    def next_silence(self) -> float | None:
        """When the next agent will have been silent for too long."""
        for agent_id in self._heard:
            return self.agents[agent_id].heard_at + DEATH_S
        return None

    def forget(self, agent: Agent) -> None:
        """Removes an agent from everything. Its connection, if any, is the caller's to close."""
        for version in list(agent.memberships):
            self.leave(agent, version)
        if agent.connection is not None:
            del self._by_connection[agent.connection]
            agent.connection = None
        del self.agents[agent.id]
        del self._heard[agent.id]

    def join(self, agent: Agent, join: Join) -> Member:
        """Adds or renews a membership. Raises OverflowError at `VERSIONS_MAX` or `VERSIONS_PER_AGENT_MAX`."""
        old = agent.memberships.get(join.version)
        if old is None:
            self._check_room(agent, join.version)
        member = Member(
            agent,
            join.site,
            join.addresses,
            join.space,
            join.have_count,
            join.lacks,
            join.is_origin,
            join.reads_store,
        )
        if old is not None:
            member.avoided = old.avoided
            self._replace(old, member, join.version)
        else:
            self.swarms.setdefault(join.version, Swarm(join.version)).add(member)
        agent.memberships[join.version] = member
        return member

    def leave(self, agent: Agent, version: VersionId) -> Member | None:
        member = agent.memberships.pop(version, None)
        if member is None:
            return None
        swarm = self.swarms[version]
        swarm.remove(member)
        if not swarm.members:
            del self.swarms[version]
        return member

    def check(self) -> None:
        """Re-derives every index and counter; AssertionError where one is wrong."""
        assert set(self._heard) == set(self.agents)
        connected = {agent.connection: agent for agent in self.agents.values() if agent.connection is not None}
        assert connected == self._by_connection
        memberships = {(agent.id, version) for agent in self.agents.values() for version in agent.memberships}
        assert memberships == {(member, version) for version, swarm in self.swarms.items() for member in swarm.members}
        for swarm in self.swarms.values():
            _check_swarm(swarm)

    def _check_room(self, agent: Agent, version: VersionId) -> None:
        if len(agent.memberships) >= VERSIONS_PER_AGENT_MAX:
            raise OverflowError(f"an agent takes part in at most {VERSIONS_PER_AGENT_MAX} versions")
        if version not in self.swarms and len(self.swarms) >= VERSIONS_MAX:
            raise OverflowError(f"{VERSIONS_MAX} versions have members")

    def _replace(self, old: Member, new: Member, version: VersionId) -> None:
        swarm = self.swarms[version]
        neighbours = old.neighbours
        swarm.remove(old)
        swarm.add(new)
        for neighbour in neighbours:
            if other := swarm.members.get(neighbour):
                new.neighbours[neighbour] = None
                other.neighbours[new.agent.id] = None


def _check_swarm(swarm: Swarm) -> None:
    crowds = [member for crowd in swarm.by_site.values() for member in crowd]
    assert swarm.members
    assert len(crowds) == len(swarm.members)
    assert all(swarm.by_site[member.site][member.place] is member for member in swarm.members.values())
    assert swarm.lacking == sum(member.lacks for member in swarm.members.values())
    assert swarm.origins == {agent: member for agent, member in swarm.members.items() if member.is_origin}
    assert swarm.complete == {agent: member for agent, member in swarm.members.items() if member.is_complete}
    for agent_id, member in swarm.members.items():
        assert agent_id not in member.neighbours
        assert all(agent_id in swarm.members[neighbour].neighbours for neighbour in member.neighbours)
