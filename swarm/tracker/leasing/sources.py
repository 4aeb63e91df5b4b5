"""Where a lease's block comes from: the store, by the version's book, or over a site's border."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol import runs as run_sets
from swarm.protocol.ids import AgentId, VersionId
from swarm.tracker.leasing.books import Books
from swarm.tracker.leasing.borders import Borders
from swarm.tracker.leasing.source import Source
from swarm.tracker.leasing.table import Place


@dataclass(frozen=True, slots=True)
class Sources:
    """All books and all borders, asked by a lease's place. Where none is open nothing is known, and nothing taken."""

    books: Books
    borders: Borders

    def of(self, place: Place) -> Source | None:
        """What the lease is of, if it is open. Whoever asks may change it."""
        return self.books.get(place.version) if place.border is None else self.borders.of(place)

    def restore(self, place: Place) -> bool:
        """A forerunner's lease is still out: whether it fits what is known."""
        return self.books.restore(place) if place.border is None else self.borders.restore(place)

    def is_free(self, place: Place) -> bool:
        """Whether the block may be granted, as far as known."""
        if place.border is None:
            return self.books.is_free(place)
        border = self.borders.of(place)
        return border is None or border.is_free(place.index)

    def claim(self, place: Place) -> bool:
        """A block arrived under a lease that had been taken back: whether nobody else was given it meanwhile."""
        if place.border is None:
            return self.books.claim(place)
        border = self.borders.of(place)
        return border is not None and border.claim(place.index)

    def put_back(self, place: Place) -> None:
        """The block was not read: it may be granted again."""
        if place.border is not None:
            if border := self.borders.of(place):
                border.put_back(place.index)
        elif book := self.books.get(place.version):
            book.put_back(place.index, place.scope)

    def lose(self, agent: AgentId, version: VersionId, places: list[Place]) -> None:
        """The only known holder of what it got under leases for `places` is gone."""
        site = self.borders.site_of(agent, version)
        if site is not None and places:
            self.borders.lose(version, site, run_sets.normalise(place.index for place in places))
        for place in places:
            if place.border is None and (book := self.books.get(version)):
                book.lose(place.index, place.scope)

    def check(self) -> None:
        self.books.check()
        self.borders.check()
