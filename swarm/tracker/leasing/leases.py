"""Leases: numbered, signed, renewed, fenced. One block each; whom and which is `book`'s choice, one book a version, or
`border`'s, one border for each site: what may be read from the store, and what may be taken over a site's border.

A lease is *live* from its grant until it arrives, comes back, or is fenced: not heard of for `FENCE_S`, or moving
without new bytes for `FENCE_S`. Waiting is renewed like moving: a queued lease that expires costs 3.3 copies at
N = 1,000 (simulated). What has arrived is remembered until its holder has passed it on; where the holder dies first,
the block may leave the origin again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from swarm.errors import SwarmError
from swarm.protocol import runs as run_sets
from swarm.protocol.ids import AgentId, Index, Runs, VersionId
from swarm.protocol.lease import Lease
from swarm.protocol.messages import LeaseReport, LeaseState
from swarm.tracker.leasing.book import Book
from swarm.tracker.leasing.books import Books
from swarm.tracker.leasing.border import Border
from swarm.tracker.leasing.borders import Borders
from swarm.tracker.leasing.restart import Settling
from swarm.tracker.leasing.rules import LEASE_S, Fence, Grant, LeaseCounters, LeaseRules
from swarm.tracker.leasing.sources import Sources
from swarm.tracker.leasing.table import LeaseTable, Live, Place

if TYPE_CHECKING:
    from random import Random

TICK_S = 0.5
"""How often leases are looked at: a tenth of what a fence waits for."""

FENCED_REST_S = 1.0
"""Others come first for what a fenced agent did not read; alone, it is soon tried again."""

RESTORED_MAX = 64
"""Leases of a forerunner that one agent may bring: four times what an agent is granted."""


class Leases:
    """All versions' leases. The caller tells what happened, then asks `grants` and `fences`; nothing here sends."""

    def __init__(self, rules: LeaseRules, settling: Settling, rng: Random) -> None:
        self.counters = LeaseCounters()
        self.table = LeaseTable()
        self.books = Books(rules.budget, rules.pace, rng, self.table)
        self.borders = Borders(self.books, rng, self.table)
        self._sources = Sources(self.books, self.borders)
        self._rules = rules
        self._settling = settling
        self._next_number = rules.first_number
        self._entered = 0
        self._ticked_at = 0.0
        self._to_tell: list[Fence] = []
        self._is_held_back = False

    # --- what agents say ----------------------------------------------------------------------------

    def join(
        self, agent: AgentId, version: VersionId, leases: tuple[bytes, ...], told: Runs, now: float, *, site: str
    ) -> None:
        """What an agent holds since an earlier tracker: leases that are out, blocks that it has or receives."""
        if leases or told:
            self._settling.heard_holder(now)
        self.books.tell(version, told)
        self.borders.join(agent, version, site, told)
        for data in leases[:RESTORED_MAX]:
            self._restore(agent, version, data, now, site=site)

    def report(self, agent: AgentId, reports: Iterable[LeaseReport], now: float) -> None:
        """An agent says how its leases stand; every line renews one."""
        for line in reports:
            live = self.table.get(agent, line.number)
            if live is None:
                self._report_late(agent, line)
            else:
                self._report_live(live, line, now)

    def lose(self, agent: AgentId, version: VersionId) -> None:
        """An agent is dead, or takes no further part: what only it had may leave the origin again."""
        for live in self.table.of_agent(agent, version):
            self._fence(live)
        places = self._not_under_way(version, self.table.forget_arrived(agent, version))
        self.counters.lost += sum(place.border is None for place in places)
        self._sources.lose(agent, version, places)
        self.books.forget_agent(agent, version)
        self.borders.leave(agent, version)

    def entered(self, agent: AgentId, version: VersionId, runs: Runs) -> None:
        """A seeder gives an agent these: they enter its site without a lease."""
        site = self.borders.site_of(agent, version)
        shape = self.books.shape(version)
        if site is None or shape is None:
            return
        runs = run_sets.clip(runs, 0, shape.space)
        self.borders.tell(version, site, runs)
        for index in run_sets.iterate(runs):
            # As if under a lease that has arrived: if the agent dies, they may be lost with it. No agent reports it.
            self._entered += 1
            self.table.arrived(agent, -self._entered, Place(version, Index(index), "", site))

    def give_up(self, agent: AgentId, number: int, now: float) -> None:
        """A granted lease could not be sent."""
        if live := self.table.get(agent, number):
            self._return(live, now)

    def forget_version(self, version: VersionId) -> None:
        """Nobody takes part any longer."""
        for live in self.table.of_version(version):
            self._fence(live)
        self.table.forget_version(version)
        self.books.forget(version)
        self.borders.forget(version)

    # --- time ---------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Fences what is overdue, and lets those grant again that had to pause."""
        self._ticked_at = now
        for live in [live for live in self.table if live.is_overdue(now)]:
            self._fence(live)
            if source := self._sources.of(live.place):
                source.rest(live.agent, now + FENCED_REST_S)
        self.books.wake(now)
        self.borders.wake(now)

    def next_deadline(self) -> float | None:
        """When `tick`, then `grants`, may have something to do."""
        times = [self.books.next_wake(), self.borders.next_wake()]
        if self.table:
            times.append(self._ticked_at + TICK_S)
        if self._is_held_back:
            times.append(self._settling.settles_at)
        return min((time for time in times if time is not None), default=None)

    def grants(self, now: float) -> list[Grant]:
        """Every lease that may be granted now, as granted."""
        if not self._settling.is_settled(now):
            self._is_held_back = True
            return []
        self._is_held_back = False
        granted: list[Grant] = []
        for book in self.books.take_changed():
            granted += self._grant_all(book, now)
            self.books.note_wake(book, now)
        for border in self.borders.take_changed():
            granted += self._grant_crossings(border, now)
        return granted

    def fences(self) -> list[Fence]:
        """Leases taken back since the last call."""
        told, self._to_tell = self._to_tell, []
        return told

    def check(self) -> None:
        """Every counter again from first principles; never two live leases for one block within the budget."""
        self.table.check()
        self._sources.check()
        if self._rules.budget.copies == 1:
            places = [live.place for live in self.table]
            assert len(places) == len(set(places)), "two live leases for one block"

    def _not_under_way(self, version: VersionId, places: list[Place]) -> list[Place]:
        """Without what somebody else was given to read since: that is not lost."""
        under_way = {live.place for live in self.table.of_version(version)} if places else ()
        return [place for place in places if place not in under_way]

    # --- one lease ----------------------------------------------------------------------------------

    def _grant_all(self, book: Book, now: float) -> Iterator[Grant]:
        while choice := book.choose(now):
            self.counters.beyond += choice.is_beyond
            yield self._grant(choice.agent, Place(book.version, choice.index, choice.scope), now)

    def _grant_crossings(self, border: Border, now: float) -> Iterator[Grant]:
        while chosen := border.choose():
            agent, index = chosen
            yield self._grant(agent, Place(border.version, index, "", border.site), now)

    def _grant(self, agent: AgentId, place: Place, now: float) -> Grant:
        live = Live(agent, self._next_number, self._rules.epoch, place, now, now, now)
        self._next_number += 1
        if not self.table:
            self._ticked_at = now
        self.table.add(live)
        self.counters.granted += 1
        return Grant(live.agent, live.number, place, self._rules.sign(self._lease_of(live)))

    def _lease_of(self, live: Live) -> Lease:
        expires = int((self._rules.unix_s + live.granted_at + LEASE_S) * 1000)
        indexes, is_crossing = ((live.place.index, 1),), live.place.border is not None
        return Lease(live.epoch, live.number, live.place.version, indexes, live.agent, expires, is_crossing)

    def _restore(self, agent: AgentId, version: VersionId, data: bytes, now: float, *, site: str) -> None:
        """Takes over a forerunner's lease, if it is one and nobody else reads the block by now."""
        try:
            lease = self._rules.verify(data)
        except SwarmError:
            return
        if lease.agent != agent or lease.version != version or run_sets.count(lease.indexes) != 1:
            return
        if self.table.get(agent, lease.number):
            return
        index = Index(lease.indexes[0][0])
        if lease.from_peers:
            place = Place(version, index, "", site)
        else:
            place = Place(version, index, self._rules.budget.scope(site))
        if self._is_taken(place, is_ours=lease.tracker_epoch == self._rules.epoch) or not self._sources.restore(place):
            self._to_tell.append(Fence(agent, lease.number, lease.tracker_epoch))
            return
        self.table.add(Live(agent, lease.number, lease.tracker_epoch, place, now, now, now))
        self.counters.restored += 1

    def _is_taken(self, place: Place, *, is_ours: bool) -> bool:
        """Whether somebody else reads the block by now; or, of a lease that was ours and is not live, has read it."""
        is_live = any(live.place == place for live in self.table.of_version(place.version))
        return is_live or (is_ours and not self._sources.is_free(place))

    def _report_live(self, live: Live, line: LeaseReport, now: float) -> None:
        live.renewed_at = now
        match line.state:
            case LeaseState.WAITING:
                live.state = LeaseState.WAITING
            case LeaseState.MOVING:
                if line.bytes > live.bytes or live.state is LeaseState.WAITING:
                    live.moved_at = now
                live.bytes = max(live.bytes, line.bytes)
                live.state = LeaseState.MOVING
            case LeaseState.DONE | LeaseState.PASSED:
                self._arrive(live, line, now)
            case LeaseState.RETURNED:
                self._return(live, now)

    def _report_late(self, agent: AgentId, line: LeaseReport) -> None:
        """About a lease that is not live: passed on at last, arrived although fenced, or unknown and to be stopped."""
        match line.state:
            case LeaseState.PASSED | LeaseState.DONE:
                place = self.table.pop_fenced(agent, line.number)
                if place is not None and self._sources.claim(place):
                    self.table.arrived(agent, line.number, place)
                if line.state is LeaseState.PASSED:
                    self.table.passed(agent, line.number)
            case LeaseState.RETURNED:
                self.table.pop_fenced(agent, line.number)
            case LeaseState.WAITING | LeaseState.MOVING:
                self._to_tell.append(Fence(agent, line.number, self._rules.epoch))

    def _arrive(self, live: Live, line: LeaseReport, now: float) -> None:
        self._end(live)
        place = live.place
        if place.border is not None:
            self.counters.crossed += 1
            if self._rules.budget.is_per_site and (book := self.books.open(place.version)):
                book.claim(place.index, self._rules.budget.scope(place.border))
        else:
            self.counters.arrived += 1
            self.counters.bytes += line.bytes
            if book := self.books.get(place.version):
                book.arrived(live.agent, place.index, line.bytes, now - live.granted_at, now)
            if (site := self.borders.site_of(live.agent, place.version)) is not None:
                self.borders.tell(place.version, site, ((place.index, 1),))
        if line.state is LeaseState.DONE:
            self.table.arrived(live.agent, live.number, live.place)

    def _return(self, live: Live, now: float) -> None:
        self._end(live)
        if live.place.border is not None:
            if border := self.borders.of(live.place):
                border.put_back(live.place.index)
                border.rest(live.agent, now + FENCED_REST_S)
            return
        self.counters.returned += 1
        if book := self.books.get(live.place.version):
            book.returned(live.agent, live.place.index, live.place.scope, now)

    def _fence(self, live: Live) -> None:
        self._end(live)
        self.counters.fenced += 1
        self._to_tell.append(Fence(live.agent, live.number, live.epoch))
        self.table.fenced(live)
        self._sources.put_back(live.place)

    def _end(self, live: Live) -> None:
        self.table.remove(live)
        if source := self._sources.of(live.place):
            source.ended(live.agent)
