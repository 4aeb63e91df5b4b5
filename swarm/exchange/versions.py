"""The life of a version here: opened, changed, completed, released, closed; and the end of the agent itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.exchange import events as e
from swarm.exchange.bitset import mask_of
from swarm.exchange.commands import Completed, Disconnect, Released
from swarm.exchange.config import LEAVE_S, SESSIONS_MAX
from swarm.exchange.session import Session
from swarm.exchange.share import Share
from swarm.protocol.ids import Index, VersionId
from swarm.protocol.messages import LostReason

if TYPE_CHECKING:
    from swarm.exchange.crossing import Crossing
    from swarm.exchange.dialling import Dialling
    from swarm.exchange.giving import Giving
    from swarm.exchange.leasing import Leasing
    from swarm.exchange.meeting import Meeting
    from swarm.exchange.sharing import Sharing
    from swarm.exchange.state import State
    from swarm.exchange.taking import Taking
    from swarm.exchange.tracking import Tracking


class Versions:
    """Tells every part what has become of a version."""

    def __init__(
        self,
        state: State,
        *,
        giving: Giving,
        taking: Taking,
        meeting: Meeting,
        dialling: Dialling,
        tracking: Tracking,
        sharing: Sharing,
        leasing: Leasing,
        crossing: Crossing,
    ) -> None:
        self._state = state
        self._giving = giving
        self._taking = taking
        self._meeting = meeting
        self._dialling = dialling
        self._tracking = tracking
        self._sharing = sharing
        self._leasing = leasing
        self._crossing = crossing
        self.leaves_by: float | None = None
        """When the agent ends at the latest, once it is asked to."""

    # --- opened, changed, closed ----------------------------------------------------------------

    def on_opened(self, event: e.SessionOpened) -> None:
        """Its root is known."""
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

    def on_closed(self, event: e.SessionClosed) -> None:
        """It is given up, or no longer served."""
        session = self._state.sessions.get(event.version)
        if session is None:
            return
        self._taking.close(session)
        self._leasing.forget(session)
        self._crossing.forget(session)
        self._meeting.close(session)
        self._tracking.leave(event.version)
        self._sharing.forget(event.version)
        del self._state.sessions[event.version]

    def on_lengths(self, event: e.LengthsLearned) -> None:
        """Pages were read."""
        if session := self._state.sessions.get(event.version):
            session.learn_lengths(event.first, event.lengths)

    def on_want_changed(self, event: e.WantChanged) -> None:
        """Something else is to be fetched."""
        session = self._state.sessions.get(event.version)
        if session is None:
            return
        session.change_want(mask_of(event.want), grows=event.grows)
        self._leasing.want_changed(session)
        self._taking.cancel(session, ~session.want)
        self._meeting.say_want(session)
        for peer in self._state.peers:
            if peer.receiving is not None:
                self._meeting.open(peer.receiving, session)
        self._tracking.count(session)
        self._dialling.seek(session)
        self._complete(session)

    def on_want_by(self, event: e.WantBy) -> None:
        """A reader waits for a block."""
        session = self._state.sessions.get(event.version)
        if session is not None and 0 <= event.index < session.size:
            session.picker.want_by(event.index, event.deadline)

    # --- blocks ---------------------------------------------------------------------------------

    def on_found(self, event: e.BlocksFound) -> None:
        """Blocks are here without having been fetched."""
        session = self._state.sessions.get(event.version)
        if session is None:
            return
        news = session.gain(mask_of(event.runs) & session.all, self._state.now)
        self._taking.cancel(session, news)
        self._leasing.found(session, news)
        self._giving.wake()
        self._complete(session)

    def on_lost(self, event: e.BlocksLost) -> None:
        """Blocks are here no longer."""
        self.lose(event.version, mask_of(event.runs), LostReason(event.reason))

    def lose(self, version: VersionId, mask: int, reason: LostReason) -> None:
        """The same, of a set of indexes."""
        session = self._state.sessions.get(version)
        if session is not None and (lost := session.lose(mask & session.all)):
            self._meeting.say_lost(session, lost, reason)

    def here(self, version: VersionId, index: Index) -> None:
        """A block has come, from a neighbour or from the store."""
        session = self._state.sessions.get(version)
        if session is None:
            return
        self._leasing.on_here(version, index)
        self._crossing.on_here(version, index)
        self._taking.came(session, index)
        self._giving.wake()
        if not session.picker.lacking:
            self._complete(session)

    # --- complete, released, gone ---------------------------------------------------------------

    def _complete(self, session: Session) -> None:
        if session.lacks_anything or session.want_grows or session.completed_at is not None:
            return
        session.completed_at = self._state.now
        self._meeting.announce()
        self._tracking.count(session)
        self._state.commands.append(Completed(session.version))

    def release(self) -> None:
        """Versions that nobody near lacks anything of any longer, or for which the agent has stayed long enough."""
        for session in self._state.sessions.values():
            if session.completed_at is None or session.is_released or session.is_origin:
                continue
            is_over = self._state.now - session.completed_at >= self._state.config.linger_s
            if is_over or not self._state.policies.lingers or not session.is_any_lacking():
                session.is_released = True
                self._state.commands.append(Released(session.version))

    def leave(self) -> None:
        """The agent wants to end."""
        if self._state.is_leaving:
            return
        self._state.is_leaving = True
        self.leaves_by = self._state.now + LEAVE_S
        self._leasing.return_all()
        for session in self._state.sessions.values():
            self._crossing.forget(session)
            self._taking.close(session)
            self._tracking.leave(session.version)
        self.end()

    def end(self) -> None:
        """The agent is leaving: when nothing is being sent any longer, or after five seconds, it says goodbye."""
        if self.leaves_by is None or (self._state.uplink.sendings and self._state.now < self.leaves_by):
            return
        for link in list(self._state.peers.links()):
            self._meeting.disconnect(link, "leaving", is_graceful=True)
        if self._tracking.connection is not None:
            self._state.commands.append(Disconnect(self._tracking.connection, "leaving", is_graceful=True))
            self._tracking.on_lost()
