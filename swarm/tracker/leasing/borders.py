"""The borders of all sites in all versions: opened when somebody wishes to take a block across, and bounded.

Where everybody is in one site nobody wishes, and nothing is kept here but what members said that they hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.protocol import runs as run_sets
from swarm.protocol.bounds import RUNS_MAX
from swarm.protocol.ids import AgentId, Runs, VersionId
from swarm.tracker.leasing.books import Books
from swarm.tracker.leasing.border import AT_ONCE, Border
from swarm.tracker.leasing.table import LeaseTable, Place

if TYPE_CHECKING:
    from random import Random

INDEXES_MAX = 64 << 20
"""Indexes of all borders: a byte each. Beyond it a site gets no leases until versions are done with."""


class Borders:
    """By version and site. Remembers which have changed, so that grants look only at those."""

    def __init__(self, books: Books, rng: Random, table: LeaseTable) -> None:
        self._books = books
        self._rng = rng
        self._table = table
        self._borders: dict[tuple[VersionId, str], Border] = {}
        self._changed: dict[tuple[VersionId, str], None] = {}
        self._sites: dict[tuple[AgentId, VersionId], str] = {}
        self._told: dict[tuple[VersionId, str], Runs] = {}
        self._indexes = 0

    # --- members ------------------------------------------------------------------------------------

    def join(self, agent: AgentId, version: VersionId, site: str, told: Runs) -> None:
        """A member of a site, and what it holds or receives."""
        if self._sites.get((agent, version), site) != site:
            self.leave(agent, version)
        self._sites[agent, version] = site
        self.tell(version, site, told)

    def leave(self, agent: AgentId, version: VersionId) -> None:
        """It takes part no longer. Its leases have been ended."""
        site = self._sites.pop((agent, version), None)
        if site is not None and (border := self.get(version, site)):
            border.forget(agent)

    def site_of(self, agent: AgentId, version: VersionId) -> str | None:
        """Where a member is."""
        return self._sites.get((agent, version))

    def tell(self, version: VersionId, site: str, held: Runs) -> None:
        """A member of the site holds or receives these."""
        if not held:
            return
        if border := self.get(version, site):
            border.tell(held)
        else:
            self._told[version, site] = run_sets.union(self._told.get((version, site), ()), held)[:RUNS_MAX]

    def lose(self, version: VersionId, site: str, lost: Runs) -> None:
        """The only members of the site that were known to hold these are gone."""
        if border := self.get(version, site):
            border.free(lost)
        elif told := self._told.get((version, site)):
            self._told[version, site] = run_sets.subtract(told, lost)[:RUNS_MAX]

    def wish(self, agent: AgentId, version: VersionId, count: int, lacks: Runs) -> None:
        """An agent could take these across its site's border."""
        site = self._sites.get((agent, version))
        border = self.open(version, site) if site is not None else None
        if border is not None:
            border.wish(agent, count, lacks, self._count_of(agent, border))

    def withdraw(self, agent: AgentId, version: VersionId) -> None:
        """Nothing can be sent to an agent for now."""
        site = self._sites.get((agent, version))
        if site is not None and (border := self.get(version, site)):
            border.withdraw(agent)

    # --- borders ------------------------------------------------------------------------------------

    def get(self, version: VersionId, site: str) -> Border | None:
        """A border, if it is open. Whoever asks may change it."""
        border = self._borders.get((version, site))
        if border is not None:
            self._changed[version, site] = None
        return border

    def open(self, version: VersionId, site: str) -> Border | None:
        """The same, opened at need; None while the version's shape is unknown or there is no room."""
        shape = self._books.shape(version)
        if shape is not None and (version, site) not in self._borders and self._indexes + shape.space <= INDEXES_MAX:
            self._indexes += shape.space
            border = self._borders[version, site] = Border(version, site, shape, self._rng)
            border.tell(self._told.pop((version, site), ()))
            for live in self._table.of_version(version):
                if live.place.border == site and not border.restore(live.place.index):
                    self._table.remove(live)
        return self.get(version, site)

    def of(self, place: Place) -> Border | None:
        """The border that a lease is for."""
        return None if place.border is None else self.get(place.version, place.border)

    def restore(self, place: Place) -> bool:
        """A lease that others granted, or that was ours once, is still out: whether its site has room for it."""
        crossing = sum(live.place.border == place.border for live in self._table.of_version(place.version))
        border = self.of(place)
        return crossing < AT_ONCE and (border is None or border.restore(place.index))

    def forget(self, version: VersionId) -> None:
        """Nobody takes part any longer."""
        for key in [key for key in self._borders if key[0] == version]:
            self._indexes -= self._borders.pop(key).space
            self._changed.pop(key, None)
        for key in [key for key in self._told if key[0] == version]:
            del self._told[key]

    def take_changed(self) -> list[Border]:
        """Borders at which something happened since the last call."""
        changed, self._changed = self._changed, {}
        return [self._borders[key] for key in changed]

    # --- time ---------------------------------------------------------------------------------------

    def wake(self, now: float) -> None:
        """Lets those be granted something again whose rest is over."""
        for (version, site), border in self._borders.items():
            if (due := border.next_wake()) is not None and due <= now:
                border.wake(now)
                self._changed[version, site] = None

    def next_wake(self) -> float | None:
        """When a rest ends next."""
        return min((due for border in self._borders.values() if (due := border.next_wake()) is not None), default=None)

    def check(self) -> None:
        assert self._indexes == sum(border.space for border in self._borders.values()) <= INDEXES_MAX
        assert not self._told.keys() & self._borders.keys()
        for (version, site), border in self._borders.items():
            border.check()
            assert border.live_count == sum(live.place.border == site for live in self._table.of_version(version))

    def _count_of(self, agent: AgentId, border: Border) -> int:
        mine = self._table.of_agent(agent, border.version)
        return sum(live.place.border == border.site for live in mine)
