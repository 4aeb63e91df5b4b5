"""The books of all versions: opened when a version's shape is known and somebody wants to read it, and bounded.

What is said of a version before its book can be opened (wishes, what agents hold, that a seeder lives) waits here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swarm.protocol import runs as run_sets
from swarm.protocol.bounds import RUNS_MAX
from swarm.protocol.ids import AgentId, Runs, VersionId
from swarm.tracker.leasing.book import Book
from swarm.tracker.leasing.budget import OriginBudget
from swarm.tracker.leasing.pace import Pace
from swarm.tracker.leasing.table import LeaseTable, Live, Place
from swarm.tracker.shape import Shape

if TYPE_CHECKING:
    from random import Random

BOOKED_INDEXES_MAX = 64 << 20
"""Indexes of all books: a byte each."""


@dataclass(slots=True)
class Shelf:
    """What is known of a version that has members. `had_seeder`: nobody told the tracker what that one has given."""

    shape: Shape | None = None
    book: Book | None = None
    told: Runs = ()
    wishes: dict[AgentId, tuple[str, int, Runs | None]] = field(default_factory=dict)
    has_seeder: bool = False
    had_seeder: bool = False


class Books:
    """By version. Remembers which have changed, so that grants look only at those."""

    def __init__(self, budget: OriginBudget, pace: Pace, rng: Random, table: LeaseTable) -> None:
        self._budget = budget
        self._pace = pace
        self._rng = rng
        self._table = table
        self._shelves: dict[VersionId, Shelf] = {}
        self._changed: dict[VersionId, None] = {}
        self._wakes: dict[VersionId, float] = {}

    # --- books --------------------------------------------------------------------------------------

    def learn(self, version: VersionId, shape: Shape) -> None:
        """The shape of a version is known: from here on its blocks can be granted."""
        shelf = self._shelf(version)
        if shelf.shape is None:
            shelf.shape = shape
            wishes, shelf.wishes = shelf.wishes, {}
            for agent, (site, count, lacks) in wishes.items():
                self.want(agent, site, version, count, lacks)

    def shape(self, version: VersionId) -> Shape | None:
        shelf = self._shelves.get(version)
        return shelf.shape if shelf else None

    def get(self, version: VersionId) -> Book | None:
        """The version's book if it is open. Whoever asks may change it."""
        shelf = self._shelves.get(version)
        if shelf is None or shelf.book is None:
            return None
        self._changed[version] = None
        return shelf.book

    def open(self, version: VersionId) -> Book | None:
        """The version's book, opened at need; None while its shape is unknown or there is no room."""
        shelf = self._shelves.get(version)
        if shelf is not None and shelf.book is None and shelf.shape is not None and self._has_room(shelf.shape):
            self._open(version, shelf, shelf.shape)
        return self.get(version)

    def forget(self, version: VersionId) -> None:
        """Nobody takes part any longer."""
        self._shelves.pop(version, None)
        self._changed.pop(version, None)
        self._wakes.pop(version, None)

    def take_changed(self) -> list[Book]:
        """Books in which something happened since the last call."""
        changed, self._changed = self._changed, {}
        return [shelf.book for version in changed if (shelf := self._shelves.get(version)) and shelf.book]

    # --- what is said -------------------------------------------------------------------------------

    def want(self, agent: AgentId, site: str, version: VersionId, count: int, lacks: Runs | None) -> None:
        """An agent wants to hold `count` leases at once, of what it lacks."""
        book = self.open(version)
        if book is not None:
            held = sum(live.place.border is None for live in self._table.of_agent(agent, version))
            book.wish(agent, site, count, lacks, held)
        elif count > 0:
            self._shelf(version).wishes[agent] = (site, count, lacks)
        else:
            self._shelf(version).wishes.pop(agent, None)

    def withdraw(self, agent: AgentId, version: VersionId) -> None:
        """Nothing can be sent to an agent for now."""
        if shelf := self._shelves.get(version):
            shelf.wishes.pop(agent, None)
            if shelf.book:
                shelf.book.withdraw(agent)

    def forget_agent(self, agent: AgentId, version: VersionId) -> None:
        """The agent takes part no longer."""
        if shelf := self._shelves.get(version):
            shelf.wishes.pop(agent, None)
            if shelf.book:
                shelf.book.forget(agent)

    def tell(self, version: VersionId, held: Runs) -> None:
        """Somebody holds or receives these."""
        if not held:
            return
        if book := self.get(version):
            book.tell(held)
        else:
            shelf = self._shelf(version)
            shelf.told = run_sets.union(shelf.told, held)[:RUNS_MAX]

    def restore(self, place: Place) -> bool:
        """A forerunner's lease is still out: whether it fits what is known."""
        book = self.get(place.version)
        return book is None or book.restore(place.index, place.scope)

    def is_free(self, place: Place) -> bool:
        """Whether the block may be granted, as far as known."""
        book = self.get(place.version)
        return book is None or book.is_free(place.index, place.scope)

    def claim(self, place: Place) -> bool:
        """A block arrived under a lease that had been taken back: whether nobody else was given it meanwhile."""
        book = self.get(place.version)
        return book is not None and book.claim(place.index, place.scope)

    # --- seeders ------------------------------------------------------------------------------------

    def close(self, version: VersionId, space: int) -> Runs:
        """The first seeder lives: no leases from here on. Returns what is to be its share."""
        shelf = self._shelf(version)
        shelf.has_seeder = shelf.had_seeder = True
        if book := self.get(version):
            book.close()
            return book.take_for_share(is_everything=True)
        return run_sets.subtract(((0, space),), shelf.told)

    def freed(self) -> list[tuple[VersionId, Runs]]:
        """What has come free again of versions whose seeders live; it belongs in their shares."""
        closed = [
            shelf.book for version in self._changed if (shelf := self._shelves[version]).has_seeder and shelf.book
        ]
        found = [(book.version, book.take_for_share(is_everything=False)) for book in closed]
        return [(version, runs) for version, runs in found if runs]

    def reopen(self, version: VersionId, *, is_untouched: bool) -> None:
        """The last seeder is gone; `is_untouched`: nobody has anything of the version."""
        shelf = self._shelf(version)
        shelf.has_seeder, shelf.had_seeder = False, not is_untouched
        if book := self.get(version):
            book.reopen(is_untouched=is_untouched)

    # --- time ---------------------------------------------------------------------------------------

    def wake(self, now: float) -> None:
        """Lets those grant again whose pause is over."""
        for version in [version for version, until in self._wakes.items() if until <= now]:
            del self._wakes[version]
            if book := self.get(version):
                book.wake(now)

    def note_wake(self, book: Book, now: float) -> None:
        """After its grants: when the book will have more to give without anything else happening."""
        wake = book.next_wake(now)
        if wake is None:
            self._wakes.pop(book.version, None)
        else:
            self._wakes[book.version] = wake

    def next_wake(self) -> float | None:
        """When a pause ends next."""
        return min(self._wakes.values(), default=None)

    def check(self) -> None:
        for version, shelf in self._shelves.items():
            if shelf.book:
                shelf.book.check()
                assert not shelf.wishes
                assert shelf.book.live_count == len(self._reads(version))
                assert shelf.book.is_closed == shelf.has_seeder

    def _shelf(self, version: VersionId) -> Shelf:
        return self._shelves.setdefault(version, Shelf())

    def _has_room(self, shape: Shape) -> bool:
        booked = sum(shelf.book.shape.space for shelf in self._shelves.values() if shelf.book)
        return booked + shape.space <= BOOKED_INDEXES_MAX

    def _open(self, version: VersionId, shelf: Shelf, shape: Shape) -> None:
        book = shelf.book = Book(version, shape, self._budget, self._pace, self._rng)
        if shelf.had_seeder:
            book.close()
            book.take_for_share(is_everything=True)
            if not shelf.has_seeder:
                book.reopen(is_untouched=False)
        book.tell(shelf.told)
        shelf.told = ()
        for live in self._reads(version):
            if not book.restore(live.place.index, live.place.scope):
                self._table.remove(live)

    def _reads(self, version: VersionId) -> list[Live]:
        return [live for live in self._table.of_version(version) if live.place.border is None]
