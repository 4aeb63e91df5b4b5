"""Connections and versions on them: who is let in, who says what it has, and what happens when somebody goes.

The receiver of blocks opens a version, and both then say what they have; news follows in batches, once per pair. What a
neighbour says is checked against the size of the index space before anything believes it.
"""

from __future__ import annotations

from swarm.exchange.bitset import bitfield_of, mask_of, mask_of_bitfield, runs_of
from swarm.exchange.commands import Disconnect, LoadVersion, Send
from swarm.exchange.config import HANDLES_MAX, HAVES_LAST_S, HAVES_PARTS, HAVES_S, PENDING_OPENS_MAX
from swarm.exchange.early_news import Early, EarlyNews
from swarm.exchange.events import PeerConnected
from swarm.exchange.giving import Giving
from swarm.exchange.peers import Channel, Link, Peer, is_better
from swarm.exchange.session import Session
from swarm.exchange.state import State
from swarm.exchange.taking import Taking
from swarm.protocol.ids import ConnectionId, VersionId
from swarm.protocol.messages import Bitfield, Busy, Denied, Haves, Lost, LostReason, Open, PeerInfo, Want
from swarm.protocol.runs import is_normal, span

CONTROL_LINKS_MAX = 4
"""Connections without bulk that one agent may have here: one is enough, two may overlap."""

BUSY_S = 5.0
"""When somebody who was turned away may come again."""

NEWS_RUNS_MAX = 4096
"""Runs in one batch of news: what is more goes as a bitfield, which is shorter then."""


