"""Taking blocks over the border of this agent's site: which ones it may, under the tracker's leases or, without a
tracker, by rendezvous hashing among the members of the site.

Here is only the permission (`State.crossings`): for a block in it `taking` opens credit to foreign holders and names it
when one of them offers a slot. What a seeder gives needs no permission, and is told to the tracker.
"""

from __future__ import annotations

from swarm.exchange.bitset import choose, full, indexes_of, mask_of, runs_of
from swarm.exchange.config import LEASES_S
from swarm.exchange.leases import HeldLease, HeldLeases
from swarm.exchange.ownership import rank, seed_of
from swarm.exchange.session import Session
from swarm.exchange.sites import AT_ONCE
from swarm.exchange.state import State
from swarm.exchange.taking import Taking
from swarm.exchange.tracking import Tracking
from swarm.protocol.ids import Runs, VersionId
from swarm.protocol.lease import Lease
from swarm.protocol.messages import Entered, LeaseReport, Leases, LeaseState, LeaseWanted, Orphans

WAIT_S = 5.0
"""A lease whose block no foreign holder has begun to send for this long is given back: another member is tried."""

WISH_S = 0.25
"""How often what could be taken across is looked at: as often as neighbours say what is new."""

REPEAT_S = 1.0
"""How often the tracker is told of it, while it has granted nothing: what others took meanwhile falls away."""

WISH_RUNS_MAX = 64
"""Runs of a wish, at random where there are more: two blocks are granted at once."""

LOOKED_AT_MAX = 256
"""Blocks looked at for one that is ours, without a tracker."""


