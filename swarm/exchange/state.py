"""What the conversations of a node share: who is there, what is open, what is taken, and the commands so far.

`now` is the moment of the event that is being handled.
"""

from __future__ import annotations

from statistics import median_low
from typing import TYPE_CHECKING

from swarm.exchange.bans import Bans
from swarm.exchange.commands import Command, Send
from swarm.exchange.config import NodeConfig
from swarm.exchange.credit import Credit
from swarm.exchange.liveness import Liveness
from swarm.exchange.peers import Link, PeerTable
from swarm.exchange.policies import Policies
from swarm.exchange.rates import Occupancy, RateMeter
from swarm.exchange.session import Session
from swarm.exchange.sites import Sites
from swarm.exchange.slots import RTTS_IN_FLIGHT, SLOTS_MIN, SlotRule, base_slots, run_length
from swarm.exchange.uplink import Uplink
from swarm.protocol.ids import AgentId, VersionId
from swarm.protocol.messages import Message

if TYPE_CHECKING:
    from random import Random

WORST_BLOCK_BYTES = 1 << 20
"""The block length assumed while no version is open."""


ASSUMED_RATE = 12_500_000
"""Bytes per second: what a link is taken to do until it has shown something (100 Mbit/s)."""


class State:
    """One agent's own things. Only `Node` makes one."""

    def __init__(self, config: NodeConfig, rng: Random, agent: AgentId, site: str, policies: Policies) -> None:
        self.config = config
        self.rng = rng
        self.agent = agent
        self.sites = Sites(agent, site, has_borders=policies.borders)
        self.crossings: dict[VersionId, int] = {}
        """What may be taken from foreign agents that are no seeders (`crossing`)."""
        self.entering: dict[VersionId, int] = {}
        """What seeders give, as far as the tracker has not been told; told only where there are foreign agents."""
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
        self.base_slots = policies.slots or SLOTS_MIN
        self.slots_out = self.base_slots
        self.slots_in = policies.receive_slots or self.base_slots
        self.is_near = True
        """Whether news of neighbours is young beside the time that a block takes."""
        self.run_length = 1
        self._rule_out = policies.slot_rule()
        self._rule_in = policies.slot_rule()
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
        """Once a tick: round trips, base slots, runs."""
        rtts = [link.rtt_s for link in self.peers.links() if link.carries_blocks]
        self.rtt_s = median_low(rtts) if rtts else 0.0
        shown = max(self.up.capacity(self.now), self.down.capacity(self.now)) or ASSUMED_RATE
        block_time_s = self._mean_length() / shown
        self.base_slots = self.policies.slots or base_slots(self.rtt_s, block_time_s, self._most_blocks())
        self.is_near = RTTS_IN_FLIGHT * self.rtt_s <= SLOTS_MIN * block_time_s
        self.run_length = run_length(
            self.rtt_s, block_time_s, self.base_slots, self._most_blocks(), self.policies.grant_s
        )
        self.slots_out = max(self.slots_out, self.base_slots)
        self.slots_in = max(self.slots_in, self.policies.receive_slots or self.base_slots)

    def count_slots(self, sent: int, received: int) -> None:
        """So many bytes have moved since the last call: how many slots there are from now on."""
        self.slots_out = self._count(self._rule_out, self.base_slots, self.uplink.occupancy, sent, self.up)
        receive_base = self.policies.receive_slots or self.base_slots
        self.slots_in = self._count(self._rule_in, receive_base, self.credit.occupancy, received, self.down)

    def took_slot_out(self) -> None:
        """An upload began: what was allowed above the base was allowed for it."""
        self.slots_out = self.base_slots

    def took_slot_in(self) -> None:
        """The same for a reception."""
        self.slots_in = self.policies.receive_slots or self.base_slots

    def _count(self, rule: SlotRule, base: int, occupancy: Occupancy, moved: int, meter: RateMeter) -> int:
        occupied, spent = occupancy.take(self.now)
        return rule.count(
            base=base,
            busy=occupancy.busy,
            occupied=occupied,
            rate=moved / spent if spent > 0 else 0.0,
            capacity=meter.capacity(self.now),
            now=self.now,
        )

    def _mean_length(self) -> float:
        lengths = [session.mean_length for session in self.sessions.values() if session.neighbours]
        return sum(lengths) / len(lengths) if lengths else WORST_BLOCK_BYTES

    def _most_blocks(self) -> int:
        return max((session.size for session in self.sessions.values() if session.neighbours), default=0)

    @property
    def lead_s(self) -> float:
        """How long before it ends a transfer's slot is offered to the next."""
        return self.policies.lead_rtts * self.rtt_s

    @property
    def lead_in_s(self) -> float:
        """The same for receptions: an offer, its answer and the first byte take so long."""
        return self.policies.lead_in_rtts * self.rtt_s
