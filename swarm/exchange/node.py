"""The pure mind of one agent: `handle(event, now)` returns commands, `next_deadline()` says when to be called again.

It only routes. Who is connected and what they have is `meeting`'s, whom to dial `dialling`'s, what is offered and sent
`giving`'s, what is asked for `taking`'s, the tracker `tracking`'s, the store `leasing`'s; `state` is what they share.
The driver, the simulator and the tests drive the same node. `now` never goes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.exchange import events as e
from swarm.exchange.bitset import mask_of
from swarm.exchange.commands import Banned, Command, Completed, Disconnect, Released
from swarm.exchange.config import HAVES_S, IDLE_TICK_S, LEAVE_S, SESSIONS_MAX, TICK_S, NodeConfig
from swarm.exchange.crossing import Crossing
from swarm.exchange.dialling import Dialling
from swarm.exchange.giving import Giving
from swarm.exchange.leasing import Leasing
from swarm.exchange.meeting import Meeting
from swarm.exchange.peers import Link, Peer
from swarm.exchange.policies import Policies
from swarm.exchange.session import Session
from swarm.exchange.share import REVIEW_S, Share
from swarm.exchange.sharing import Sharing
from swarm.exchange.state import State
from swarm.exchange.statistics import NodeStatistics, SessionStatistics
from swarm.exchange.taking import Taking
from swarm.exchange.tracking import Tracking
from swarm.exchange.wait import Wait
from swarm.exchange.why import Why
from swarm.protocol import messages as m
from swarm.protocol.ids import AgentId, Index, VersionId

if TYPE_CHECKING:
    from random import Random


class Node:
    """See the module. `rng` is this node's own; the same events with the same seed give the same commands."""

    def __init__(
        self, config: NodeConfig, rng: Random, agent_id: AgentId, site: str = "", policies: Policies | None = None
    ) -> None:
        self._state = State(config, rng, agent_id, site, policies or Policies())
        self._giving = Giving(self._state)
        self._taking = Taking(self._state)
        self._meeting = Meeting(self._state, self._giving, self._taking)
        self._dialling = Dialling(self._state)
        self._tracking = Tracking(self._state, self._dialling)
        self._sharing = Sharing(self._state, self._tracking)
        self._crossing = Crossing(self._state, self._tracking, self._taking)
        self._leasing = Leasing(self._state, self._tracking, self._crossing)
        self._why = Why(self._state, self._tracking, self._leasing, self._crossing, self._dialling)
        self._ticked_at = float("-inf")
        self._announced_at = float("-inf")
        self._reviewed_at = float("-inf")
        self._leave_by: float | None = None

    # --- the door -------------------------------------------------------------------------------

    def handle(self, event: e.Event, now: float) -> list[Command]:
        """What is to be done about an event. Never raises for anything that a peer or the tracker says."""
        state = self._state
        state.now = now
        state.commands = []
        self._route(event)
        if now >= self._ticked_at + TICK_S:
            self._tick()
        self._giving.offer()
        self._taking.announce_credit()
        commands, state.commands = state.commands, []
        return commands

    def next_deadline(self) -> float | None:
        """When `Ticked` is due, if nothing else happens; None while there is nothing to wait for."""
        state = self._state
        if not len(state.peers) and not state.sessions and not self._tracking.is_connected:
            return None
        is_idle = not len(state.peers) and not any(session.lacks_anything for session in state.sessions.values())
        tick = self._ticked_at + (IDLE_TICK_S if is_idle else TICK_S)
        full_until = self._giving.full_until
        return min(tick, self._taking.looks_at, tick if full_until is None else full_until)

    def _route(self, event: e.Event) -> None:  # noqa: PLR0912, PLR0915  (one line an event)
        match event:
            case e.MessageReceived():
                self._hear(event)
            case e.Progressed():
                self._progress(event)
            case e.BlockSent():
                self._giving.on_sent(event)
            case e.BlockArrived():
                self._arrived(event)
            case e.Ticked():
                self._giving.wake()
            case e.SendFailed():
                self._send_failed(event)
            case e.BlockRefused():
                self._refused(event)
            case e.PeerOffended():
                if link := self._state.peers.link(event.connection):
                    self._offended(link, event.reason)
            case e.BlockAborted():
                self._taking.on_aborted(event)
            case e.StoreRead():
                self._store_read(event)
            case e.StoreFailed():
                self._store_failed(event)
            case e.PeerConnected():
                self._connected(event)
            case e.PeerDisconnected():
                self._disconnected(event)
            case e.DialFailed():
                self._dialling.on_failed(event.agent)
            case e.PeersFound():
                self._dialling.learn(event.version, event.peers)
            case e.TrackerConnected():
                self._tracking.on_connected(event.connection)
                self._crossing.on_tracker()
                self._leasing.join_all()
            case e.TrackerLost():
                self._tracker_lost()
            case e.SessionOpened():
                self._open(event)
            case e.SessionClosed():
                self._close(event.version)
            case e.VersionUnknown():
                self._meeting.on_unknown(event.version)
            case e.LengthsLearned():
                if session := self._state.sessions.get(event.version):
                    session.learn_lengths(event.first, event.lengths)
            case e.WantChanged():
                self._want_changed(event)
            case e.WantBy():
                session = self._state.sessions.get(event.version)
                if session is not None and 0 <= event.index < session.size:
                    session.picker.want_by(event.index, event.deadline)
            case e.BlocksFound():
                self._found(event)
            case e.BlocksLost():
                self._lost(event.version, mask_of(event.runs), m.LostReason(event.reason))
            case e.LimitsChanged():
                self._state.limit(event.upload, event.download)
            case e.LeaveAsked():
                self._leave()

    # --- messages -------------------------------------------------------------------------------

    def _hear(self, event: e.MessageReceived) -> None:
        if event.connection == self._tracking.connection:
            self._tracking.heard()
            self._hear_tracker(event.message)
            return
        link = self._state.peers.link(event.connection)
        if link is None:
            return
        self._state.liveness.heard(link.peer.agent, self._state.now)
        if reason := self._hear_peer(link, event.message):
            self._offended(link, reason)

    def _hear_peer(self, link: Link, message: m.ExchangeMessage) -> str | None:  # noqa: PLR0912
        match message:
            case m.Ready():
                return self._taking.on_ready(link, message)
            case m.Request():
                return self._giving.on_request(link, message)
            case m.Decline():
                return self._giving.on_decline(link, message)
            case m.Haves():
                return self._meeting.on_haves(link, message)
            case m.Credit():
                return self._giving.on_credit(link, message)
            case m.Cancel():
                return self._giving.on_cancel(link, message)
            case m.Open():
                return self._opened(link, message)
            case m.Bitfield():
                return self._meeting.on_bitfield(link, message)
            case m.Want():
                return self._meeting.on_want(link, message)
            case m.Lost():
                return self._meeting.on_lost(link, message)
            case m.Denied():
                return self._denied(link, message)
            case m.Busy():
                self._dialling.on_busy(link.peer.agent, message.retry_after_s, message.others)
                return None
            case m.DialMe():
                return self._dialling.on_dial_me(link.id, link.peer.info, message)
            case m.Alive():
                return None
            case _:
                return "a message that only trackers send"

    def _hear_tracker(self, message: m.ExchangeMessage) -> None:
        match message:
            case m.Welcome():
                self._tracking.on_welcome(message)
            case m.HandOut():
                self._learn_sites(message)
                self._dialling.learn(message.version, message.peers)
            case m.LeaseGrant():
                self._leasing.on_grant(message)
            case m.LeaseFenced():
                self._leasing.on_fenced(message)
                self._crossing.on_fenced(message.number)
            case m.Share():
                self._sharing.on_share(message)
                self._giving.wake()
            case m.DialMe() if self._tracking.connection is not None:
                self._dialling.on_dial_me(self._tracking.connection, None, message)
            case _:
                pass

    def _learn_sites(self, message: m.HandOut) -> None:
        """Who heard of us by our old site is met anew: our hello tells the new one from here on."""
        sites = self._state.sites
        if sites.learn(message.peers):
            for link in list(self._state.peers.links()):
                self._meeting.disconnect(link, "this agent is in another site than it said")
                self._after_parting(link.peer)
        for peer in self._state.peers:
            sites.meet(peer)

    def _opened(self, link: Link, message: m.Open) -> str | None:
        reason = self._meeting.on_open(link, message)
        session = self._state.sessions.get(message.version)
        if reason is None and session is not None:
            self._dialling.on_opened(link, session)
        return reason

    def _denied(self, link: Link, message: m.Denied) -> str | None:
        version = link.versions.get(message.handle)
        reason = self._meeting.on_denied(link, message)
        if reason is None and version is not None:
            self._dialling.learn(version, message.others[:16])
        return reason

    def _offended(self, link: Link, reason: str) -> None:
        if self._state.bans.offend(link.peer.agent):
            self._ban(link.peer, reason)
        elif self._state.peers.link(link.id) is link:
            self._meeting.disconnect(link, reason)
            self._after_parting(link.peer)

    def _ban(self, peer: Peer, reason: str) -> None:
        if self._state.bans.ban(peer.agent, reason):
            self._state.commands.append(Banned(peer.agent, reason))
        for session in self._state.sessions.values():
            session.part_from_liar(peer, reason)
        self._dialling.forget(peer.agent)
        for link in list(peer.links.values()):
            self._meeting.disconnect(link, f"banned: {reason}")
        self._after_parting(peer)

    # --- connections ----------------------------------------------------------------------------

    def _connected(self, event: e.PeerConnected) -> None:
        link = self._meeting.on_connected(event, self._dialling.others())
        if link is not None:
            self._state.sites.meet(link.peer)
            self._dialling.on_connected(link)

    def _disconnected(self, event: e.PeerDisconnected) -> None:
        if event.connection == self._tracking.connection:
            self._tracker_lost()
            return
        link = self._state.peers.link(event.connection)
        if link is not None:
            self._meeting.forget(link)
            self._dialling.on_closed(link.id)
            self._after_parting(link.peer)

    def _tracker_lost(self) -> None:
        self._tracking.on_lost()
        self._sharing.on_tracker_lost()

    def _after_parting(self, peer: Peer) -> None:
        """Its last connection may be gone: others are sought, what it had may be had by nobody."""
        if peer.agent in self._state.peers:
            return
        self._dialling.on_gone(peer.agent)
        self._tracking.on_gone(peer.agent)
        self._dialling.seek_all()
        self._giving.wake()

    # --- versions -------------------------------------------------------------------------------

    def _open(self, event: e.SessionOpened) -> None:
        state = self._state
        if event.version in state.sessions or len(state.sessions) >= SESSIONS_MAX:
            return
        share = None
        if event.is_origin and state.policies.has_share:
            share = Share(len(event.page_lengths), 0)
        session = Session(event, state.policies.order, state.rng, share=share, now=state.now)
        state.sessions[event.version] = session
        self._sharing.review()
        self._meeting.on_session(session)
        self._leasing.join(session)
        self._dialling.seek(session)
        self._complete(session)

    def _close(self, version: VersionId) -> None:
        session = self._state.sessions.get(version)
        if session is None:
            return
        self._taking.close(session)
        self._leasing.forget(session)
        self._crossing.forget(session)
        self._meeting.close(session)
        self._tracking.leave(version)
        self._sharing.forget(version)
        del self._state.sessions[version]

    def _want_changed(self, event: e.WantChanged) -> None:
        session = self._state.sessions.get(event.version)
        if session is None:
            return
        session.change_want(mask_of(event.want))
        self._leasing.want_changed(session)
        self._taking.cancel(session, ~session.want)
        self._meeting.say_want(session)
        for peer in self._state.peers:
            if peer.receiving is not None:
                self._meeting.open(peer.receiving, session)
        self._tracking.count(session)
        self._dialling.seek(session)
        self._complete(session)

    def _found(self, event: e.BlocksFound) -> None:
        session = self._state.sessions.get(event.version)
        if session is None:
            return
        news = session.gain(mask_of(event.runs) & session.all, self._state.now)
        self._taking.cancel(session, news)
        self._leasing.found(session, news)
        self._giving.wake()
        self._complete(session)

    def _lost(self, version: VersionId, mask: int, reason: m.LostReason) -> None:
        session = self._state.sessions.get(version)
        if session is not None and (lost := session.lose(mask & session.all)):
            self._meeting.say_lost(session, lost, reason)

    def _complete(self, session: Session) -> None:
        if session.lacks_anything or session.want_grows or session.completed_at is not None:
            return
        session.completed_at = self._state.now
        self._meeting.announce()
        self._tracking.count(session)
        self._state.commands.append(Completed(session.version))

    # --- blocks ---------------------------------------------------------------------------------

    def _progress(self, event: e.Progressed) -> None:
        state = self._state
        for connection in event.heard:
            if connection == self._tracking.connection:
                self._tracking.heard()
            elif link := state.peers.link(connection):
                state.liveness.heard(link.peer.agent, state.now)
        for connection, rtt_s in event.rtts:
            if link := state.peers.link(connection):
                link.rtt_s = rtt_s
        self._taking.on_moved(event.received)
        self._giving.on_moved(event.sent)
        self._leasing.on_progress(event.store_reads)
        state.count_slots(sum(t.bytes for t in event.sent), sum(t.bytes for t in event.received))
        self._giving.wake()

    def _arrived(self, event: e.BlockArrived) -> None:
        if link := self._state.peers.link(event.connection):
            self._state.liveness.heard(link.peer.agent, self._state.now)
        self._taking.on_arrived(event)
        self._here(event.version, event.index)

    def _here(self, version: VersionId, index: Index) -> None:
        session = self._state.sessions.get(version)
        if session is None:
            return
        self._leasing.on_here(version, index)
        self._crossing.on_here(version, index)
        self._taking.cancel(session, 1 << index)
        self._giving.wake()
        self._complete(session)

    def _refused(self, event: e.BlockRefused) -> None:
        self._taking.on_aborted(event)
        if link := self._state.peers.link(event.connection):
            self._ban(link.peer, f"sent a wrong block {event.index}")

    def _send_failed(self, event: e.SendFailed) -> None:
        if mask := self._giving.on_failed(event):
            self._lost(event.version, mask, m.LostReason.UNREADABLE)

    def _store_read(self, event: e.StoreRead) -> None:
        self._leasing.on_read(event)
        self._here(event.version, event.index)

    def _store_failed(self, event: e.StoreFailed) -> None:
        failed = self._leasing.on_failed(event)
        session = self._state.sessions.get(event.version)
        if failed and session is not None:
            self._meeting.say_lost(session, failed, m.LostReason.STORE_FAILED)

    # --- time -----------------------------------------------------------------------------------

    def _tick(self) -> None:
        state = self._state
        self._ticked_at = state.now
        state.measure()
        self._bury_the_dead()
        self._cut(self._taking.tick(), "a block takes far longer than others do")
        self._cut(self._giving.tick(), "took nothing of what it asked for")
        self._tracking.tick()
        self._leasing.tick()
        self._crossing.tick()
        if state.now - self._announced_at >= HAVES_S:
            self._announced_at = state.now
            self._meeting.announce()
        if state.now - self._reviewed_at >= REVIEW_S:
            self._reviewed_at = state.now
            self._giving.review_shares()
            self._sharing.review()
            self._dialling.seek_all()
            self._dialling.seek_origins()
        self._release()
        self._end()
        self._say_alive()

    def _cut(self, links: list[Link], reason: str) -> None:
        """Closes connections that are of no use; their agents are dialled again later, if at all."""
        for link in links:
            if self._state.peers.link(link.id) is link:
                self._meeting.disconnect(link, reason)
                self._dialling.on_gone(link.peer.agent)
                self._after_parting(link.peer)

    def _bury_the_dead(self) -> None:
        for agent in self._state.liveness.dead(self._state.now):
            peer = self._state.peers.get(agent)
            if peer is not None:
                for link in list(peer.links.values()):
                    self._meeting.disconnect(link, "nothing was heard for too long")
                self._after_parting(peer)

    def _say_alive(self) -> None:
        state = self._state
        for agent in list(state.liveness.silent(state.now)):
            peer = state.peers.get(agent)
            link = peer.any_link() if peer is not None else None
            if link is not None:
                state.send(link, m.Alive())

    def _release(self) -> None:
        for session in self._state.sessions.values():
            if session.completed_at is None or session.is_released or session.is_origin:
                continue
            is_over = self._state.now - session.completed_at >= self._state.config.linger_s
            if is_over or not self._state.policies.lingers or not session.is_any_lacking():
                session.is_released = True
                self._state.commands.append(Released(session.version))

    def _leave(self) -> None:
        if self._state.is_leaving:
            return
        self._state.is_leaving = True
        self._leave_by = self._why.leaves_by = self._state.now + LEAVE_S
        self._leasing.return_all()
        for session in self._state.sessions.values():
            self._crossing.forget(session)
            self._taking.close(session)
            self._tracking.leave(session.version)
        self._end()

    def _end(self) -> None:
        """The agent is leaving: when nothing is being sent any longer, or after five seconds, it says goodbye."""
        if self._leave_by is None or (self._state.uplink.sendings and self._state.now < self._leave_by):
            return
        for link in list(self._state.peers.links()):
            self._meeting.disconnect(link, "leaving", is_graceful=True)
        if self._tracking.connection is not None:
            self._state.commands.append(Disconnect(self._tracking.connection, "leaving", is_graceful=True))
            self._tracking.on_lost()

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
        state = self._state
        return NodeStatistics(
            sessions=tuple(_session_statistics(session) for session in state.sessions.values()),
            peers=len(state.peers),
            connections=sum(1 for _ in state.peers.links()),
            known=self._dialling.known_count,
            banned=state.bans.items(),
            slots_out=state.slots_out,
            slots_in=state.slots_in,
            offers=len(state.uplink.offers),
            sending=len(state.uplink.sendings),
            receiving=state.credit.slots_taken,
            store_reads=len(self._leasing.reads),
            leases=len(self._leasing.held),
            rate_up=state.up.rate(state.now),
            rate_down=state.down.rate(state.now),
            capacity_up=state.up.capacity(state.now),
            capacity_down=state.down.capacity(state.now),
            rtt_s=state.rtt_s,
            has_tracker=self._tracking.is_connected,
        )

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


def _session_statistics(session: Session) -> SessionStatistics:
    picker = session.picker
    return SessionStatistics(
        version=session.version,
        size=session.size,
        have=session.have.bit_count(),
        lacking=picker.lacking.bit_count(),
        promised=picker.promised.bit_count(),
        orphaned=(picker.free & ~picker.availability.held()).bit_count(),
        neighbours=len(session.neighbours),
        bytes_from_peers=session.bytes_received,
        bytes_from_store=session.bytes_from_store,
        bytes_wasted=session.ledger.bytes_wasted,
    )
