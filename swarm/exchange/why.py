"""What a block waits for, since when, and what happens at the bound: nothing waits in silence.

Read-only: it looks at what the conversations of a node keep, in the order in which a block passes through them.
"""

from __future__ import annotations

from swarm.exchange.bitset import indexes_of
from swarm.exchange.config import DIAL_RETRY_LAST_S, LEAVE_S, PROMISE_S, STORE_SILENCE_S, TICK_S
from swarm.exchange.crossing import WAIT_S, Crossing
from swarm.exchange.dialling import Dialling
from swarm.exchange.giving import STALLED_S
from swarm.exchange.leasing import Leasing
from swarm.exchange.ledger import Reception
from swarm.exchange.peers import Peer
from swarm.exchange.session import Session
from swarm.exchange.share import REVIEW_S, REVIEWS
from swarm.exchange.state import State
from swarm.exchange.tracking import Tracking
from swarm.exchange.wait import Wait, WaitKind, merged
from swarm.protocol.ids import VersionId, short

LIMITED = 0.8
"""From this part of a rate limit on it is the limit that a block waits for."""

NO_NEWS = "no new block was seen"

SEEDER_S = STALLED_S + REVIEWS * REVIEW_S
"""A seeder gives again what it gave and nobody has: at the latest so long after anybody gained anything."""


