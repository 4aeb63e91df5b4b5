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
from swarm.exchange.promptness import Promptness
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


RTTS_S = 1.0
"""How often round trips are looked at: at first each tick, as long as there is none."""

STEP_LAST_S = 0.02
STEP_PARTS = 40
"""A step in which openings of credit are told is this part of a block's time on the link, and no longer: with a 20th
64 peers took 1.054 for 1,024 blocks of 1 MiB and not 1.047, with three messages a block less (12 and 14)."""

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
        self.colleagues: tuple[AgentId, ...] = ()
        """Who reads the store with this agent, where no tracker leases (`owning`)."""
        self.policies = policies
        self.now = 0.0
        self.peers = PeerTable()
        self.sessions: dict[VersionId, Session] = {}
        self.liveness: Liveness[AgentId] = Liveness()
        self.bans = Bans()
        self.credit = Credit(config.receive_bytes_max)
        self.uplink = Uplink()
        self.promptness = Promptness()
        self.up = RateMeter()
        self.down = RateMeter()
        self.is_leaving = False
        self.rtt_s = 0.0
        self.lead_s = 0.0
        """How long before it ends a transfer's slot is offered to the next."""
        self.lead_in_s = 0.0
        """The same for receptions: an offer, its answer and the first byte take so long."""
        self._rtts_at = float("-inf")
        self.base_slots = policies.slots or SLOTS_MIN
        self.slots_out = self.base_slots
        self.slots_in = self.receive_base
        self.is_near = True
        """Whether news of neighbours is young beside the time that a block takes."""
        self.run_length = 1
        self.block_time_s = 0.0
        """How long a block takes on the link, at what that has shown."""
        self.slow_pace = 0.0
        """Bytes per second; who gives less is a slow sender."""
        self.credit_step_s = policies.credit_step_s
        self._rule_out = policies.slot_rule()
        self._rule_in = policies.slot_rule()
        self.commands: list[Command] = []

    def send(self, link: Link, message: Message) -> None:
        """Puts a message on a connection of an agent."""
        self.commands.append(Send(link.id, message))
        link.peer.times.sent_at = self.now

    def limit(self, upload: int | None, download: int | None) -> None:
        """The agent's rate limits: what its link can do is at most this."""
        self.up.limit, self.down.limit = upload, download

    @property
    def receive_base(self) -> int:
        """Receptions at once, but for those that a link which is not full adds: as many as uploads."""
        return self.policies.receive_slots or self.base_slots

    @property
    def longest(self) -> int:
        """The longest block of the versions that lack something."""
        longest = 0
        for session in self.sessions.values():
            if session.longest > longest and session.picker.lacking:
                longest = session.longest
        return longest

    def measure(self) -> None:
        """Once a tick: round trips, base slots, runs."""
        if not self.rtt_s or self.now - self._rtts_at >= RTTS_S:
            self._rtts_at = self.now
            rtts = [link.rtt_s for link in self.peers.links() if link.carries_blocks]
            self.rtt_s = median_low(rtts) if rtts else 0.0
        answer_s = max(self.rtt_s, self.promptness.answer_s) if self.policies.answers else self.rtt_s
        self.lead_s = self.policies.lead_rtts * answer_s
        self.lead_in_s = self.policies.lead_in_rtts * answer_s
        shown = max(self.up.capacity(self.now), self.down.capacity(self.now)) or ASSUMED_RATE
        self.block_time_s = block_time_s = self._mean_length() / shown
        if self.policies.credit_step_s:
            self.credit_step_s = min(STEP_LAST_S, max(self.policies.credit_step_s, block_time_s / STEP_PARTS))
        self.base_slots = self.policies.slots or base_slots(answer_s, block_time_s, self._most_blocks())
        self.is_near = RTTS_IN_FLIGHT * answer_s <= block_time_s
        self.run_length = run_length(
            answer_s, block_time_s, self.base_slots, self._most_blocks(), self.policies.grant_s
        )
        self.slots_out = max(self.slots_out, self.base_slots)
        self.slots_in = max(self.slots_in, self.receive_base)
        self.slow_pace = self.policies.slow_part * self.down.capacity(self.now) / self.receive_base

    def left_s(self, session: Session) -> float:
        """How long what a version lacks takes at the most that the link has shown."""
        return session.picker.lacking.bit_count() * self.block_time_s

    def count_slots(self, sent: int, received: int) -> None:
        """So many bytes have moved since the last call: how many slots there are from now on."""
        self.slots_out = self._count(self._rule_out, self.base_slots, self.uplink.occupancy, sent, self.up)
        self.slots_in = self._count(self._rule_in, self.receive_base, self.credit.occupancy, received, self.down)

    def took_slot_out(self) -> None:
        """An upload began: what was allowed above the base was allowed for it."""
        self.slots_out = self.base_slots

    def took_slot_in(self) -> None:
        """The same for a reception."""
        self.slots_in = self.receive_base

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
