"""Which part of a version this origin gives: the tracker says so; without one, seeders split it by hashing."""

from __future__ import annotations

from swarm.exchange.bitset import mask_of
from swarm.exchange.config import SHARE_WAIT_S
from swarm.exchange.ownership import is_owner, seed_of
from swarm.exchange.session import Session
from swarm.exchange.share import Share
from swarm.exchange.state import State
from swarm.exchange.tracking import Tracking
from swarm.protocol.ids import AgentId, VersionId
from swarm.protocol.messages import Share as ShareMessage
from swarm.protocol.runs import is_normal, span


class Sharing:
    """Keeps the shares of the versions that this agent seeds."""

    def __init__(self, state: State, tracking: Tracking) -> None:
        self._state = state
        self._tracking = tracking
        self._told: dict[VersionId, None] = {}
        """Versions whose share this tracker has told."""
        self._split: dict[VersionId, tuple[AgentId, ...]] = {}
        """Among whom a version was last split by hashing."""

    def on_share(self, message: ShareMessage) -> None:
        """The tracker says which part of a version is ours."""
        session = self._state.sessions.get(message.version)
        if session is None or session.share is None:
            return
        if not is_normal(message.runs) or span(message.runs) > session.size:
            return
        self._told[message.version] = None
        self._split.pop(message.version, None)
        session.share.replace(mask_of(message.runs), session.picker.availability.held())

    def on_tracker_lost(self) -> None:
        """What it told stays, until it has been away for too long."""
        self._told.clear()

    def forget(self, version: VersionId) -> None:
        """The version is closed."""
        self._told.pop(version, None)
        self._split.pop(version, None)

    def review(self) -> None:
        """Once a second, and when a version is opened: without a tracker the split follows the living seeders."""
        for session in self._state.sessions.values():
            if session.share is not None and self._is_left_alone(session):
                self._split_anew(session, session.share)

    def _is_left_alone(self, session: Session) -> bool:
        """Whether no tracker says, or is about to say, what is ours."""
        state, tracking = self._state, self._tracking
        if session.version in self._told and tracking.is_connected:
            return False
        if tracking.is_connected:
            return state.now - max(session.opened_at, tracking.connected_at) >= SHARE_WAIT_S
        return tracking.is_given_up(session)

    def _split_anew(self, session: Session, share: Share) -> None:
        seeders = tuple(
            peer.agent
            for peer in session.neighbours.values()
            if peer.info.is_origin and peer.possessions[session.version].have == session.all
        )
        if self._split.get(session.version) == seeders:
            return
        self._split[session.version] = seeders
        share.replace(self._part(session, seeders), session.picker.availability.held())

    def _part(self, session: Session, seeders: tuple[AgentId, ...]) -> int:
        if not seeders:
            return session.all
        own = seed_of(self._state.agent, session.version)
        others = [seed_of(agent, session.version) for agent in seeders]
        return mask_of([(index, 1) for index in range(session.size) if is_owner(own, others, index)])