class Crossing:
    """By version. Does nothing until a foreign agent was met."""

    def __init__(self, state: State, tracking: Tracking, taking: Taking) -> None:
        self._state = state
        self._tracking = tracking
        self._taking = taking
        self.held = HeldLeases()
        self._own: dict[tuple[VersionId, int], float] = {}
        """Taken without a lease, since there is no tracker; and when a byte of it last was to come."""
        self._idle_since: dict[int, float] = {}
        """Of each lease: since when nobody is sending its block."""
        self._wished: dict[VersionId, int] = {}
        self._looked_at: dict[VersionId, float] = {}
        self._told_at: dict[VersionId, float] = {}
        self._missed_at: dict[VersionId, float] = {}
        self._reported_at = 0.0

    # --- what a foreign agent has and nobody here -----------------------------------------------

    def candidates(self, session: Session) -> int:
        """Lacking, promised by nobody, held by a foreign neighbour and by none of this site."""
        near, far = self.held_near(session), 0
        for peer in session.neighbours.values():
            if self._state.sites.needs_lease(peer):
                far |= peer.possessions[session.version].have
        return session.picker.free & far & ~near

    def held_near(self, session: Session) -> int:
        """What neighbours of this site have. A seeder does not count as a holder, here as elsewhere."""
        near = 0
        for peer in session.neighbours.values():
            possession = peer.possessions[session.version]
            if not possession.is_origin and not self._state.sites.is_foreign(peer):
                near |= possession.have
        return near

    def _held_far(self, session: Session, index: int) -> bool:
        neighbours = session.neighbours.values()
        return any(
            self._state.sites.needs_lease(peer) and peer.possessions[session.version].have >> index & 1
            for peer in neighbours
        )

    # --- leases ---------------------------------------------------------------------------------

    def tokens(self, version: VersionId) -> tuple[bytes, ...]:
        """Leases that a tracker is told of which has forgotten them."""
        return tuple(lease.token for lease in self.held if lease.version == version)

    def on_tracker(self) -> None:
        """There is a tracker, perhaps another one: it knows of no wish."""
        self._wished.clear()
        self._told_at.clear()

    def on_lease(self, lease: Lease, token: bytes) -> None:
        """A lease for this agent, of the tracker that it talks to."""
        session = self._state.sessions.get(lease.version)
        index = lease.indexes[0][0]
        if self.held.get(lease.number) is not None:
            return
        is_held = self.held.is_full() or self.held.of(lease.version, index) is not None
        if session is None or index >= session.size or is_held or self._state.is_leaving:
            self._report([LeaseReport(lease.number, LeaseState.RETURNED, 0)])
            return
        held = HeldLease(lease.number, lease.tracker_epoch, token, lease.version, index, None)
        self.held.add(held)
        self._idle_since[held.number] = self._state.now
        if session.have >> index & 1:
            self._end(held, LeaseState.DONE)
        self._permit(lease.version)

    def on_fenced(self, number: int) -> None:
        """The tracker has taken a lease back."""
        held = self.held.get(number)
        if held is None:
            return
        self.held.end(held, LeaseState.RETURNED)
        self._idle_since.pop(number, None)
        self._permit(held.version)
        session = self._state.sessions.get(held.version)
        reception = session.ledger.of(held.index) if session is not None else None
        if session is not None and reception is not None and self._state.sites.needs_lease(reception.link.peer):
            self._taking.give_up(session, reception)

    def on_here(self, version: VersionId, index: int) -> None:
        """A block is here, wherever it came from."""
        if self._own.pop((version, index), None) is not None:
            self._permit(version)
        if held := self.held.of(version, index):
            held.bytes = self._state.sessions[version].length_of(index)
            self._end(held, LeaseState.DONE)
            self._permit(version)

    def forget(self, session: Session) -> None:
        """The version is given up."""
        for held in self.held.forget_version(session.version):
            self._end(held, LeaseState.RETURNED)
        for key in [key for key in self._own if key[0] == session.version]:
            del self._own[key]
        for table in (self._wished, self._looked_at, self._told_at, self._missed_at):
            table.pop(session.version, None)
        self._state.crossings.pop(session.version, None)
        self._state.entering.pop(session.version, None)

    def _end(self, held: HeldLease, state: LeaseState) -> None:
        self._idle_since.pop(held.number, None)
        self._report([self.held.end(held, state)])

    def _report(self, lines: list[LeaseReport]) -> None:
        if lines:
            self._tracking.say(Leases(tuple(lines)))

    def _permit(self, version: VersionId) -> None:
        """What may be taken across has changed: credit depends on it."""
        mask = mask_of([(held.index, 1) for held in self.held if held.version == version])
        mask |= mask_of([(index, 1) for own, index in self._own if own == version])
        self._state.crossings[version] = mask
        self._taking.wake()

    # --- time -----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Reports, wishes, what is given back, what may be taken without a tracker."""
        if not self._state.sites.has_foreign:
            return
        self._give_back()
        self._report_all()
        for session in self._state.sessions.values():
            self._tell_entering(session)
            if self._is_due(session):
                candidates = self.candidates(session)
                self._wish(session, candidates)
                self._miss(session, candidates)
                self._take_own(session, candidates)

    def _is_due(self, session: Session) -> bool:
        now = self._state.now
        is_due = now - self._looked_at.get(session.version, float("-inf")) >= WISH_S
        if is_due:
            self._looked_at[session.version] = now
        return is_due

    def _give_back(self) -> None:
        """What nobody sends: not for long, and not at all where no holder is left."""
        now = self._state.now
        for held in list(self.held):
            session = self._state.sessions[held.version]
            if session.picker.promised >> held.index & 1:
                self._idle_since[held.number] = now
            elif session.have >> held.index & 1:
                self.on_here(held.version, held.index)
            elif now - self._idle_since[held.number] >= WAIT_S or not self._held_far(session, held.index):
                self._end(held, LeaseState.RETURNED)
                self._permit(held.version)
        for (version, index), since in list(self._own.items()):
            session = self._state.sessions[version]
            if session.picker.promised >> index & 1:
                self._own[version, index] = now
            elif session.have >> index & 1 or now - since >= WAIT_S or not self._held_far(session, index):
                del self._own[version, index]
                self._permit(version)

    def _report_all(self) -> None:
        now = self._state.now
        if now - self._reported_at < LEASES_S:
            return
        self._reported_at = now
        for held in self.held:
            reception = self._state.sessions[held.version].ledger.of(held.index)
            held.bytes = reception.bytes_by_index.get(held.index, 0) if reception is not None else 0
            held.state = LeaseState.MOVING if held.bytes else LeaseState.WAITING
        lines = self.held.reports()
        for session in self._state.sessions.values():
            lines += self.held.passed(session.version, self.held_near(session))
        self._report(lines)

    def _tell_entering(self, session: Session) -> None:
        if entering := self._state.entering.pop(session.version, 0):
            self._tracking.say(Entered(session.version, runs_of(entering)))

    def _wish(self, session: Session, candidates: int) -> None:
        """Tells the tracker what could be taken across, when it is news or was told a while ago."""
        now, version = self._state.now, session.version
        if not self._tracking.is_connected or self._state.is_leaving:
            return
        before = self._wished.get(version, 0)
        is_stale = not before & candidates or now - self._told_at.get(version, float("-inf")) >= REPEAT_S
        if not candidates and before:
            self._wished[version] = 0
            self._tracking.say(LeaseWanted(version, 0, None, from_peers=True))
        elif candidates and is_stale:
            runs = self._some(session, candidates)
            self._wished[version], self._told_at[version] = mask_of(runs), now
            self._tracking.say(LeaseWanted(version, AT_ONCE, runs, from_peers=True))

    def _some(self, session: Session, candidates: int) -> Runs:
        """Pages first; of many blocks some, others each time."""
        candidates = candidates & full(session.page_count) or candidates
        runs = runs_of(candidates)
        if len(runs) > WISH_RUNS_MAX:
            start = self._state.rng.randrange(len(runs) - WISH_RUNS_MAX)
            runs = runs[start : start + WISH_RUNS_MAX]
        return runs

    def _miss(self, session: Session, candidates: int) -> None:
        """Nothing has been new for long: what has entered the site may be lost here."""
        now, version = self._state.now, session.version
        since = max(session.news_at, self._missed_at.get(version, 0.0))
        if candidates and now - since >= self._state.policies.patience.orphans_s:
            self._missed_at[version] = now
            self._tracking.say(Orphans(version, self._some(session, candidates), from_peers=True))

    # --- without a tracker ----------------------------------------------------------------------

    def _take_own(self, session: Session, candidates: int) -> None:
        """One block at a time that is this agent's, of those in its site, to take across."""
        is_taking = any(version == session.version for version, _ in self._own)
        if is_taking or not candidates or self._state.is_leaving or not self._tracking.is_given_up(session):
            return
        index = self._find_own(session, candidates)
        if index is not None:
            self._own[session.version, index] = self._state.now
            self._permit(session.version)

    def _find_own(self, session: Session, candidates: int) -> int | None:
        state, version = self._state, session.version
        own = seed_of(state.agent, version)
        others = [
            seed_of(peer.agent, version)
            for peer in session.neighbours.values()
            if not state.sites.is_foreign(peer) and peer.possessions[version].lacks
        ]
        patience = state.policies.patience.ranks(state.now - session.news_at)
        candidates = candidates & full(session.page_count) or candidates
        for index in self._sample(candidates):
            if not others or rank(own, others, index) <= patience:
                return index
        return None

    def _sample(self, candidates: int) -> list[int]:
        if candidates.bit_count() <= LOOKED_AT_MAX:
            some = list(indexes_of(candidates))
            self._state.rng.shuffle(some)
            return some
        return [choose(candidates, self._state.rng) for _ in range(LOOKED_AT_MAX)]

    # --- questions ------------------------------------------------------------------------------

    def idle_s(self, version: VersionId, index: int, now: float) -> float | None:
        """For how long a block that may be taken across has not been sent; None where it may not be taken."""
        held = self.held.of(version, index)
        since = self._idle_since[held.number] if held is not None else self._own.get((version, index))
        return None if since is None else now - since

    def check(self) -> None:
        """Raises AssertionError where permissions differ from leases and owned blocks."""
        self.held.check()
        assert self._idle_since.keys() == {held.number for held in self.held}
        for version in self._state.sessions:
            mask = mask_of([(held.index, 1) for held in self.held if held.version == version])
            mask |= mask_of([(index, 1) for own, index in self._own if own == version])
            assert self._state.crossings.get(version, 0) == mask
