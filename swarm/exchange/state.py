"""What the conversations of a node share: who is there, what is open, what is taken, and the commands so far.

`now` is the moment of the event that is being handled.
"""

from __future__ import annotations

from random import Random
from statistics import median_low

from swarm.exchange.bans import Bans
from swarm.exchange.commands import Command, Send
from swarm.exchange.config import NodeConfig
from swarm.exchange.credit import Credit
from swarm.exchange.liveness import Liveness
from swarm.exchange.peers import Link, PeerTable
from swarm.exchange.policies import Policies
from swarm.exchange.rates import RateMeter
from swarm.exchange.session import Session
from swarm.exchange.slots import base_slots, run_length
from swarm.exchange.uplink import Uplink
from swarm.protocol.ids import AgentId, VersionId
from swarm.protocol.messages import Message

WORST_BLOCK_BYTES = 1 << 20
"""The block length assumed while no version is open."""


class State:
    """One agent's own things. Only `Node` makes one."""

    def __init__(self, config: NodeConfig, rng: Random, agent: AgentId, site: str, policies: Policies) -> None:
        self.config = config
        self.rng = rng
        self.agent = agent
        self.site = site
        self.policies = policies
        self.now = 0.0
        self.peers = PeerTable()
        self.sessions: dict[VersionId, Session] = {}
        self.liveness: Liveness[AgentId] = Liveness()
        self.bans = Bans()
        self.credit = Credit(config.receive_bytes_max)
        self.uplink = Uplink()
        self.up = RateMeter()
        self.down = RateMeter()
        self.is_leaving = False
        self.rtt_s = 0.0
        self.slots_out = policies.slots or 2
        self.slots_in = policies.receive_slots or self.slots_out
        self.run_length = 1
        self._extra_out = policies.extra_slots()
        self._extra_in = policies.extra_slots()
        self.commands: list[Command] = []

    def send(self, link: Link, message: Message) -> None:
        """Puts a message on a connection of an agent."""
        self.commands.append(Send(link.id, message))
        self.liveness.spoke(link.peer.agent, self.now)

    def limit(self, upload: int | None, download: int | None) -> None:
        """The agent's rate limits: what its link can do is at most this."""
        self.up.limit, self.down.limit = upload, download

    @property
    def longest(self) -> int:
        """The longest block of the versions that lack something."""
        return max((session.longest for session in self.sessions.values() if session.lacks_anything), default=0)

    def measure(self) -> None:
        """Once a tick: round trips, slots, runs."""
        rtts = [link.rtt_s for link in self.peers.links() if link.carries_blocks]
        self.rtt_s = median_low(rtts) if rtts else 0.0
        up, down = self.up.capacity(self.now), self.down.capacity(self.now)
        shown = max(up, down)
        block_time_s = self._mean_length() / shown if shown else 0.0
        base = self.policies.slots or base_slots(self.rtt_s, block_time_s)
        self.run_length = run_length(self.rtt_s, block_time_s, base)
        self.slots_out = base + self._extra_out.step(
            base=base,
            busy=self.uplink.taken(self.now, 0.0),
            rate=self.up.rate(self.now),
            capacity=up,
            now=self.now,
        )
        receive_base = self.policies.receive_slots or base
        self.slots_in = receive_base + self._extra_in.step(
            base=receive_base,
            busy=self.credit.slots_taken,
            rate=self.down.rate(self.now),
            capacity=down,
            now=self.now,
        )

    def _mean_length(self) -> float:
        lengths = [session.mean_length for session in self.sessions.values() if session.neighbours]
        return sum(lengths) / len(lengths) if lengths else WORST_BLOCK_BYTES

    @property
    def lead_s(self) -> float:
        """How long before it ends a transfer's slot is offered to the next."""
        return self.policies.lead_rtts * self.rtt_s
