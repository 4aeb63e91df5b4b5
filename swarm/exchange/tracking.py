"""The conversation with the tracker about who takes part and how far each is. Leases are `leasing`'s.

A tracker keeps soft state only: one that comes back is told everything again, at once.
"""

from __future__ import annotations

from swarm.exchange.bitset import runs_of
from swarm.exchange.commands import Disconnect, Send
from swarm.exchange.config import COUNT_S, NEED_PEERS_S
from swarm.exchange.dialling import Dialling
from swarm.exchange.liveness import DEATH_S, SILENCE_S
from swarm.exchange.session import Session
from swarm.exchange.state import State
from swarm.protocol.ids import AgentId, ConnectionId, VersionId
from swarm.protocol.messages import Alive, Count, Join, Leave, Message, NeedPeers, Orphans, Welcome

LOST_MAX = 64
"""Neighbours lost since the tracker was last asked for more, as far as it is told."""

ORPHANS_RUNS_MAX = 64
"""Runs of missing blocks in one message: enough to go on with."""

HEARSAY_S = 10.0
"""When nothing was new and no byte has come for so long, what neighbours say they have is of no use: they lie, or give
nothing. The tracker is then told that nobody has it."""

RUNS_MAX = 65_536
"""Runs of held blocks in a join: beyond, the rest is left out, and may be read once more."""

MORE_NEIGHBOURS = 4
"""An agent whose neighbours have had nothing new for a while looks for so many others, each time."""

NEED_PEERS_LAST_S = 16.0
"""How seldom a tracker is asked that has nobody to name."""