class Meeting:
    """Keeps peers, channels and possessions. Methods that return a reason have met nonsense on the wire."""

    def __init__(self, state: State, giving: Giving, taking: Taking) -> None:
        self._state = state
        self._giving = giving
        self._taking = taking
        self._pending: dict[VersionId, list[tuple[ConnectionId, int]]] = {}
        self._early = EarlyNews()

    # --- connections ----------------------------------------------------------------------------

    def on_connected(self, event: PeerConnected, others: tuple[PeerInfo, ...]) -> Link | None:
        """A connection with a valid hello; returns it, if it is kept."""
        if reason := self._refusal(event):
            if reason == "busy":
                self._say_busy(event.connection, others)
            self._state.commands.append(Disconnect(event.connection, reason, is_graceful=reason == "busy"))
            return None
        link = self._state.peers.add(
            event.connection,
            event.peer,
            direction=event.direction,
            sends_blocks=event.sends_blocks,
            reads_store=event.reads_store,
            rtt_s=event.rtt_s,
        )
        if len(link.peer.links) == 1:
            link.peer.times = self._state.liveness.add(link.peer.agent, self._state.now)
        link.peer.times.heard_at = self._state.now
        self.open_all(link)
        return link

    def _refusal(self, event: PeerConnected) -> str | None:
        state, agent = self._state, event.peer.agent_id
        if agent == state.agent:
            return "this is myself"
        if agent in state.bans:
            return "banned"
        if state.is_leaving:
            return "leaving"
        peer = state.peers.get(agent)
        if peer is None:
            is_full = len(state.peers) >= state.config.neighbours_max and agent not in state.colleagues
            return "busy" if is_full else None
        return self._settle_duplicate(peer, event)

    def _settle_duplicate(self, peer: Peer, event: PeerConnected) -> str | None:
        candidate = Link(
            event.connection,
            peer,
            event.direction,
            event.sends_blocks,
            event.sends_blocks == (event.direction == event.direction.TO_ACCEPTOR),
            event.rtt_s,
        )
        if not candidate.carries_blocks:
            controls = sum(not link.carries_blocks for link in peer.links.values())
            return "too many connections" if controls >= CONTROL_LINKS_MAX else None
        rival = peer.sending if event.sends_blocks else peer.receiving
        if rival is None:
            return None
        if not is_better(candidate, rival, self._state.config.peer_id):
            return "duplicate"
        self.disconnect(rival, "duplicate")
        return None

    def _say_busy(self, connection: ConnectionId, others: tuple[PeerInfo, ...]) -> None:
        self._state.commands.append(Send(connection, Busy(BUSY_S, others)))

    def disconnect(self, link: Link, reason: str, *, is_graceful: bool = False) -> None:
        """Closes a connection and forgets it at once: what its end will be reported as changes nothing."""
        self._state.commands.append(Disconnect(link.id, reason, is_graceful))
        self.forget(link)

    def forget(self, link: Link) -> None:
        """A connection is gone: its channels, requests and offers, and the agent with its last one."""
        peer = link.peer
        self._taking.drop(link)
        self._giving.drop(link)
        self._early.drop(link.id)
        for version in list(link.channels):
            self._close_channel(link.channels[version])
        self._state.peers.remove(link)
        if not peer.links:
            self._state.liveness.remove(peer.agent)
        else:
            self._repeat_news(peer)

    def _repeat_news(self, peer: Peer) -> None:
        """News that was on its way on the lost connection would be missing for ever: say everything again."""
        for version in list(peer.possessions):
            session = self._state.sessions[version]
            if channel := session.channel_to(peer):
                self._send_bitfield(channel, session)

    # --- opening versions -----------------------------------------------------------------------

    def open_all(self, link: Link) -> None:
        """On a connection where we receive: opens every version that lacks something."""
        if link.carries_blocks and not link.sends_blocks:
            for session in self._state.sessions.values():
                self.open(link, session)

    def open(self, link: Link, session: Session) -> None:
        """Opens a version, unless it is open here, or has been denied, or lacks nothing."""
        is_of_use = session.lacks_anything or (session.is_origin and link.peer.info.is_origin)
        if session.version in link.channels or not is_of_use or self._state.is_leaving:
            return
        handle = link.next_handle
        link.next_handle += 2
        channel = Channel(link, session.version, handle)
        link.versions[handle] = session.version
        link.channels[session.version] = channel
        self._taking.open_credit(link)
        self._state.send(link, Open(handle, session.version))
        self._send_bitfield(channel, session)

    def _send_bitfield(self, channel: Channel, session: Session) -> None:
        is_all = session.want_grows or session.want == session.all
        want = None if is_all else bitfield_of(session.want, session.size)
        self._state.send(channel.link, Bitfield(channel.handle, bitfield_of(session.have, session.size), want))

    def on_open(self, link: Link, message: Open) -> str | None:
        """The other side opens a version."""
        known = link.versions.get(message.handle)
        if known is not None and known != message.version:
            return "opened a handle twice"
        if known is None and len(link.versions) >= HANDLES_MAX:
            return "opened too many versions"
        if not link.carries_blocks:
            return "opened a version on a connection for control"
        link.versions[message.handle] = message.version
        session = self._state.sessions.get(message.version)
        if session is not None:
            self._accept(link, message.handle, session)
        else:
            self._look_up(link, message)
        return None

    def _accept(self, link: Link, handle: int, session: Session) -> None:
        channel = link.channels.get(session.version)
        if channel is not None and not channel.is_denied:
            return
        channel = Channel(link, session.version, handle)
        link.channels[session.version] = channel
        self._send_bitfield(channel, session)
        if link.sends_blocks:
            self._giving.add(channel)
            self._reopen(link.peer, session)
        else:
            self._taking.open_credit(link)

    def _reopen(self, peer: Peer, session: Session) -> None:
        """It takes part in the version after all: where it denied it to us before, it is asked again."""
        receiving = peer.receiving
        if receiving is None:
            return
        if (denied := receiving.channels.get(session.version)) and denied.is_denied:
            del receiving.channels[session.version]
        self.open(receiving, session)

    def _look_up(self, link: Link, message: Open) -> None:
        waiting = self._pending.get(message.version)
        is_new = waiting is None
        if waiting is None:
            waiting = []
        if len(waiting) >= PENDING_OPENS_MAX or (is_new and len(self._pending) >= PENDING_OPENS_MAX):
            self._state.send(link, Denied(message.handle, "busy"))
            return
        self._pending[message.version] = waiting
        waiting.append((link.id, message.handle))
        self._early.expect(link.id, message.handle)
        if is_new:
            self._state.commands.append(LoadVersion(message.version))

    def on_session(self, session: Session) -> None:
        """A version is open here: who has asked for it is answered, and everybody who may have it is asked."""
        for connection, handle in self._pending.pop(session.version, []):
            said = self._early.take(connection, handle)
            if link := self._state.peers.link(connection):
                self._accept(link, handle, session)
                self._hear_again(link, said)
        for peer in self._state.peers:
            if peer.receiving is not None:
                self.open(peer.receiving, session)

    def _hear_again(self, link: Link, said: list[Early]) -> None:
        """What the other side said while the version was looked up: it will not say it again."""
        for message in said:
            if self._state.peers.link(link.id) is not link:
                return
            match message:
                case Bitfield():
                    reason = self.on_bitfield(link, message)
                case Want():
                    reason = self.on_want(link, message)
                case Haves():
                    reason = self.on_haves(link, message)
                case Lost():
                    reason = self.on_lost(link, message)
            if reason is not None:
                self.disconnect(link, reason)

    def on_unknown(self, version: VersionId) -> None:
        """Nobody here knows it."""
        for connection, handle in self._pending.pop(version, []):
            self._early.take(connection, handle)
            if link := self._state.peers.link(connection):
                self._state.send(link, Denied(handle, "unknown"))

    def close(self, session: Session) -> None:
        """The version is given up, or no longer served."""
        for link in list(self._state.peers.links()):
            if channel := link.channels.get(session.version):
                self._state.send(link, Denied(channel.handle, "closed"))
                self._close_channel(channel)

    def _close_channel(self, channel: Channel) -> None:
        peer = channel.link.peer
        self._giving.remove([channel])
        channel.link.channels.pop(channel.version, None)
        session = self._state.sessions.get(channel.version)
        if session is not None and session.channel_to(peer) is None:
            session.part_from(peer)
            if session.share is not None and not session.neighbours:
                session.share.restart()

    # --- what neighbours say --------------------------------------------------------------------

    def on_bitfield(self, link: Link, message: Bitfield) -> str | None:
        """What a neighbour has and wants. What it was known to have stays: news may have overtaken this."""
        found = self._find(link, message.handle)
        if isinstance(found, str) or found is None:
            return found if isinstance(found, str) else self._early.keep(link.id, message.handle, message)
        channel, session = found
        have = mask_of_bitfield(message.have, session.size)
        want = session.all if message.want is None else mask_of_bitfield(message.want, session.size)
        if have is None or want is None:
            return "sent a bitfield of the wrong size"
        channel.is_met = True
        session.meet(link.peer).want = want
        session.peer_has(link.peer, have, self._state.now)
        self._giving.wake()
        return None

    def _find_met(self, link: Link, handle: int) -> tuple[Channel, Session] | str | None:
        """The same, once the other side has sent its bitfield: what comes before it is not believed."""
        found = self._find(link, handle)
        return None if isinstance(found, tuple) and not found[0].is_met else found

    def _find(self, link: Link, handle: int) -> tuple[Channel, Session] | str | None:
        """The channel of a handle; None where the version has been closed meanwhile; a reason for nonsense."""
        version = link.versions.get(handle)
        if version is None:
            return "used a handle that is not open"
        channel, session = link.channels.get(version), self._state.sessions.get(version)
        if channel is None or session is None or channel.is_denied:
            return None
        return channel, session

    def on_want(self, link: Link, message: Want) -> str | None:
        """Replaces what a neighbour wants."""
        found = self._find_met(link, message.handle)
        if isinstance(found, str) or found is None:
            return found if isinstance(found, str) else self._early.keep(link.id, message.handle, message)
        session = found[1]
        if not is_normal(message.runs) or span(message.runs) > session.size:
            return "wants blocks out of the index space"
        session.meet(link.peer).want = mask_of(message.runs)
        self._giving.wake()
        return None

    def on_haves(self, link: Link, message: Haves) -> str | None:
        """News of a neighbour."""
        for handle, runs in message.runs_by_handle:
            found = self._find_met(link, handle)
            if isinstance(found, str):
                return found
            if found is None:
                if reason := self._early.keep(link.id, handle, Haves(((handle, runs),))):
                    return reason
                continue
            if not is_normal(runs) or span(runs) > found[1].size:
                return "has blocks out of the index space"
            found[1].peer_has(link.peer, mask_of(runs), self._state.now)
        return None

    def on_lost(self, link: Link, message: Lost) -> str | None:
        """A neighbour has blocks no longer, or cannot get them from the store."""
        found = self._find_met(link, message.handle)
        if isinstance(found, str) or found is None:
            return found if isinstance(found, str) else self._early.keep(link.id, message.handle, message)
        session = found[1]
        if not is_normal(message.runs) or span(message.runs) > session.size:
            return "lost blocks out of the index space"
        mask = mask_of(message.runs)
        if message.reason is LostReason.STORE_FAILED:
            session.meet(link.peer).store_failed |= mask
        else:
            session.peer_lost(link.peer, mask)
        return None

    def on_denied(self, link: Link, message: Denied) -> str | None:
        """The other side does not (or no longer) serve a version."""
        found = self._find(link, message.handle)
        if isinstance(found, str) or found is None:
            return found
        channel, session = found
        for reception in session.ledger.of_link(link):
            self._taking.give_up(session, reception)
        self._close_channel(channel)
        # Kept, so that it is not opened here again and again.
        channel.is_denied, channel.is_met = True, False
        link.channels[session.version] = channel
        # The two connections of a pair overtake each other: it may have opened the version on the other one after it
        # denied it on this one, and will not say so again.
        sending = link.peer.sending
        if sending is not None and sending is not link and self._is_open(sending, session):
            self._reopen(link.peer, session)
        return None

    def _is_open(self, link: Link, session: Session) -> bool:
        channel = link.channels.get(session.version)
        return channel is not None and not channel.is_denied

    # --- what we say ----------------------------------------------------------------------------

    def tick(self) -> None:
        """News goes out in batches: seldom while much is lacking, since READY carries the newest."""
        state = self._state
        for session in state.sessions.values():
            if session.unannounced and state.now - session.announced_at >= self._every_s(session):
                self._announce(session)

    def _every_s(self, session: Session) -> float:
        return min(HAVES_LAST_S, max(HAVES_S, self._state.left_s(session) / HAVES_PARTS))

    def announce(self) -> None:
        """Sends the news of every version, once per pair."""
        for session in self._state.sessions.values():
            if session.unannounced:
                self._announce(session)

    def _announce(self, session: Session) -> None:
        runs = runs_of(session.unannounced)
        session.unannounced, session.announced_at = 0, self._state.now
        messages: dict[int, Haves] = {}
        for peer in session.neighbours.values():
            channel = session.channel_to(peer)
            if channel is None:
                continue
            if len(runs) > NEWS_RUNS_MAX:
                self._send_bitfield(channel, session)
                continue
            message = messages.get(channel.handle)
            if message is None:
                message = messages[channel.handle] = Haves(((channel.handle, runs),))
            self._state.send(channel.link, message)

    def say_want(self, session: Session) -> None:
        """What we want has changed."""
        runs = runs_of(session.all if session.want_grows else session.want)
        for link in self._state.peers.links():
            if channel := link.channels.get(session.version):
                self._state.send(link, Want(channel.handle, runs))

    def say_lost(self, session: Session, mask: int, reason: LostReason) -> None:
        """We have these no longer."""
        runs = runs_of(mask)
        for peer in session.neighbours.values():
            if channel := session.channel_to(peer):
                self._state.send(channel.link, Lost(channel.handle, runs, reason))

    def check(self) -> None:
        """Raises AssertionError where neighbours and channels contradict each other."""
        self._state.peers.check()
        self._early.check()
        for session in self._state.sessions.values():
            for peer in session.neighbours.values():
                assert peer.agent in self._state.peers
                assert session.channel_to(peer) is not None, "a neighbour without a channel"
