"""The pure mind of one agent: `handle(event, now)` returns commands, `next_deadline()` says when to be called again.

It only routes. Who is connected and what they have is `meeting`'s, how that ends `parting`'s, whom to dial
`dialling`'s, what is offered and sent `giving`'s, what is asked for `taking`'s, the life of a version `versions`', the
tracker `tracking`'s, the store `leasing`'s; `hearing` tells messages apart; `state` is what they share. The driver, the
simulator and the tests drive the same node. `now` never goes back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from swarm.exchange import events as e
from swarm.exchange.commands import Command
from swarm.exchange.config import IDLE_TICK_S, TICK_S, NodeConfig
from swarm.exchange.crossing import Crossing
from swarm.exchange.dialling import Dialling
from swarm.exchange.giving import Giving
from swarm.exchange.hearing import Hearing
from swarm.exchange.leasing import Leasing
from swarm.exchange.meeting import Meeting
from swarm.exchange.overview import statistics_of
from swarm.exchange.owning import Owning
from swarm.exchange.parting import Parting
from swarm.exchange.policies import Policies
from swarm.exchange.share import REVIEW_S
from swarm.exchange.sharing import Sharing
from swarm.exchange.state import State
from swarm.exchange.statistics import NodeStatistics
from swarm.exchange.taking import Taking
from swarm.exchange.tracking import Tracking
from swarm.exchange.versions import Versions
from swarm.exchange.wait import Wait
from swarm.exchange.why import Why
from swarm.protocol import messages as m
from swarm.protocol.ids import AgentId, VersionId

if TYPE_CHECKING:
    from random import Random


class Node:
    """See the module. `rng` is this node's own; the same events with the same seed give the same commands."""

    def __init__(
        self, config: NodeConfig, rng: Random, agent_id: AgentId, site: str = "", policies: Policies | None = None
    ) -> None:
        self._state = state = State(config, rng, agent_id, site, policies or Policies())
        self._giving = giving = Giving(state)
        self._taking = taking = Taking(state)
        self._meeting = meeting = Meeting(state, giving, taking)
        self._dialling = dialling = Dialling(state)
        self._tracking = tracking = Tracking(state, dialling)
        self._sharing = sharing = Sharing(state, tracking)
        self._crossing = crossing = Crossing(state, tracking, taking)
        self._leasing = leasing = Leasing(state, tracking, crossing, Owning(state, dialling))
        self._parting = Parting(state, meeting, giving, dialling, tracking)
        self._versions = Versions(
            state,
            giving=giving,
            taking=taking,
            meeting=meeting,
            dialling=dialling,
            tracking=tracking,
            sharing=sharing,
            leasing=leasing,
            crossing=crossing,
        )
        self._hearing = Hearing(
            state,
            giving=giving,
            taking=taking,
            meeting=meeting,
            parting=self._parting,
            dialling=dialling,
            tracking=tracking,
            sharing=sharing,
            leasing=leasing,
            crossing=crossing,
        )
        self._why = Why(state, tracking, leasing, crossing, dialling)
        self._ticks_at = float("-inf")
        self._ticked_at = float("-inf")
        self._reviewed_at = float("-inf")
        self._on = self._routes()

    # --- the door -------------------------------------------------------------------------------

    def handle(self, event: e.Event, now: float) -> list[Command]:
        """What is to be done about an event. Never raises for anything that a peer or the tracker says."""
        state = self._state
        state.now = now
        commands: list[Command] = []
        state.commands = commands
        self._on[type(event)](event)
        if now >= self._ticks_at:
            self._tick()
        if not self._giving.is_idle:
            self._giving.offer()
        if now >= self._taking.looks_at:
            self._taking.announce_credit()
        state.commands = []
        return commands

    def next_deadline(self) -> float | None:
        """When `Ticked` is due, if nothing else happens; None while there is nothing to wait for."""
        state = self._state
        due = self._ticked_at + TICK_S
        if not state.peers.links_by_id:
            if not state.sessions and not self._tracking.is_connected:
                return None
            if not any(session.lacks_anything for session in state.sessions.values()):
                due = self._ticked_at + IDLE_TICK_S
        due = min(due, self._taking.looks_at)
        full_until = self._giving.full_until
        return due if full_until is None or full_until > due else full_until

    def _routes(self) -> dict[type, Callable[[Any], None]]:
        """By type: a table costs the same for the first and the last of them."""
        giving, versions, dialling = self._giving, self._versions, self._dialling
        return {
            e.MessageReceived: self._hearing.on_message,
            e.Progressed: self._progressed,
            e.BlockSent: giving.on_sent,
            e.BlockArrived: self._arrived,
            e.Ticked: lambda _: giving.wake(),
            e.SendFailed: self._send_failed,
            e.BlockRefused: self._refused,
            e.PeerOffended: self._offended,
            e.BlockAborted: self._taking.on_aborted,
            e.StoreRead: self._store_read,
            e.StoreFailed: self._store_failed,
            e.PeerConnected: self._connected,
            e.PeerDisconnected: self._disconnected,
            e.DialFailed: lambda event: dialling.on_failed(event.agent),
            e.PeersFound: lambda event: dialling.learn(event.version, event.peers),
            e.TrackerConnected: self._tracker_connected,
            e.TrackerLost: lambda _: self._tracker_lost(),
            e.SessionOpened: versions.on_opened,
            e.SessionClosed: versions.on_closed,
            e.VersionUnknown: lambda event: self._meeting.on_unknown(event.version),
            e.LengthsLearned: versions.on_lengths,
            e.WantChanged: versions.on_want_changed,
            e.WantBy: versions.on_want_by,
            e.BlocksFound: versions.on_found,
            e.BlocksLost: versions.on_lost,
            e.LimitsChanged: lambda event: self._state.limit(event.upload, event.download),
            e.LeaveAsked: self._leave,
        }

    # --- connections ----------------------------------------------------------------------------

    def _connected(self, event: e.PeerConnected) -> None:
        link = self._meeting.on_connected(event, self._dialling.others())
        if link is not None:
            self._state.sites.meet(link.peer)
            self._dialling.on_connected(link)

    def _disconnected(self, event: e.PeerDisconnected) -> None:
        if event.connection == self._tracking.connection:
            self._tracker_lost()
        elif link := self._state.peers.link(event.connection):
            self._parting.on_closed(link)

    def _offended(self, event: e.PeerOffended) -> None:
        if link := self._state.peers.link(event.connection):
            self._parting.offended(link, event.reason)

    def _tracker_connected(self, event: e.TrackerConnected) -> None:
        self._tracking.on_connected(event.connection)
        self._crossing.on_tracker()
        self._leasing.join_all()

    def _tracker_lost(self) -> None:
        self._tracking.on_lost()
        self._sharing.on_tracker_lost()

    def _leave(self, _: e.LeaveAsked) -> None:
        self._versions.leave()
        self._why.leaves_by = self._versions.leaves_by

    # --- blocks ---------------------------------------------------------------------------------

    def _progressed(self, event: e.Progressed) -> None:
        state = self._state
        links, now = state.peers.links_by_id, state.now
        for connection in event.heard:
            if link := links.get(connection):
                link.peer.times.heard_at = now
            elif connection == self._tracking.connection:
                self._tracking.heard()
        for connection, rtt_s in event.rtts:
            if link := links.get(connection):
                link.rtt_s = rtt_s
        received = self._taking.on_moved(event.received)
        sent = self._giving.on_moved(event.sent)
        if event.store_reads:
            self._leasing.on_progress(event.store_reads)
        state.count_slots(sent, received)
        self._giving.wake()

    def _arrived(self, event: e.BlockArrived) -> None:
        if link := self._state.peers.link(event.connection):
            link.peer.times.heard_at = self._state.now
        self._taking.on_arrived(event)
        self._versions.here(event.version, event.index)

    def _refused(self, event: e.BlockRefused) -> None:
        self._taking.on_aborted(event)
        if link := self._state.peers.link(event.connection):
            self._parting.ban(link.peer, f"sent a wrong block {event.index}")

    def _send_failed(self, event: e.SendFailed) -> None:
        if mask := self._giving.on_failed(event):
            self._versions.lose(event.version, mask, m.LostReason.UNREADABLE)

    def _store_read(self, event: e.StoreRead) -> None:
        self._leasing.on_read(event)
        self._versions.here(event.version, event.index)

    def _store_failed(self, event: e.StoreFailed) -> None:
        failed = self._leasing.on_failed(event)
        session = self._state.sessions.get(event.version)
        if failed and session is not None:
            self._meeting.say_lost(session, failed, m.LostReason.STORE_FAILED)

    # --- time -----------------------------------------------------------------------------------

    def _tick(self) -> None:
        state = self._state
        self._ticked_at = state.now
        self._ticks_at = state.now + TICK_S
        state.measure()
        self._parting.bury_the_dead()
        self._parting.cut(self._taking.tick(), "a block takes far longer than others do")
        self._parting.cut(self._giving.tick(), "took nothing of what it asked for")
        self._tracking.tick()
        self._leasing.tick()
        self._crossing.tick()
        self._meeting.tick()
        if state.now - self._reviewed_at >= REVIEW_S:
            self._reviewed_at = state.now
            self._giving.review_shares()
            self._sharing.review()
            self._dialling.seek_all()
            self._dialling.seek_origins()
        self._versions.release()
        self._versions.end()
        self._say_alive()

    def _say_alive(self) -> None:
        state = self._state
        for agent in state.liveness.silent(state.now):
            peer = state.peers.get(agent)
            link = peer.any_link() if peer is not None else None
            if link is not None:
                state.send(link, m.Alive())

    # --- questions ------------------------------------------------------------------------------

    @property
    def site(self) -> str:
        """Where this agent is, as far as it knows: what it says to other agents."""
        return self._state.sites.own

    def why(self, version: VersionId, index: int, now: float) -> str:
        """One sentence: what a block waits for, since when, and what happens at the bound."""
        return str(self._why.wait(version, index, now))

    def wait(self, version: VersionId, index: int, now: float) -> Wait:
        """The same, in parts."""
        return self._why.wait(version, index, now)

    def waits(self, version: VersionId, now: float) -> tuple[tuple[Wait, int], ...]:
        """What the blocks that a version lacks wait for, the longest wait of each kind first, with their number."""
        return self._why.waits(version, now)

    def statistics(self) -> NodeStatistics:
        """A snapshot."""
        return statistics_of(self._state, self._dialling, self._leasing, self._tracking)

    def check(self) -> None:
        """Raises AssertionError where any part contradicts itself or another."""
        for session in self._state.sessions.values():
            session.check()
        self._meeting.check()
        self._giving.check()
        self._taking.check()
        self._leasing.check()
        self._crossing.check()
        in_flight = sum(sum(r.lengths.values()) for s in self._state.sessions.values() for r in s.ledger)
        in_flight += sum(reading.length for reading in self._leasing.reads.readings.values())
        assert self._state.credit.bytes_taken == in_flight