class Why:
    """Questions about the blocks of one node."""

    def __init__(
        self, state: State, tracking: Tracking, leasing: Leasing, crossing: Crossing, dialling: Dialling
    ) -> None:
        self._state = state
        self._tracking = tracking
        self._leasing = leasing
        self._crossing = crossing
        self._dialling = dialling
        self.leaves_by: float | None = None
        """When the agent ends, once it wants to."""

    def wait(self, version: VersionId, index: int, now: float) -> Wait:
        """What one block waits for."""
        session = self._state.sessions.get(version)
        if session is None:
            return Wait(WaitKind.NONE, "the version is not open here")
        if not 0 <= index < session.size:
            return Wait(WaitKind.NONE, "there is no such block")
        if session.have >> index & 1:
            return Wait(WaitKind.NONE, "it is here")
        if not session.want >> index & 1:
            return Wait(WaitKind.NONE, "it is not wanted")
        return (
            self._leaving(now)
            or self._promised(session, index, now)
            or self._reading(session, index, now)
            or self._held(session, index, now)
            or self._unheld(session, index, now)
        )

    def waits(self, version: VersionId, now: float) -> tuple[tuple[Wait, int], ...]:
        """Every kind of wait among the blocks that a version lacks, with the number of blocks: see `merged`.

        One block stands for those in the same state, so that a question costs little however many are lacking.
        """
        session = self._state.sessions.get(version)
        if session is None:
            return ()
        left, found = session.picker.lacking, []
        for mask in self._states(session):
            part, left = left & mask, left & ~mask
            if part:
                found.append((self.wait(version, next(iter(indexes_of(part))), now), part.bit_count()))
        return merged(found)

    def _states(self, session: Session) -> list[int]:
        """Sets of blocks whose members wait for the same."""
        reads = [1 << index for version, index in self._leasing.reads.readings if version == session.version]
        leases = [1 << held.index for held in self._leasing.held if held.version == session.version]
        failed, held = self._leasing.failed(session.version), session.picker.availability.held()
        near, permitted = self._crossing.held_near(session), self._state.crossings.get(session.version, 0)
        promised = [reception.mask for reception in session.ledger]
        origins = self._leasing.had_by_origins(session)
        return [*promised, *reads, *leases, near, held & permitted, held, origins, failed, session.all]

    # --- on its way -----------------------------------------------------------------------------

    def _leaving(self, now: float) -> Wait | None:
        if self.leaves_by is None:
            return None
        since_s = now - (self.leaves_by - LEAVE_S)
        then = f"what is being sent is finished, and the agent ends after {LEAVE_S:g} s"
        return Wait(WaitKind.LEAVING, "this agent is leaving, and has asked for nothing more", since_s, LEAVE_S, then)

    def _promised(self, session: Session, index: int, now: float) -> Wait | None:
        reception = session.ledger.of(index)
        if reception is None:
            return None
        moved, length = reception.bytes_by_index.get(index, 0), session.length_of(index)
        idle_s, who = now - _moved_at(reception), short(reception.link.peer.agent)
        asked = f"asked of {who} {now - reception.asked_at:.1f} s ago"
        then = f"after {PROMISE_S:g} s without a byte it is asked for elsewhere"
        if limit := self._limit(now):
            what = f"{asked}, {moved} of {length} bytes came at the download limit of {limit} a second, and no more"
            return Wait(WaitKind.LIMIT, what, idle_s, PROMISE_S, then)
        if moved:
            what = f"{asked}, {moved} of {length} bytes came, and no more"
            return Wait(WaitKind.MOVING, what, idle_s, PROMISE_S, then)
        return Wait(WaitKind.PROMISED, f"{asked}, and nothing came", idle_s, PROMISE_S, then)

    def _limit(self, now: float) -> int | None:
        """The download limit, where it is what holds blocks up."""
        down = self._state.down
        return down.limit if down.limit is not None and down.rate(now) >= LIMITED * down.limit else None

    def _reading(self, session: Session, index: int, now: float) -> Wait | None:
        reading = self._leasing.reads.get(session.version, index)
        if reading is not None and reading.bytes >= reading.length:
            then = "nothing else can be tried: look at the disk of the destination"
            return Wait(
                WaitKind.DISK, "read from the store, and waits for the disk", now - reading.moved_at, None, then
            )
        if reading is not None:
            what = (
                f"read from the store since {now - reading.began_at:.1f} s, {reading.bytes} of {reading.length} bytes "
                "came, and no more"
            )
            then = f"after {STORE_SILENCE_S:g} s without a byte the read fails, and the block may be read by others"
            idle_s = now - max(reading.began_at, reading.moved_at)
            return Wait(WaitKind.READING, what, idle_s, STORE_SILENCE_S, then)
        if self._leasing.held.of(session.version, index) is not None:
            return Wait(WaitKind.LEASED, "leased from the store", 0.0, TICK_S, "it is about to be read")
        return None

    # --- somebody has it ------------------------------------------------------------------------

    def _held(self, session: Session, index: int, now: float) -> Wait | None:
        holders = [peer for peer in session.neighbours.values() if _has(session, peer, index)]
        if not holders:
            return None
        who = "1 neighbour has it" if len(holders) == 1 else f"{len(holders)} neighbours have it"
        since_s, patience = now - session.news_at, self._state.policies.patience.orphans_s
        if not any(_can_give(session, peer) for peer in holders):
            what, bound = f"{who}, and there is no connection to receive it on; {NO_NEWS}", DIAL_RETRY_LAST_S
            return Wait(WaitKind.CONNECTION, what, since_s, bound, f"it is dialled again at most {bound:g} s apart")
        if all(self._state.sites.needs_lease(peer) for peer in holders):
            return self._across(session, index, who, now)
        if not self._state.credit.slots_left(self._state.slots_in, self._state.longest):
            return self._full(who, now)
        then = f"{patience:g} s after the last new block more neighbours are looked for{self._at_last(session)}"
        return Wait(WaitKind.OFFER, f"{who}; waiting for a free slot to be offered; {NO_NEWS}", since_s, patience, then)

    def _at_last(self, session: Session) -> str:
        is_reader = session.reads_store and self._tracking.is_given_up(session) and not self._tracking.fails_closed
        return f", after {self._state.policies.patience.owner_s:g} s it is read from the store" if is_reader else ""

    def _across(self, session: Session, index: int, who: str, now: float) -> Wait:
        idle_s, patience = self._crossing.idle_s(session.version, index, now), self._state.policies.patience
        if idle_s is not None:
            what = f"{who}, in other sites; this agent is to take it across the border, and nobody has begun to send it"
            then = f"after {WAIT_S:g} s another agent of this site is tried"
            return Wait(WaitKind.BORDER, what, idle_s, WAIT_S, then)
        what, since_s = (
            f"{who}, in other sites; one agent of this site is to take it across the border",
            now - session.news_at,
        )
        if self._tracking.is_connected:
            then = f"the tracker is told every {patience.orphans_s:g} s that it has not come"
            return Wait(WaitKind.BORDER, f"{what}; {NO_NEWS}", since_s, patience.orphans_s, then)
        then = f"the next in line takes it after {patience.owner_s:g} s"
        return Wait(WaitKind.BORDER, f"{what}; {NO_NEWS}", since_s, patience.owner_s, then)

    def _full(self, who: str, now: float) -> Wait:
        state = self._state
        receptions = [reception for session in state.sessions.values() for reception in session.ledger]
        began_at = max((reception.asked_at for reception in receptions), default=now)
        ends_at = min((min(r.due, _moved_at(r) + PROMISE_S) for r in receptions), default=began_at + PROMISE_S)
        bound_s = max(0.0, ends_at - began_at)
        then = f"one of them ends, or is given up, {bound_s:.1f} s after the last one began"
        if len(receptions) >= state.slots_in:
            what = f"{who}; all {state.slots_in} receptions have been taken by other blocks"
            return Wait(WaitKind.FULL, what, now - began_at, bound_s, then)
        what = f"{who}; memory has been full of {state.credit.bytes_taken} promised bytes"
        return Wait(WaitKind.MEMORY, what, now - began_at, bound_s, then)

    # --- nobody has it --------------------------------------------------------------------------

    def _unheld(self, session: Session, index: int, now: float) -> Wait:
        wait = (
            self._of_seeder(session, index, now)
            or self._of_store(session, index, now)
            or self._of_strangers(session, now)
        )
        reason = session.banned_holder(index)
        if reason is None:
            return wait
        what = f"its last holder was banned ({reason}); {wait.what}"
        return Wait(wait.kind, what, wait.since_s, wait.bound_s, wait.then)

    def _of_seeder(self, session: Session, index: int, now: float) -> Wait | None:
        if not self._leasing.had_by_origins(session) >> index & 1:
            return None
        origins = sum(peer.possessions[session.version].is_origin for peer in session.neighbours.values())
        who = "a seeder is" if origins == 1 else f"{origins} seeders are"
        then = f"what was given and is nowhere is given again after {SEEDER_S:g} s{self._at_last(session)}"
        what = f"no neighbour has it; {who} to give it; {NO_NEWS}"
        return Wait(WaitKind.SEEDER, what, now - session.news_at, SEEDER_S, then)

    def _of_store(self, session: Session, index: int, now: float) -> Wait | None:
        if self._leasing.failed(session.version) >> index & 1:
            return self._failed(session, index, now)
        reads = self._leasing.reads
        if not session.reads_store:
            return None
        if reads.is_paused(now):
            bound_s = reads.paused_until - reads.paused_at
            what = "no neighbour has it; the store has refused, and nothing was asked of it"
            then = f"it is asked again in {reads.paused_until - now:.1f} s"
            return Wait(WaitKind.PAUSE, what, now - reads.paused_at, bound_s, then)
        if self._tracking.is_connected:
            return self._lease(session, now)
        if self._tracking.fails_closed or not self._tracking.is_given_up(session):
            return self._tracker(session, now)
        return self._own(session, index, now)

    def _failed(self, session: Session, index: int, now: float) -> Wait:
        patience = self._state.policies.patience.unavailable_s
        is_corrupt = self._leasing.is_corrupt(session.version, index)
        what = f"no neighbour has it; the store {'has it corrupt' if is_corrupt else 'has not got it'}; {NO_NEWS}"
        then = f"the fetch ends {patience:g} s after the last new block, unless somebody comes who has it"
        return Wait(WaitKind.FAILED, what, now - session.news_at, patience, then)

    def _lease(self, session: Session, now: float) -> Wait:
        patience = self._state.policies.patience.orphans_s
        budget = " (the tracker's origin budget fails closed: what would exceed it is not read)"
        what = (
            f"no neighbour has it; waiting for a lease{budget if self._tracking.fails_closed else ''}, and nothing new"
        )
        since_s = now - max(session.news_at, self._tracking.connected_at)
        then = f"the tracker is told every {patience:g} s that nobody has it"
        return Wait(WaitKind.LEASE, what, since_s, patience, then)

    def _tracker(self, session: Session, now: float) -> Wait:
        since_s = now - self._tracking.away_since(session)
        if self._tracking.fails_closed:
            what = "no neighbour has it; the tracker, whose origin budget fails closed, has been away"
            then = "the store is not read until it grants leases again; it is tried every second"
            return Wait(WaitKind.TRACKER, what, since_s, None, then)
        patience = self._state.policies.patience.tracker_s
        then = f"it is tried every second, and done without after {patience:g} s"
        return Wait(WaitKind.TRACKER, "no neighbour has it, and the tracker has been away", since_s, patience, then)

    def _own(self, session: Session, index: int, now: float) -> Wait:
        """Nobody leases: each block has an owner."""
        patience = self._state.policies.patience
        if self._leasing.owning.waits_for_others(session, index):
            what = "no neighbour has it; others, who may be about to be discovered, have been waited for"
            then = f"after {patience.lan_s:g} s it is read from the store"
            return Wait(WaitKind.EARLY, what, now - session.opened_at, patience.lan_s, then)
        rank, owner = self._leasing.owning.owner(session, index)
        since_s, bound_s = now - session.news_at, rank * patience.owner_s
        if owner is None or since_s >= bound_s:
            reads = len(self._leasing.reads)
            what = f"no neighbour has it; this agent reads it from the store after the {reads} that it reads now"
            then = f"each of them ends, or fails {STORE_SILENCE_S:g} s after its last byte"
            return Wait(WaitKind.OWN, f"{what}; {NO_NEWS}", since_s - bound_s, STORE_SILENCE_S, then)
        what = f"no neighbour has it; its owner {short(owner)} is to read it from the store; {NO_NEWS}"
        then = f"the next in line reads it after {patience.owner_s:g} s, this agent after {bound_s:g} s"
        return Wait(WaitKind.OWNER, what, since_s, bound_s, then)

    def _of_strangers(self, session: Session, now: float) -> Wait:
        count, patience = len(session.neighbours), self._state.policies.patience.orphans_s
        since_s = now - session.news_at
        if self._tracking.is_connected:
            what = f"{_nobody(count)}, and no store to read it from; {NO_NEWS}"
            then = f"the tracker is asked for somebody who has it every {patience:g} s"
            return Wait(WaitKind.LACKED if count else WaitKind.ALONE, what, since_s, patience, then)
        where = "no tracker and no store to ask"
        if self._state.config.has_tracker:
            where = f"the tracker is away since {now - self._tracking.away_since(session):.1f} s, no store to ask"
        if count:
            then = f"more neighbours are looked for every {patience:g} s"
            return Wait(WaitKind.LACKED, f"{_nobody(count)}, {where}; {NO_NEWS}", since_s, patience, then)
        known = self._dialling.known_count
        what = f"{_nobody(0)}, {where}; {NO_NEWS}"
        if not known:
            return Wait(WaitKind.ALONE, what, since_s, None, "nobody is known who could be dialled")
        then = f"who is known ({known}) is dialled again, at most {DIAL_RETRY_LAST_S:g} s apart"
        return Wait(WaitKind.ALONE, what, since_s, DIAL_RETRY_LAST_S, then)


def _moved_at(reception: Reception) -> float:
    return max(reception.moved_at, reception.link.moved_at)


def _has(session: Session, peer: Peer, index: int) -> bool:
    possession = peer.possessions[session.version]
    return not possession.is_origin and bool(possession.have >> index & 1)


def _can_give(session: Session, peer: Peer) -> bool:
    channel = peer.receiving.channels.get(session.version) if peer.receiving is not None else None
    return channel is not None and not channel.is_denied


def _nobody(count: int) -> str:
    if not count:
        return "there is no neighbour"
    return "the 1 neighbour has it not" if count == 1 else f"none of {count} neighbours has it"
