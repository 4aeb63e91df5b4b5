"""Reading from the store: under the tracker's leases, or, without a tracker, what rendezvous hashing makes ours.

In its simplest right form: one block at a time, more while the link is measurably not full. A block that the store has
not got, or has corrupt, is asked of peers; when nobody alive has it the fetch cannot end, and says so.
"""

from __future__ import annotations

from swarm.errors import SwarmError
from swarm.exchange.bitset import indexes_of, runs_of
from swarm.exchange.commands import BlockUnavailable, CancelStoreRead, ReadStore
from swarm.exchange.config import LEASES_S
from swarm.exchange.crossing import Crossing
from swarm.exchange.events import StoreFailed, StoreRead
from swarm.exchange.leases import HeldLease, HeldLeases
from swarm.exchange.owning import Owning
from swarm.exchange.session import Session
from swarm.exchange.state import State
from swarm.exchange.store_reads import Climb, StoreReads
from swarm.exchange.tracking import Tracking
from swarm.protocol.ids import Index, Runs, VersionId
from swarm.protocol.lease import verify_lease
from swarm.protocol.messages import LeaseFenced, LeaseGrant, LeaseReport, Leases, LeaseState, LeaseWanted
from swarm.protocol.runs import count, span

WISH_RUNS_MAX = 4096
"""Runs of a wish for leases."""

READS_ALONE = 8
"""Where nobody else lacks anything there is nobody to be slowed, and the store's first byte takes 30 to 100 ms."""

ALONE_AFTER_S = 1.0
"""So long others may still be about to be found, where a tracker or a LAN could name them."""