class Tracking:
    """What the tracker is told, and what it says."""

    def __init__(self, state: State, dialling: Dialling) -> None:
        self._state = state
        self._dialling = dialling
        self.connection: ConnectionId | None = None
        self.key: bytes | None = None
        self.epoch: int | None = None
        self.fails_closed = False
        """Whether the last tracker said that nothing is read from the store without a lease."""
        self.lost_at: float | None = None
        """When the last one was lost, or when we began without one."""
        self.connected_at = 0.0
        self._heard_at = 0.0
        self._spoke_at = 0.0
        self._counted_at = 0.0
        self._lost: list[AgentId] = []
        self._asked_at: dict[VersionId, float] = {}
        self._ask_s: dict[VersionId, float] = {}
        self._orphaned_at: dict[VersionId, float] = {}

    # --- the connection -------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether there is a tracker to talk to."""
        return self.connection is not None

    def on_connected(self, connection: ConnectionId) -> None:
        """A tracker, perhaps one that has forgotten everything: it is told of every version."""
        if self.connection is not None and self.connection != connection:
            self._state.commands.append(Disconnect(self.connection, "another tracker", is_graceful=True))
        self.connection = self._dialling.tracker = connection
        self._heard_at = self._counted_at = self.connected_at = self._state.now
        self._asked_at.clear()
        self._ask_s.clear()

    def on_lost(self) -> None:
        """The tracker cannot be reached. What it has granted stays granted."""
        if self.connection is not None or self.lost_at is None:
            self.lost_at = self._state.now
        self.connection = self._dialling.tracker = None

    def say(self, message: Message) -> None:
        """Tells the tracker something, where there is one."""
        if self.connection is not None:
            self._spoke_at = self._state.now
            self._state.commands.append(Send(self.connection, message))

    def heard(self) -> None:
        """Any byte came from it."""
        self._heard_at = self._state.now

    def on_welcome(self, message: Welcome) -> None:
        """Its key checks its leases; what it said of them holds also while it is away."""
        self.key, self.epoch = message.tracker_key, message.tracker_epoch
        self.fails_closed = message.fails_closed

    # --- taking part ----------------------------------------------------------------------------

    def join(self, session: Session, leases: tuple[bytes, ...], receiving: int) -> None:
        """Tells that we take part in a version, with what must not leave the origin twice."""
        state = self._state
        have_count = session.have.bit_count()
        is_partial = 0 < have_count < session.size
        message = Join(
            session.version,
            session.size,
            have_count,
            session.lacks_anything or session.want_grows,
            session.is_origin,
            session.reads_store,
            state.sites.said,
            state.config.addresses,
            leases,
            runs_of(session.have)[:RUNS_MAX] if is_partial else None,
            runs_of(receiving),
        )
        self.say(message)

    def leave(self, version: VersionId) -> None:
        """We take no further part."""
        self.say(Leave(version))
        for table in (self._asked_at, self._ask_s, self._orphaned_at):
            table.pop(version, None)

    def count(self, session: Session) -> None:
        """How far we are."""
        self.say(Count(session.version, session.have.bit_count(), session.lacks_anything or session.want_grows))

    def on_gone(self, agent: AgentId) -> None:
        """A neighbour is lost: the tracker is asked for another soon."""
        if len(self._lost) < LOST_MAX:
            self._lost.append(agent)
        self._ask_s.clear()

    def is_given_up(self, session: Session) -> bool:
        """Whether there is no tracker, and none is waited for."""
        if self.is_connected:
            return False
        if not self._state.config.has_tracker:
            return True
        return self._state.now - self.away_since(session) >= self._state.policies.patience.tracker_s

    def away_since(self, session: Session) -> float:
        """Since when a version has been without the tracker that is configured."""
        return session.opened_at if self.lost_at is None else self.lost_at

    # --- from time to time ----------------------------------------------------------------------

    def tick(self) -> None:
        """Counts, more neighbours, what nobody has; and whether the tracker is still there."""
        state = self._state
        for session in state.sessions.values():
            self._miss(session)
        if self.connection is None:
            return
        if state.now - self._heard_at >= DEATH_S:
            state.commands.append(Disconnect(self.connection, "nothing was heard for too long", is_graceful=False))
            self.on_lost()
            return
        if state.now - self._counted_at >= COUNT_S:
            self._counted_at = state.now
            for session in state.sessions.values():
                self.count(session)
        for session in state.sessions.values():
            self._need_peers(session)
        if state.now - self._spoke_at >= SILENCE_S:
            self.say(Alive())

    def _need_peers(self, session: Session) -> None:
        now, version = self._state.now, session.version
        every = self._ask_s.get(version, NEED_PEERS_S)
        if not session.picker.lacking or now - self._asked_at.get(version, float("-inf")) < every:
            return
        missing = self._dialling.missing(session)
        if missing <= 0 or now - self._asked_at.setdefault(version, now) < every:
            return
        self._asked_at[version] = now
        self._ask_s[version] = min(NEED_PEERS_LAST_S, 2 * every)
        self.say(NeedPeers(version, missing, tuple(self._lost)))
        self._lost.clear()

    def _miss(self, session: Session) -> None:
        now, version, patience = self._state.now, session.version, self._state.policies.patience.orphans_s
        if now - session.news_at < patience:
            session.extra_degree = 0
        since = max(session.news_at, self._orphaned_at.get(version, 0.0))
        if not session.lacks_anything or now - since < patience:
            return
        self._orphaned_at[version] = now
        session.extra_degree = min(session.extra_degree + MORE_NEIGHBOURS, self._state.config.neighbours_max)
        picker = session.picker
        # Bytes that come slowly come all the same.
        is_still = now - session.ledger.moved_at >= patience
        if orphans := is_still and picker.free & ~self._held(session):
            self.say(Orphans(version, runs_of(orphans)[:ORPHANS_RUNS_MAX]))

    def _held(self, session: Session) -> int:
        """What neighbours have, as far as they are believed. Foreign ones wait for their leases."""
        if self._state.now - max(session.news_at, session.ledger.moved_at) < HEARSAY_S:
            return session.picker.availability.held()
        held = 0
        for peer in session.neighbours.values():
            if self._state.sites.needs_lease(peer):
                held |= peer.possessions[session.version].have
        return held
