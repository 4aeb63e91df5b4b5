"""Messages, each to the part that it concerns: from agents, and from the tracker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from swarm.exchange.events import MessageReceived
from swarm.exchange.peers import Link
from swarm.protocol import messages as m

if TYPE_CHECKING:
    from swarm.exchange.crossing import Crossing
    from swarm.exchange.dialling import Dialling
    from swarm.exchange.giving import Giving
    from swarm.exchange.leasing import Leasing
    from swarm.exchange.meeting import Meeting
    from swarm.exchange.parting import Parting
    from swarm.exchange.sharing import Sharing
    from swarm.exchange.state import State
    from swarm.exchange.taking import Taking
    from swarm.exchange.tracking import Tracking

Hears = Callable[[Link, Any], str | None]
"""What hears a message of one type; returns a reason where it is nonsense."""


class Hearing:
    """Routes by the type of a message: a table costs the same for the first and the last of them."""

    def __init__(
        self,
        state: State,
        *,
        giving: Giving,
        taking: Taking,
        meeting: Meeting,
        parting: Parting,
        dialling: Dialling,
        tracking: Tracking,
        sharing: Sharing,
        leasing: Leasing,
        crossing: Crossing,
    ) -> None:
        self._state = state
        self._giving = giving
        self._meeting = meeting
        self._parting = parting
        self._dialling = dialling
        self._tracking = tracking
        self._sharing = sharing
        self._leasing = leasing
        self._crossing = crossing
        self._links = state.peers.links_by_id
        self._from_peers: dict[type, Hears] = {
            m.Ready: taking.on_ready,
            m.Request: giving.on_request,
            m.Decline: giving.on_decline,
            m.Haves: meeting.on_haves,
            m.Credit: giving.on_credit,
            m.Cancel: giving.on_cancel,
            m.Open: self._opened,
            m.Bitfield: meeting.on_bitfield,
            m.Want: meeting.on_want,
            m.Lost: meeting.on_lost,
            m.Denied: self._denied,
            m.Busy: self._busy,
            m.DialMe: self._dial_me,
            m.Alive: _alive,
        }

    def on_message(self, event: MessageReceived) -> None:
        """From an agent, or from the tracker; from a connection that is gone it is ignored."""
        link = self._links.get(event.connection)
        if link is None:
            if event.connection == self._tracking.connection:
                self._tracking.heard()
                self._hear_tracker(event.message)
            return
        link.peer.times.heard_at = self._state.now
        hears = self._from_peers.get(type(event.message))
        reason = "a message that only trackers send" if hears is None else hears(link, event.message)
        if reason is not None:
            self._parting.offended(link, reason)

    def _hear_tracker(self, message: m.ExchangeMessage) -> None:
        match message:
            case m.Welcome():
                self._tracking.on_welcome(message)
            case m.HandOut():
                self._parting.learn_sites(message)
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

    def _busy(self, link: Link, message: m.Busy) -> None:
        self._dialling.on_busy(link.peer.agent, message.retry_after_s, message.others)

    def _dial_me(self, link: Link, message: m.DialMe) -> str | None:
        return self._dialling.on_dial_me(link.id, link.peer.info, message)


def _alive(_link: Link, _message: m.Alive) -> None:
    """Being heard is all that it says."""
