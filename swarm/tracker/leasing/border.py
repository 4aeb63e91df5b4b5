"""The border of one site in one version: what may still enter the site, and who takes it across next.

As `book` for the store, and simpler: there is one copy for the site, two are on their way at once, and whoever is to
take a block has said that an agent of another site whom it knows has it. `leases` numbers and signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.protocol import runs as run_sets
from swarm.protocol.ids import AgentId, Index, Runs, VersionId
from swarm.tracker.leasing.pool import FREE, GIVEN, Pool
from swarm.tracker.leasing.source import Source
from swarm.tracker.leasing.wishes import Wish
from swarm.tracker.shape import Shape

if TYPE_CHECKING:
    from random import Random

AT_ONCE = 2
"""Crossings into a site at once: while one is arranged the other fills the line (simulated: 1.014 of the limit)."""


class Border(Source):
    """A block is *given* once it has entered the site, or is about to."""

    def __init__(self, version: VersionId, site: str, shape: Shape, rng: Random) -> None:
        super().__init__()
        self.version = version
        self.site = site
        self._rng = rng
        self._pool = Pool(shape.page_count, shape.space, is_free=True)

    @property
    def space(self) -> int:
        return self._pool.space

    # --- wishes -------------------------------------------------------------------------------------

    def wish(self, agent: AgentId, count: int, lacks: Runs, held: int) -> None:
        """Sets what an agent could take across, how much of it at once (0: nothing), and how many leases it holds."""
        if count > 0:
            useful = self._pool.of_use(lacks)
            self._wishes.set(agent, Wish("", min(count, AT_ONCE), useful, says_what=True, held=held))
        else:
            self._wishes.remove(agent)

    # --- leases -------------------------------------------------------------------------------------

    def choose(self) -> tuple[AgentId, Index] | None:
        """The next crossing, as granted; None where none may be granted now."""
        while self.live_count < AT_ONCE:
            agent = self._wishes.choose(self._rng.choice)
            if agent is None:
                return None
            index = self._pool.take(self._wishes.get(agent).useful, self._rng)
            if index is not None:
                self.live_count += 1
                self._wishes.granted(agent)
                return agent, index
            self._wishes.starve(agent)
        return None

    def put_back(self, index: Index) -> None:
        """It has not entered."""
        self.free(((index, 1),))

    def free(self, lost: Runs) -> None:
        """Nobody is known to have these here."""
        self._pool.mark_runs(lost, FREE)
        self._wishes.feed(None)

    def restore(self, index: Index) -> bool:
        """A forerunner's lease is still out: whether it is for a block of this version."""
        if index >= self.space:
            return False
        self.live_count += 1
        self._pool.mark(index, GIVEN)
        return True

    def is_free(self, index: Index) -> bool:
        return index < self.space and self._pool.state(index) == FREE

    def claim(self, index: Index) -> bool:
        """A block arrived under a lease that had been taken back: whether nobody else was given it meanwhile."""
        is_free = self.is_free(index)
        if is_free:
            self._pool.mark(index, GIVEN)
        return is_free

    # --- what is in the site, and what is lost ----------------------------------------------------------

    def tell(self, held: Runs) -> None:
        """A member of the site holds these, or receives them."""
        self._pool.mark_runs(held, GIVEN)

    def miss(self, reporter: AgentId, runs: Runs, *, is_alone: bool, has_holder: bool, now: float) -> None:
        """A member says that nobody in the site whom it knows has these. What is crossing must not be among them."""
        losable = self._pool.within(run_sets.clip(runs, 0, self.space), GIVEN)
        lost = self._suspects.hear(reporter, losable, is_alone=is_alone, has_holder=has_holder, now=now)
        if lost:
            self.free(lost)

    # --- time -----------------------------------------------------------------------------------------

    def wake(self, now: float) -> None:
        """Those that have rested long enough are ready again."""
        self._wishes.wake(now)

    def next_wake(self) -> float | None:
        return self._wishes.next_wake()

    def check(self) -> None:
        super().check()
        self._pool.check()
