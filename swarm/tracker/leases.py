"""Leases: numbered, signed, renewed, fenced. One block each; whom and which is `book`'s choice, one book a version.

A lease is *live* from its grant until it arrives, comes back, or is fenced: not heard of for `FENCE_S`, or moving
without new bytes for `FENCE_S`. Waiting is renewed like moving: a queued lease that expires costs 3.3 copies at
N = 1,000 (simulated). What has arrived is remembered until its holder has passed it on; where the holder dies first,
the block may leave the origin again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swarm.errors import SwarmError
from swarm.protocol import runs as run_sets
from swarm.protocol.bounds import RUNS_MAX
from swarm.protocol.ids import AgentId, Index, Runs, VersionId
from swarm.protocol.lease import Lease
from swarm.protocol.messages import LeaseReport, LeaseState
from swarm.tracker.book import Book, Shape
from swarm.tracker.budget import OriginBudget
from swarm.tracker.pace import Pace
from swarm.tracker.restart import Settling

if TYPE_CHECKING:
    from random import Random

FENCE_S = 5.0
"""Five reports missed, or a read that stands still while a whole fleet may wait for its block."""

LEASE_S = 15.0
"""Life of a lease after its last renewal: what an agent that hears nothing more may count on."""

PRESIGNED_S = 30
"""Life of a presigned URL: at most twice the lease, since for S3 it is the only fence."""

BOOKED_INDEXES_MAX = 64 << 20
"""Indexes of all books: a byte each."""

ARRIVED_MAX = 262_144
"""Arrived and not passed on, in all: the oldest beyond are taken for passed on; if lost, agents will miss them."""

TICK_S = 0.5
"""How often leases are looked at: a tenth of what a fence waits for."""

FENCED_MAX = 4_096
"""Fenced leases that may still report an arrival."""

RESTORED_MAX = 64
"""Leases of a forerunner that one agent may bring: four times what an agent holds."""

Signer = Callable[[Lease], bytes]
Verifier = Callable[[bytes], Lease]
"""Raises a SwarmError where the bytes are no lease of ours."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A lease to be sent."""

    agent: AgentId
    number: int
    version: VersionId
    index: Index
    lease: bytes


@dataclass(frozen=True, slots=True)
class Fence:
    """A lease that its agent must be told to stop."""

    agent: AgentId
    number: int
    epoch: int


@dataclass(slots=True, eq=False)
class Live:
    """A lease that is out."""

    agent: AgentId
    number: int
    epoch: int
    version: VersionId
    index: Index
    scope: str
    granted_at: float
    renewed_at: float
    moved_at: float
    state: LeaseState = LeaseState.WAITING
    bytes: int = 0

    def is_overdue(self, now: float) -> bool:
        return now >= self.renewed_at + FENCE_S or (self.state is LeaseState.MOVING and now >= self.moved_at + FENCE_S)


@dataclass(frozen=True, slots=True)
class Place:
    """Which block a lease was for."""

    version: VersionId
    index: Index
    scope: str


@dataclass(slots=True)
class LeaseCounters:
    """Since the start."""

    granted: int = 0
    arrived: int = 0
    returned: int = 0
    fenced: int = 0
    restored: int = 0
    lost: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class LeaseRules:
    """What is decided once: the budget, the pace, the key. `first_number` differs from start to start, so that
    numbers of a forerunner do not recur. `unix_s` is the wall clock where `now` is 0.
    """

    epoch: int
    sign: Signer
    verify: Verifier
    first_number: int
    unix_s: float = 0.0
    budget: OriginBudget = field(default_factory=OriginBudget)
    pace: Pace = field(default_factory=Pace)


