"""One version's store reads: who wishes to read, what may still leave the origin, and who gets the next block.

`leases` numbers, signs and watches the leases; here is only the choice. While a seeder lives the book is closed: what
has not left the origin is in the seeders' shares. Only what agents go on missing although a seeder lives (it cannot be
reached, or does not give) is read from the store all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.protocol import runs as run_sets
from swarm.protocol.ids import AgentId, Index, Runs, VersionId
from swarm.tracker.leasing.budget import OriginBudget
from swarm.tracker.leasing.pace import Pace, Throttle
from swarm.tracker.leasing.pool import FREE, GIVEN, UNTOLD, Pool, Useful
from swarm.tracker.leasing.source import Source
from swarm.tracker.leasing.wishes import Wish
from swarm.tracker.shape import Shape

if TYPE_CHECKING:
    from random import Random

SCOPES_MAX = 64
"""Sites counted apart in one version; further ones share a count."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The next lease to be granted."""

    agent: AgentId
    index: Index
    scope: str
    is_beyond: bool = False
    """The budget is spent, or the block has left before: it was lost, or can be had from nobody."""


class Book(Source):
    """See the module. A *scope* is where copies are counted: a site, or everything (`budget`)."""

    def __init__(self, version: VersionId, shape: Shape, budget: OriginBudget, pace: Pace, rng: Random) -> None:
        super().__init__()
        self.version = version
        self.shape = shape
        self.is_closed = False
        self.sent_bytes = 0
        self._budget = budget
        self._rng = rng
        self._throttle = Throttle(pace, rng)
        self._had_seeder = False
        self._pools: dict[str, Pool] = {"": Pool(shape.page_count, shape.space, is_free=True)}
        self._copies: dict[str, int] = {"": 1}
        self._urgent: Runs = ()
        self._withheld: Runs = ()

    # --- wishes -------------------------------------------------------------------------------------

    def wish(self, agent: AgentId, site: str, count: int, lacks: Runs | None, held: int) -> None:
        """Sets how many leases an agent wants to hold at once (0: none), what it could use, and how many it holds."""
        if count > 0:
            scope, limit = self._scope(site), min(count, self._throttle.agent_limit)
            useful = self._pool(scope).of_use(lacks)
            self._wishes.set(agent, Wish(scope, limit, useful, lacks is not None, held))
        else:
            self._wishes.remove(agent)

    def forget(self, agent: AgentId) -> None:
        """The agent takes part no longer. Its leases are the caller's to end."""
        super().forget(agent)
        self._throttle.forget(agent)

    # --- leases -------------------------------------------------------------------------------------

    def choose(self, now: float) -> Choice | None:
        """The next lease, as granted; None where none may be granted now."""
        while self._is_open() and now >= self._throttle.paused_until and self._has_room():
            agent = self._wishes.choose(self._throttle.choose)
            if agent is None:
                return None
            wish = self._wishes.get(agent)
            index = self._take(wish)
            if index is not None:
                self.live_count += 1
                self._wishes.granted(agent)
                return Choice(agent, index, wish.scope, run_sets.contains(self._urgent, index))
            self._wishes.starve(agent)
        return None

    def arrived(self, agent: AgentId, index: Index, size_bytes: int, seconds: float, now: float) -> None:
        """A leased block came whole. No bytes: it was there already, and says nothing about the store."""
        self._throttle.forgive(index)
        if size_bytes:
            self.sent_bytes += size_bytes
            self._throttle.arrived(agent, size_bytes, seconds, now)

    def returned(self, agent: AgentId, index: Index, scope: str, now: float) -> None:
        """The store would not give the block: all pause, the agent rests, and so does a block that came back before."""
        self._wishes.rest(agent, self._throttle.returned(agent, now))
        if self._throttle.refused(index, scope, now):
            self.put_back(index, scope)

    def put_back(self, index: Index, scope: str) -> None:
        """A lease ended before its block arrived."""
        self._free(((index, 1),), scope)

    def restore(self, index: Index, scope: str) -> bool:
        """A forerunner's lease is still out: whether it is for a block of this version."""
        if index >= self.shape.space:
            return False
        self.live_count += 1
        self._pool(scope).mark(index, GIVEN)
        return True

    def is_free(self, index: Index, scope: str) -> bool:
        """Whether the block may be granted."""
        return index < self.shape.space and self._pool(scope).state(index) == FREE

    def claim(self, index: Index, scope: str) -> bool:
        """A block arrived under a lease that had been taken back: whether nobody else was given it meanwhile."""
        is_free = self.is_free(index, scope)
        if is_free:
            self._pool(scope).mark(index, GIVEN)
        return is_free

    # --- what is held, and what is lost ---------------------------------------------------------------

    def tell(self, held: Runs) -> None:
        """Somebody holds these, or receives them."""
        for pool in self._pools.values():
            pool.mark_runs(held, GIVEN)

    def lose(self, index: Index, scope: str) -> None:
        """The only known holder of a block is gone: it may be read again, unless the budget forbids it."""
        if not self._budget.fails_closed:
            self._urgent = run_sets.union(self._urgent, ((index, 1),))
            self._free(((index, 1),), scope)

    def miss(self, reporter: AgentId, runs: Runs, *, is_alone: bool, has_holder: bool, now: float) -> None:
        """An agent says that nobody it knows has or receives these; `has_holder`: the caller knows somebody.

        What is being read under a lease must not be among them.
        """
        scope = self._wishes.get(reporter).scope if reporter in self._wishes else ""
        missing = self._losable(run_sets.clip(runs, 0, self.shape.space), scope, has_holder=has_holder)
        lost = self._suspects.hear(reporter, missing, is_alone=is_alone, has_holder=has_holder, now=now)
        self._urgent = run_sets.union(self._urgent, lost)
        if self.is_closed:
            # What is in no share, since agents held it, goes into one again; what a seeder does not give, to the store.
            untold = self._pool(scope).within(lost, UNTOLD)
            self._withheld = run_sets.union(self._withheld, untold)
        self._free(lost, scope)

    # --- seeders --------------------------------------------------------------------------------------

    def close(self) -> None:
        """A seeder lives: it gives what has not been given."""
        self.is_closed = True
        self._had_seeder = True

    def take_for_share(self, *, is_everything: bool) -> Runs:
        """What a seeder should give: everything that is not known to have left, or only what has come free again."""
        pool = self._pools[""]
        runs = pool.runs_of(FREE, UNTOLD) if is_everything else pool.runs_of(FREE)
        runs = run_sets.subtract(runs, self._withheld)
        for known in self._pools.values():
            known.mark_runs(runs, UNTOLD)
        return runs

    def reopen(self, *, is_untouched: bool) -> None:
        """The last seeder is gone. Where nobody has anything, all may be read; else what agents miss."""
        self.is_closed = False
        self._withheld = ()
        if is_untouched:
            self._had_seeder = False
            for pool in self._pools.values():
                pool.mark_runs(pool.runs_of(UNTOLD), FREE)
        self._wishes.feed(None)

    # --- time -----------------------------------------------------------------------------------------

    def wake(self, now: float) -> None:
        """Those that have rested long enough look again, and blocks that have may be granted."""
        self._wishes.wake(now)
        for index, scope in self._throttle.rested(now):
            self.put_back(index, scope)

    def next_wake(self, now: float) -> float | None:
        """When `wake`, or the end of a pause, may let `choose` find somebody."""
        times = [self._wishes.next_wake(), self._throttle.next_rested()]
        if self._wishes.has_ready and now < self._throttle.paused_until:
            times.append(self._throttle.paused_until)
        return min((time for time in times if time is not None), default=None)

    def check(self) -> None:
        super().check()
        for pool in self._pools.values():
            pool.check()
        assert self._pools.keys() == self._copies.keys()

    def _has_room(self) -> bool:
        return self._throttle.has_room(self.live_count, is_wanted=self._wishes.has_ready)

    # --- parts ----------------------------------------------------------------------------------------

    def _take(self, wish: Wish) -> Index | None:
        pool, is_spent = self._pool(wish.scope), self._budget.is_spent(self.sent_bytes)
        if is_spent and self._budget.fails_closed:
            return None
        if self.is_closed or is_spent:
            last_resort = self._withheld if self.is_closed else self._urgent
            pages = run_sets.intersect(last_resort, wish.useful.pages)
            blocks = run_sets.intersect(last_resort, wish.useful.blocks)
            return pool.take(Useful(pages, blocks), self._rng)
        index = pool.take(wish.useful, self._rng)
        if index is None and self._may_copy_again(wish, pool):
            self._copies[wish.scope] += 1
            pool.mark_runs(((0, pool.space),), FREE)
            index = pool.take(wish.useful, self._rng)
        return index

    def _may_copy_again(self, wish: Wish, pool: Pool) -> bool:
        """A further copy starts only when the one before has left, and for who says what it lacks: else it has it."""
        return not pool.free_count and wish.says_what and self._copies[wish.scope] < self._budget.copies

    def _is_open(self) -> bool:
        return not self.is_closed or bool(self._withheld)

    def _losable(self, runs: Runs, scope: str, *, has_holder: bool) -> Runs:
        """What of `runs` could be freed. A living seeder is given time; a closed budget keeps what has left, and one
        that is spent and open gives what never left to who can have it from nobody.

        A block that rests comes back by itself.
        """
        pool, budget = self._pool(scope), self._budget
        states = [] if self.is_closed and not has_holder else [UNTOLD]
        if not budget.fails_closed:
            states.append(GIVEN)
        losable = pool.within(runs, *states) if states else run_sets.EMPTY
        if budget.is_spent(self.sent_bytes) and not budget.fails_closed:
            losable = run_sets.union(losable, pool.within(runs, FREE))
        return run_sets.subtract(losable, self._throttle.resting_blocks())

    def _free(self, runs: Runs, scope: str) -> None:
        if runs:
            self._pool(scope).mark_runs(runs, FREE)
            self._wishes.feed(scope)

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
