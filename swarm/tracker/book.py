"""One version's store reads: who wishes to read, what may still leave the origin, and who gets the next block.

`leases` numbers, signs and watches the leases; here is only the choice. While a seeder lives the book is closed: what
has not left the origin is in the seeders' shares.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.protocol import runs as run_sets
from swarm.protocol.ids import AgentId, Index, Runs, VersionId
from swarm.tracker.budget import OriginBudget
from swarm.tracker.pace import Pace, Throttle
from swarm.tracker.pool import FREE, GIVEN, UNTOLD, Pool

if TYPE_CHECKING:
    from random import Random

SCOPES_MAX = 64
"""Sites counted apart in one version; further ones share a count."""

SUSPECTS_MAX = 65_536
"""Blocks that one agent misses and nobody has confirmed; the oldest are forgotten, and will be said again."""

SUSPECT_S = 5.0
"""One agent alone must miss a block for this long, while others that lack things say nothing."""

HOLDER_S = 10.0
"""A block that somebody should have must be missed for this long after that somebody was named."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a root says of its index space: how many indexes there are, and how many of the first are pages."""

    page_count: int
    space: int


@dataclass(slots=True)
class Wish:
    """`count`: how many leases the agent wants to hold at once; `held`: how many it does."""

    scope: str
    count: int
    lacks: Runs | None
    held: int
    is_starved: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The next lease to be granted."""

    agent: AgentId
    index: Index
    scope: str


class Book:
    """See the module. `told`: what agents said they hold, `out`: (scope, index, agent) of leases out already."""

    def __init__(self, version: VersionId, shape: Shape, budget: OriginBudget, pace: Pace, rng: Random) -> None:
        self.version = version
        self.shape = shape
        self.throttle = Throttle(pace, rng)
        self.is_closed = False
        self.live_count = 0
        self.sent_bytes = 0
        self.granted_count = 0
        self._budget = budget
        self._rng = rng
        self._had_seeder = False
        self._pools: dict[str, Pool] = {"": Pool(shape.page_count, shape.space, is_free=True)}
        self._copies: dict[str, int] = {"": 1}
        self._wishes: dict[AgentId, Wish] = {}
        self._ready: list[AgentId] = []
        self._place: dict[AgentId, int] = {}
        self._urgent: dict[Index, None] = {}
        self._suspects: OrderedDict[Index, tuple[AgentId, float]] = OrderedDict()
        self._resting: dict[AgentId, None] = {}

    # --- wishes ----------------------------------------------------------------------------------

    def wish(self, agent: AgentId, site: str, count: int, lacks: Runs | None, held: int) -> None:
        """Sets how many leases an agent wants to hold at once (0: none) and what it could use."""
        if count <= 0:
            self.withdraw(agent)
            return
        wish = Wish(self._scope(site), min(count, self.throttle.agent_limit), lacks, held, agent in self._resting)
        self._wishes[agent] = wish
        self._sort_in(agent)

    def withdraw(self, agent: AgentId) -> None:
        """The agent wants none."""
        self._wishes.pop(agent, None)
        self._sort_in(agent)

    def forget(self, agent: AgentId) -> None:
        """The agent takes part no longer. Its leases are the caller's to end."""
        self.withdraw(agent)
        self._resting.pop(agent, None)
        self.throttle.forget(agent)

    def rest(self, agent: AgentId, now: float) -> None:
        """The store refused this agent: all grants pause, and its own for longer if it happens again."""
        self.throttle.returned(agent, now)
        self._resting[agent] = None
        if wish := self._wishes.get(agent):
            wish.is_starved = True
            self._sort_in(agent)

    def wake(self, now: float) -> None:
        """Those that have rested long enough look again."""
        rested = [agent for agent in self._resting if not self.throttle.is_resting(agent, now)]
        for agent in rested:
            del self._resting[agent]
            if wish := self._wishes.get(agent):
                wish.is_starved = False
                self._sort_in(agent)

    def next_wake(self, now: float) -> float | None:
        """When `wake` or the end of a pause may let `choose` find somebody."""
        times = [self.throttle.rests_until(agent) for agent in self._resting]
        if self._ready and now < self.throttle.paused_until:
            times.append(self.throttle.paused_until)
        return min(times, default=None)

    def ended(self, agent: AgentId) -> None:
        """One of the agent's leases is no longer out."""
        self.live_count -= 1
        if wish := self._wishes.get(agent):
            wish.held -= 1
            self._sort_in(agent)

    # --- what leaves and what comes back -----------------------------------------------------------

    def choose(self, now: float) -> Choice | None:
        """The next lease, as granted; None where none may be granted now."""
        if self.is_closed or now < self.throttle.paused_until:
            return None
        while self._ready and self.live_count < self.throttle.limit():
            agent = self.throttle.choose(self._ready)
            wish = self._wishes[agent]
            index = self._take(wish)
            if index is None:
                wish.is_starved = True
            else:
                wish.held += 1
                self.live_count += 1
                self.granted_count += 1
            self._sort_in(agent)
            if index is not None:
                return Choice(agent, index, wish.scope)
        return None

    def restore(self, index: Index, scope: str) -> None:
        """A lease of the forerunner is still out."""
        self.live_count += 1
        self._pool(scope).mark(index, GIVEN)

    def tell(self, held: Runs) -> None:
        """Somebody holds these, or receives them."""
        for pool in self._pools.values():
            pool.mark_runs(held, GIVEN)

    def put_back(self, index: Index, scope: str) -> None:
        """A lease ended before its block arrived."""
        self._free(index, scope)

    def lose(self, index: Index, scope: str) -> None:
        """The only known holder of a block is gone: it may be read again, unless the budget forbids it."""
        if not self._budget.fails_closed:
            self._urgent[index] = None
            self._free(index, scope)

    def is_free(self, index: Index, scope: str = "") -> bool:
        return self._pool(scope).state(index) == FREE

    def claim(self, index: Index, scope: str) -> bool:
        """A block arrived under a lease that had been taken back: whether nobody else was given it meanwhile."""
        is_free = index < self.shape.space and self.is_free(index, scope)
        if is_free:
            self._pool(scope).mark(index, GIVEN)
        return is_free

    def miss(self, index: Index, reporter: AgentId, *, is_alone: bool, has_holder: bool, now: float) -> None:
        """An agent says that nobody it knows has or receives this block; `has_holder`: the caller knows somebody.

        It is freed when nobody else lacks anything, when a second agent says the same, or when the same one says it
        again after `SUSPECT_S`; where somebody should have it, only when it is still missed after `HOLDER_S`.
        """
        first, since = self._suspects.get(index, (reporter, now))
        if has_holder:
            is_believed = now - since >= HOLDER_S
        else:
            is_believed = is_alone or first != reporter or now - since >= SUSPECT_S
        if is_believed:
            self._suspects.pop(index, None)
            self._release(index, reporter)
        elif index not in self._suspects:
            self._suspects[index] = (reporter, now)
            if len(self._suspects) > SUSPECTS_MAX:
                self._suspects.popitem(last=False)

    # --- seeders -----------------------------------------------------------------------------------

    def close(self) -> None:
        """A seeder lives: it gives what has not been given."""
        self.is_closed = True
        self._had_seeder = True

    def take_for_share(self, *, is_everything: bool) -> Runs:
        """What a seeder should give: everything that is not known to have left, or only what has come free again."""
        pool = self._pools[""]
        runs = pool.not_given() if is_everything else pool.free_runs()
        for known in self._pools.values():
            known.mark_runs(runs, UNTOLD)
        return runs

    def open(self, *, is_untouched: bool) -> None:
        """The last seeder is gone. Where nobody has anything, all may be read; else what agents miss."""
        self.is_closed = False
        if is_untouched:
            self._had_seeder = False
            for pool in self._pools.values():
                pool.free_untold()
        for scope in self._pools:
            self._feed(scope)

    def check(self) -> None:
        for pool in self._pools.values():
            pool.check()
        assert self._pools.keys() == self._copies.keys()
        assert all(self._ready[place] == agent for agent, place in self._place.items())
        ready = {agent for agent, wish in self._wishes.items() if wish.held < wish.count and not wish.is_starved}
        assert set(self._ready) == ready
        assert len(self._ready) == len(ready)
        assert self.live_count >= 0

    # --- parts -------------------------------------------------------------------------------------

    def _take(self, wish: Wish) -> Index | None:
        if self._budget.is_spent(self.sent_bytes):
            return self._take_urgent(wish)
        pool = self._pool(wish.scope)
        index = pool.take(wish.lacks, self._rng)
        if index is None and self._may_copy_again(wish, pool):
            self._copies[wish.scope] += 1
            pool.mark_runs(((0, pool.space),), FREE)
            index = pool.take(wish.lacks, self._rng)
        return index

    def _may_copy_again(self, wish: Wish, pool: Pool) -> bool:
        """A further copy only starts when the one before has left, and for who says what it lacks: else it has it."""
        return not pool.free_count and wish.lacks is not None and self._copies[wish.scope] < self._budget.copies

    def _take_urgent(self, wish: Wish) -> Index | None:
        pool = self._pool(wish.scope)
        for index in self._urgent:
            if pool.state(index) == FREE and (wish.lacks is None or run_sets.contains(wish.lacks, index)):
                pool.mark(index, GIVEN)
                del self._urgent[index]
                return index
        return None

    def _release(self, index: Index, reporter: AgentId) -> None:
        """Lets a block go again. What is known to have left does not, where the budget fails closed."""
        wish = self._wishes.get(reporter)
        scope = wish.scope if wish else ""
        if self._pool(scope).state(index) == UNTOLD or not self._budget.fails_closed:
            self._urgent[index] = None
            self._free(index, scope)

    def _free(self, index: Index, scope: str) -> None:
        self._pool(scope).mark(index, FREE)
        self._feed(scope)

    def _feed(self, scope: str) -> None:
        """There is something new to take: those who found nothing look again."""
        for agent, wish in self._wishes.items():
            if wish.is_starved and wish.scope == scope and agent not in self._resting:
                wish.is_starved = False
                self._sort_in(agent)

    def _scope(self, site: str) -> str:
        scope = self._budget.scope(site)
        return scope if scope in self._pools or len(self._pools) < SCOPES_MAX else ""

    def _pool(self, scope: str) -> Pool:
        pool = self._pools.get(scope)
        if pool is None:
            is_free = not self._had_seeder
            pool = self._pools[scope] = Pool(self.shape.page_count, self.shape.space, is_free=is_free)
            self._copies[scope] = 1
        return pool

    def _sort_in(self, agent: AgentId) -> None:
        """Puts an agent among the ready ones, or takes it out, by its wish."""
        wish = self._wishes.get(agent)
        is_ready = wish is not None and wish.held < wish.count and not wish.is_starved
        place = self._place.get(agent)
        if is_ready and place is None:
            self._place[agent] = len(self._ready)
            self._ready.append(agent)
        elif not is_ready and place is not None:
            last = self._ready.pop()
            if last != agent:
                self._ready[place] = last
                self._place[last] = place
            del self._place[agent]