class Leases:
    """All versions' leases. The caller tells what happened, then asks `grants` and `fences`; nothing here sends."""

    def __init__(self, rules: LeaseRules, settling: Settling, rng: Random) -> None:
        self.counters = LeaseCounters()
        self._rules = rules
        self._settling = settling
        self._rng = rng
        self._next_number = rules.first_number
        self._ticked_at = 0.0
        self._shapes: dict[VersionId, Shape] = {}
        self._books: dict[VersionId, Book] = {}
        self._told: dict[VersionId, Runs] = {}
        self._seeded: dict[VersionId, bool] = {}  # whether a seeder lives, where one ever did
        self._early: dict[VersionId, dict[AgentId, tuple[str, int, Runs | None]]] = {}
        self._live: dict[AgentId, dict[int, Live]] = {}
        self._arrived: dict[AgentId, dict[int, Place]] = {}
        self._arrived_count = 0
        self._fenced: OrderedDict[tuple[AgentId, int], Place] = OrderedDict()
        self._to_tell: list[Fence] = []
        self._changed: dict[VersionId, None] = {}
        self._pauses: dict[VersionId, float] = {}
        self._is_held_back = False

    # --- versions --------------------------------------------------------------------------------

    def learn(self, version: VersionId, shape: Shape) -> None:
        """The shape of a version is known: from here on its blocks can be granted."""
        self._shapes.setdefault(version, shape)
        for agent, (site, count, lacks) in self._early.pop(version, {}).items():
            self.want(agent, site, version, count, lacks)

    def shape(self, version: VersionId) -> Shape | None:
        return self._shapes.get(version)

    def book(self, version: VersionId) -> Book | None:
        """The version's book, opened at need; None while its shape is unknown or there is no room."""
        book = self._books.get(version)
        shape = self._shapes.get(version)
        if book is None and shape is not None and self._has_room(shape):
            book = self._open_book(version, shape)
        return book

    def forget_version(self, version: VersionId) -> None:
        """Nobody takes part any longer."""
        for live in [live for live in self._all_live() if live.version == version]:
            self._fence(live)
        for agent in list(self._arrived):
            self._forget_arrived(agent, version)
        for known in (self._books, self._shapes, self._told, self._changed, self._pauses, self._seeded, self._early):
            known.pop(version, None)
        for key in [key for key, place in self._fenced.items() if place.version == version]:
            del self._fenced[key]

    # --- what agents say ---------------------------------------------------------------------------

    def want(self, agent: AgentId, site: str, version: VersionId, count: int, lacks: Runs | None) -> None:
        """An agent wants to hold `count` leases at once, of what it lacks."""
        if book := self.book(version):
            held = sum(live.version == version for live in self._live.get(agent, {}).values())
            book.wish(agent, site, count, lacks, held)
            self._changed[version] = None
        else:
            self._early.setdefault(version, {})[agent] = (site, count, lacks)

    def join(self, agent: AgentId, version: VersionId, leases: tuple[bytes, ...], told: Runs, now: float) -> None:
        """What an agent holds since an earlier tracker: leases that are out, blocks that it has or receives."""
        if leases or told:
            self._settling.heard_holder(now)
        if told:
            self._hear_told(version, told)
        for data in leases[:RESTORED_MAX]:
            self._restore(agent, version, data, now)

    def report(self, agent: AgentId, reports: Iterable[LeaseReport], now: float) -> None:
        """An agent says how its leases stand; every line renews one."""
        for line in reports:
            live = self._live.get(agent, {}).get(line.number)
            if live is None:
                self._report_late(agent, line)
            else:
                self._report_live(live, line, now)

    def lose(self, agent: AgentId, version: VersionId | None = None) -> None:
        """An agent is dead, or takes no further part in `version`: what only it had may leave the origin again."""
        for live in list(self._live.get(agent, {}).values()):
            if version in (None, live.version):
                self._fence(live)
        for place in self._forget_arrived(agent, version):
            self.counters.lost += 1
            if book := self._books.get(place.version):
                book.lose(place.index, place.scope)
                self._changed[place.version] = None
        for known in list(self._books) if version is None else [version]:
            if book := self._books.get(known):
                book.forget(agent)
        for known in list(self._early) if version is None else [version]:
            self._early.get(known, {}).pop(agent, None)

    # --- seeders ------------------------------------------------------------------------------------

    def close(self, version: VersionId, space: int) -> Runs:
        """The first seeder lives: no leases from here on. Returns what is to be its share."""
        self._seeded[version] = True
        book = self._books.get(version)
        if book is None:
            return run_sets.subtract(((0, space),), self._told.get(version, ()))
        book.close()
        return book.take_for_share(is_everything=True)

    def freed(self) -> list[tuple[VersionId, Runs]]:
        """What has come free again, since the last call, of versions whose seeders live; it belongs in their shares."""
        closed = [book for version in self._changed if (book := self._books.get(version)) and book.is_closed]
        found = [(book.version, book.take_for_share(is_everything=False)) for book in closed]
        return [(version, runs) for version, runs in found if runs]

    def open(self, version: VersionId, *, is_untouched: bool) -> None:
        """The last seeder is gone; `is_untouched`: nobody has anything of the version."""
        self._seeded[version] = False
        if is_untouched:
            del self._seeded[version]
        if book := self._books.get(version):
            book.open(is_untouched=is_untouched)
            self._changed[version] = None

    def holders(self, version: VersionId) -> dict[Index, AgentId]:
        """Who reads a block now, or has read it and is not known to have passed it on."""
        found = {
            place.index: agent
            for agent, places in self._arrived.items()
            for place in places.values()
            if place.version == version
        }
        return found | {live.index: live.agent for live in self._all_live() if live.version == version}

    def give_up(self, agent: AgentId, number: int, now: float) -> None:
        """A granted lease could not be sent."""
        if live := self._live.get(agent, {}).get(number):
            self._return(live, now)

    def tell(self, version: VersionId, held: Runs) -> None:
        """Somebody holds these."""
        self._hear_told(version, held)

    @property
    def live_count(self) -> int:
        return sum(map(len, self._live.values()))

    def touch(self, version: VersionId) -> None:
        """Something has become free: `grants` looks at this version again."""
        self._changed[version] = None

    # --- time ---------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Fences what is overdue, and lets those grant again that had to pause."""
        self._ticked_at = now
        for live in [live for live in self._all_live() if live.is_overdue(now)]:
            self._fence(live)
        for version, until in list(self._pauses.items()):
            if until <= now:
                self._wake(version, now)

    def next_deadline(self) -> float | None:
        """When `tick`, then `grants`, may have something to do."""
        times = list(self._pauses.values())
        if self._live:
            times.append(self._ticked_at + TICK_S)
        if self._is_held_back:
            times.append(self._settling.settles_at)
        return min(times, default=None)

    def grants(self, now: float) -> list[Grant]:
        """Every lease that may be granted now, as granted."""
        if not self._settling.is_settled(now):
            self._is_held_back = bool(self._changed)
            return []
        self._is_held_back = False
        granted: list[Grant] = []
        for version in list(self._changed):
            if book := self._books.get(version):
                granted += self._grant_all(book, now)
        self._changed.clear()
        return granted

    def fences(self) -> list[Fence]:
        """Leases taken back since the last call."""
        told, self._to_tell = self._to_tell, []
        return told

    def check(self) -> None:
        """Every counter again from first principles; never two live leases for one block of one scope."""
        for version, book in self._books.items():
            book.check()
            assert book.live_count == sum(live.version == version for live in self._all_live())
        places = [(live.version, live.index, live.scope) for live in self._all_live()]
        if self._rules.budget.copies == 1:
            assert len(places) == len(set(places))
        assert self._arrived_count == sum(map(len, self._arrived.values()))
        assert all(self._live.values())
        assert all(self._arrived.values())

    # --- one lease ----------------------------------------------------------------------------------

    def _grant_all(self, book: Book, now: float) -> Iterator[Grant]:
        while choice := book.choose(now):
            number = self._next_number
            self._next_number += 1
            epoch = self._rules.epoch
            live = Live(choice.agent, number, epoch, book.version, choice.index, choice.scope, now, now, now)
            self._add_live(live)
            self.counters.granted += 1
            yield Grant(choice.agent, number, book.version, choice.index, self._rules.sign(self._lease_of(live)))

    def _lease_of(self, live: Live) -> Lease:
        expires = int((self._rules.unix_s + live.granted_at + LEASE_S) * 1000)
        return Lease(live.epoch, live.number, live.version, ((live.index, 1),), live.agent, expires)

    def _restore(self, agent: AgentId, version: VersionId, data: bytes, now: float) -> None:
        """Takes over a forerunner's lease, if it is one, still runs, and nobody else holds the block by now."""
        try:
            lease = self._rules.verify(data)
        except SwarmError:
            return
        if lease.agent != agent or lease.version != version or run_sets.count(lease.indexes) != 1:
            return
        index = Index(lease.indexes[0][0])
        if any(live.version == version and live.index == index for live in self._all_live()):
            return
        book = self._books.get(version)
        if book is not None:
            if not book.claim(index, ""):
                return
            book.live_count += 1
        self._add_live(Live(agent, lease.number, lease.tracker_epoch, version, index, "", now, now, now))
        self.counters.restored += 1

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
        key = (agent, line.number)
        match line.state:
            case LeaseState.PASSED | LeaseState.DONE:
                place = self._fenced.pop(key, None)
                if place is not None and self._claim(place):
                    self._remember_arrived(agent, line.number, place)
                if line.state is LeaseState.PASSED:
                    self._drop_arrived(agent, line.number)
            case LeaseState.RETURNED:
                self._fenced.pop(key, None)
            case LeaseState.WAITING | LeaseState.MOVING:
                if line.number not in self._arrived.get(agent, {}):
                    self._to_tell.append(Fence(agent, line.number, self._rules.epoch))

    def _claim(self, place: Place) -> bool:
        book = self._books.get(place.version)
        return book is not None and book.claim(place.index, place.scope)

    def _arrive(self, live: Live, line: LeaseReport, now: float) -> None:
        self._end(live)
        self.counters.arrived += 1
        self.counters.bytes += line.bytes
        if book := self._books.get(live.version):
            book.sent_bytes += line.bytes
            book.throttle.arrived(live.agent, line.bytes, now - live.granted_at)
        if line.state is LeaseState.DONE:
            self._remember_arrived(live.agent, live.number, Place(live.version, live.index, live.scope))

    def _return(self, live: Live, now: float) -> None:
        self._end(live)
        self.counters.returned += 1
        if book := self._books.get(live.version):
            book.put_back(live.index, live.scope)
            book.rest(live.agent, now)
            self._wake(live.version, now)

    def _fence(self, live: Live) -> None:
        self._end(live)
        self.counters.fenced += 1
        self._to_tell.append(Fence(live.agent, live.number, live.epoch))
        self._fenced[live.agent, live.number] = Place(live.version, live.index, live.scope)
        if len(self._fenced) > FENCED_MAX:
            self._fenced.popitem(last=False)
        if book := self._books.get(live.version):
            book.put_back(live.index, live.scope)

    def _add_live(self, live: Live) -> None:
        self._live.setdefault(live.agent, {})[live.number] = live

    def _drop_live(self, live: Live) -> None:
        mine = self._live[live.agent]
        del mine[live.number]
        if not mine:
            del self._live[live.agent]

    def _end(self, live: Live) -> None:
        self._drop_live(live)
        if book := self._books.get(live.version):
            book.ended(live.agent)
            self._changed[live.version] = None

    def _all_live(self) -> Iterator[Live]:
        return (live for mine in self._live.values() for live in mine.values())

    # --- what has arrived ---------------------------------------------------------------------------

    def _remember_arrived(self, agent: AgentId, number: int, place: Place) -> None:
        mine = self._arrived.setdefault(agent, {})
        mine[number] = place
        self._arrived_count += 1
        if self._arrived_count > ARRIVED_MAX:
            self._drop_arrived(agent, next(iter(mine)))

    def _drop_arrived(self, agent: AgentId, number: int) -> Place | None:
        mine = self._arrived.get(agent, {})
        place = mine.pop(number, None)
        if place is not None:
            self._arrived_count -= 1
            if not mine:
                del self._arrived[agent]
        return place

    def _forget_arrived(self, agent: AgentId, version: VersionId | None) -> list[Place]:
        numbers = [number for number, place in self._arrived.get(agent, {}).items() if version in (None, place.version)]
        return [place for number in numbers if (place := self._drop_arrived(agent, number)) is not None]

    # --- books --------------------------------------------------------------------------------------

    def _has_room(self, shape: Shape) -> bool:
        return shape.space + sum(book.shape.space for book in self._books.values()) <= BOOKED_INDEXES_MAX

    def _open_book(self, version: VersionId, shape: Shape) -> Book:
        book = self._books[version] = Book(version, shape, self._rules.budget, self._rules.pace, self._rng)
        if version in self._seeded:
            book.close()
            book.take_for_share(is_everything=True)
            book.is_closed = self._seeded[version]
        book.tell(self._told.pop(version, ()))
        for live in [live for live in self._all_live() if live.version == version]:
            if live.index < shape.space:
                book.restore(live.index, live.scope)
            else:
                self._drop_live(live)
        return book

    def _hear_told(self, version: VersionId, told: Runs) -> None:
        if book := self._books.get(version):
            book.tell(told)
        else:
            self._told[version] = run_sets.union(self._told.get(version, ()), told)[:RUNS_MAX]

    def _wake(self, version: VersionId, now: float) -> None:
        """Notes when a version's grants may go on, or lets them."""
        book = self._books[version]
        book.wake(now)
        self._changed[version] = None
        wake = book.next_wake(now)
        if wake is None:
            self._pauses.pop(version, None)
        else:
            self._pauses[version] = wake