class Leasing:
    """What is read from the store, and what the tracker hears of it."""

    def __init__(self, state: State, tracking: Tracking, crossing: Crossing, owning: Owning) -> None:
        self._state = state
        self._tracking = tracking
        self._crossing = crossing
        self.owning = owning
        self.held = HeldLeases()
        self.reads = StoreReads(state.rng)
        self._climb = Climb()
        self._reported_at = 0.0
        self._at_once = 1
        self._wished: dict[VersionId, int] = {}
        self._failed: dict[VersionId, int] = {}
        """What the store has not got, or has corrupt."""
        self._corrupt: dict[VersionId, int] = {}
        """The latter."""
        self._unavailable: dict[VersionId, int] = {}
        self._disbelieved: dict[VersionId, int] = {}
        """Versions whose neighbours are not believed, with the bytes that had come from them: see `_is_hearsay`."""

    # --- joining a tracker ----------------------------------------------------------------------

    def join_all(self) -> None:
        """A tracker is there: it is told of every version, with what we hold or receive of it."""
        self._wished.clear()
        for session in self._state.sessions.values():
            self.join(session)

    def join(self, session: Session) -> None:
        """Tells the tracker that we take part."""
        leases = tuple(lease.token for lease in self.held if lease.version == session.version)
        leases += self._crossing.tokens(session.version)
        self._tracking.join(session, leases, session.picker.promised)

    # --- leases ---------------------------------------------------------------------------------

    def on_grant(self, message: LeaseGrant) -> None:
        """A lease. One that is not for us, or not of the tracker we talk to, is ignored."""
        if self._tracking.key is None:
            return
        try:
            lease = verify_lease(message.lease, self._tracking.key)
        except SwarmError:
            return
        session = self._state.sessions.get(lease.version)
        is_of_use = session is not None and span(lease.indexes) <= session.size and count(lease.indexes) == 1
        if lease.agent != self._state.agent or self.held.get(lease.number) is not None:
            return
        if lease.from_peers:
            self._crossing.on_lease(lease, message.lease)
            return
        if session is None or not is_of_use or self.held.is_full() or self._state.is_leaving:
            self._report([LeaseReport(lease.number, LeaseState.RETURNED, 0)])
            return
        index = lease.indexes[0][0]
        held = HeldLease(lease.number, lease.tracker_epoch, message.lease, lease.version, index, message.url)
        self.held.add(held)
        self._proceed(session, held)

    def _proceed(self, session: Session, held: HeldLease) -> None:
        """Reads, unless the block is here or on its way; a lease that waits is looked at again each tick."""
        if session.have >> held.index & 1:
            self._end(held, LeaseState.DONE)
        elif not session.picker.promised >> held.index & 1:
            held.is_reading = True
            self._begin(session, held.index, held.url)

    def _end(self, held: HeldLease, state: LeaseState) -> None:
        self._report([self.held.end(held, state)])

    def _report(self, lines: list[LeaseReport]) -> None:
        if lines:
            self._tracking.say(Leases(tuple(lines)))

    def on_fenced(self, message: LeaseFenced) -> None:
        """The tracker has taken a lease back."""
        held = self.held.get(message.number)
        if held is not None:
            self.held.end(held, LeaseState.RETURNED)
            if held.is_reading:
                self._cancel(held.version, held.index)

    def _cancel(self, version: VersionId, index: int) -> None:
        if self._end_reading(version, index):
            self._state.commands.append(CancelStoreRead(version, Index(index)))

    # --- reads ----------------------------------------------------------------------------------

    def _begin(self, session: Session, index: int, url: str | None) -> None:
        state, length = self._state, session.length_of(index)
        session.picker.promise(1 << index)
        state.credit.bytes_taken += length
        self.reads.begin(session.version, index, length, state.now)
        state.commands.append(ReadStore(session.version, Index(index), url))

    def _end_reading(self, version: VersionId, index: int) -> bool:
        reading = self.reads.end(version, index)
        if reading is None:
            return False
        self._state.credit.bytes_taken -= reading.length
        if session := self._state.sessions.get(version):
            session.picker.unpromise(1 << index)
        return True

    def on_progress(self, store_reads: tuple[tuple[VersionId, Index, int], ...]) -> None:
        """Bytes came from the store."""
        total = 0
        for version, index, so_far in store_reads:
            total += self.reads.moved(version, index, so_far, self._state.now)
            held = self.held.of(version, index)
            if held is not None and so_far > held.bytes:
                held.bytes, held.state = so_far, LeaseState.MOVING
        if total:
            self._state.down.add(total, self._state.now)

    def on_read(self, event: StoreRead) -> bool:
        """A block is here from the store; whether that is news."""
        # What came after the last report of progress is not in it.
        self.on_progress(((event.version, event.index, event.bytes),))
        self._end_reading(event.version, event.index)
        self.reads.succeeded()
        session = self._state.sessions.get(event.version)
        is_news = session is not None and event.index < session.size and session.got(event.index, self._state.now)
        if is_news and session is not None:
            session.bytes_from_store += event.bytes
        if held := self.held.of(event.version, event.index):
            held.bytes = event.bytes
            self._end(held, LeaseState.DONE)
        elif session is not None:
            # The next one at once, as under leases the tracker grants it: waiting for a tick would be a pause a block.
            self._read_owned(session, self._at_once)
        return is_news

    def on_failed(self, event: StoreFailed) -> int:
        """A read came to nothing; returns what the store will never give (for the neighbours to know)."""
        self._end_reading(event.version, event.index)
        if held := self.held.of(event.version, event.index):
            self._end(held, LeaseState.RETURNED)
        if event.kind in ("slow_down", "unavailable"):
            self.reads.refused(self._state.now)
            return 0
        if event.kind == "cancelled":
            return 0
        for table in (self._failed, self._corrupt) if event.kind == "corrupt" else (self._failed,):
            table[event.version] = table.get(event.version, 0) | 1 << event.index
        return 1 << event.index

    def on_here(self, version: VersionId, index: int) -> None:
        """A block came from a peer while it was being read, or waited for."""
        self._cancel(version, index)
        if held := self.held.of(version, index):
            self._end(held, LeaseState.DONE)

    def found(self, session: Session, mask: int) -> None:
        """Blocks are here without having been fetched."""
        for held in [held for held in self.held if held.version == session.version and mask >> held.index & 1]:
            self.on_here(held.version, held.index)
        for version, index in list(self.reads.readings):
            if version == session.version and mask >> index & 1:
                self._cancel(version, index)

    def forget(self, session: Session) -> None:
        """The version is given up."""
        for held in self.held.forget_version(session.version):
            self._end(held, LeaseState.RETURNED)
        for version, index in [key for key in self.reads.readings if key[0] == session.version]:
            self._cancel(version, index)
        for table in (self._wished, self._failed, self._corrupt, self._unavailable, self._disbelieved):
            table.pop(session.version, None)
        self.owning.forget(session.version)

    def return_all(self) -> None:
        """The agent wants to end."""
        for session in self._state.sessions.values():
            self.forget(session)

    # --- how many -------------------------------------------------------------------------------

    def _reads_at_once(self) -> int:
        state = self._state
        if self._is_alone():
            return READS_ALONE
        return self._climb.step(len(self.reads), state.down.rate(state.now), state.now)

    def _is_alone(self) -> bool:
        """Whether no neighbour of any version that lacks something lacks anything itself."""
        state = self._state
        may_others_come = state.config.has_tracker or state.config.waits_for_lan
        waited_s = ALONE_AFTER_S if may_others_come else 0.0
        lacking = [session for session in state.sessions.values() if session.lacks_anything]
        return all(
            state.now - session.opened_at >= waited_s
            and not any(peer.possessions[session.version].lacks for peer in session.neighbours.values())
            for session in lacking
        )

    def tick(self) -> None:
        """Wishes, reports, reads that may begin now."""
        at_once = self._at_once = self._reads_at_once()
        self._report_all()
        for session in self._state.sessions.values():
            self._wish(session, at_once)
            if self._may_read_unleased(session):
                self.owning.seek(session)
            self._read_owned(session, at_once)
            self._give_up(session)
        for held in list(self.held):
            if not held.is_reading:
                self._proceed(self._state.sessions[held.version], held)

    def _report_all(self) -> None:
        now = self._state.now
        if now - self._reported_at < LEASES_S:
            return
        self._reported_at = now
        lines = self.held.reports()
        if self.held.has_done:
            for session in self._state.sessions.values():
                lines += self.held.passed(session.version, session.picker.availability.held())
        self._report(lines)

    def _wish(self, session: Session, at_once: int) -> None:
        """Tells the tracker how many leases we could hold at once, when that changes.

        Also without a store of our own: a lease may come with a URL, and a tracker that makes none ignores the wish.
        And while the store refuses: the tracker hears of every refusal, and lets one agent try for all.
        """
        if not self._tracking.is_connected:
            return
        wished = at_once if session.lacks_anything and not self._state.is_leaving else 0
        if self._wished.get(session.version, 0) != wished:
            self._wished[session.version] = wished
            self._tracking.say(LeaseWanted(session.version, wished, self._narrowed(session) if wished else None))

    def want_changed(self, session: Session) -> None:
        """What the tracker was told that we lack is no longer so: the next tick says it anew."""
        self._wished.pop(session.version, None)

    def _narrowed(self, session: Session) -> Runs | None:
        """What we lack, where it is not simply everything that nobody has yet."""
        return None if session.want == session.all else runs_of(session.picker.lacking)[:WISH_RUNS_MAX]

    # --- without a tracker ----------------------------------------------------------------------

    def _read_owned(self, session: Session, at_once: int) -> None:
        if not self._may_read_unleased(session):
            return
        while len(self.reads) < at_once:
            index = self._find_owned(session)
            if index is None:
                return
            self._begin(session, index, None)

    def _may_read_unleased(self, session: Session) -> bool:
        state = self._state
        if not session.reads_store or not session.lacks_anything or state.is_leaving:
            return False
        if self._tracking.fails_closed:
            return False
        return not self.reads.is_paused(state.now) and self._tracking.is_given_up(session)

    def _find_owned(self, session: Session) -> int | None:
        """A block that nobody alive has or is known to receive, and that is ours to read."""
        picker = session.picker
        candidates = picker.free & ~self._failed.get(session.version, 0)
        if not self._is_hearsay(session):
            candidates &= ~picker.availability.held() & ~self.had_by_origins(session)
        return self.owning.find(session, candidates)

    def _is_hearsay(self, session: Session) -> bool:
        """Whether what neighbours and seeders say they have no longer keeps this agent from reading it: nothing was
        new for long, none of them is sending anything, and none has since. Who says so and never offers would
        otherwise stall for good whoever has a store to read."""
        version, came = session.version, session.bytes_received
        if len(session.ledger) or self._disbelieved.get(version, came) != came:
            self._disbelieved.pop(version, None)
        elif self._state.now - session.news_at >= self._state.policies.patience.owner_s:
            self._disbelieved[version] = came
        return version in self._disbelieved

    # --- what nobody has ------------------------------------------------------------------------

    def _give_up(self, session: Session) -> None:
        """Says which blocks cannot be had: the store has not got them, and for a while nobody alive has."""
        failed = self._failed.get(session.version, 0) & session.picker.free
        if not failed:
            return
        failed &= ~session.picker.availability.held() & ~self._unavailable.get(session.version, 0)
        failed &= ~self.had_by_origins(session)
        if not failed or self._state.now - session.news_at < self._state.policies.patience.unavailable_s:
            return
        self._unavailable[session.version] = self._unavailable.get(session.version, 0) | failed
        corrupt = self._corrupt.get(session.version, 0)
        for index in indexes_of(failed):
            self._state.commands.append(BlockUnavailable(session.version, Index(index), bool(corrupt >> index & 1)))

    # --- questions ------------------------------------------------------------------------------

    def failed(self, version: VersionId) -> int:
        """What the store has not got, or has corrupt."""
        return self._failed.get(version, 0)

    def is_corrupt(self, version: VersionId, index: int) -> bool:
        """Of a block that has failed: whether the store has other bytes for it."""
        return bool(self._corrupt.get(version, 0) >> index & 1)

    def had_by_origins(self, session: Session) -> int:
        """What a living seeder has is left to it; what it has lost (somebody edited a file) the store must give."""
        had = 0
        for peer in session.neighbours.values():
            possession = peer.possessions[session.version]
            if possession.is_origin:
                had |= possession.have
        return had

    def check(self) -> None:
        """Raises AssertionError where leases, reads and credit contradict each other."""
        self.held.check()
        for held in self.held:
            assert held.is_reading == ((held.version, held.index) in self.reads.readings)
