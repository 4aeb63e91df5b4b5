"""Blocks that agents say nobody has. Nobody acts on one agent's word alone: a second one must say it, or time pass."""

from __future__ import annotations

from collections import OrderedDict

from swarm.protocol import runs as run_sets
from swarm.protocol.bounds import RUNS_MAX
from swarm.protocol.ids import AgentId, Runs

REPORTERS_MAX = 16
"""Agents whose word is remembered; the oldest is forgotten, and will say it again."""

ALONE_S = 4.0
"""One agent alone must miss a block for this long. Agents speak up every 5 s."""

HOLDER_S = 9.0
"""The same, where somebody should have the block and was named to the agent."""


class Suspects:
    """Who misses what, since when."""

    def __init__(self) -> None:
        self._missing: OrderedDict[tuple[AgentId, bool], tuple[float, Runs]] = OrderedDict()  # by has_holder, too

    def hear(self, reporter: AgentId, missing: Runs, *, is_alone: bool, has_holder: bool, now: float) -> Runs:
        """What may be believed lost by now. `is_alone`: nobody else lacks anything, so nobody else can confirm it."""
        since, before = self._missing.pop((reporter, has_holder), (now, ()))
        still = run_sets.intersect(missing, before)
        since = since if still else now
        believed = still if now - since >= (HOLDER_S if has_holder else ALONE_S) else run_sets.EMPTY
        if not has_holder:
            believed = missing if is_alone else run_sets.union(believed, self._confirmed(missing))
        self._keep((reporter, has_holder), since, run_sets.subtract(missing, believed))
        return believed

    def forget(self, reporter: AgentId) -> None:
        """Its word counts no longer."""
        for has_holder in (False, True):
            self._missing.pop((reporter, has_holder), None)

    def _confirmed(self, missing: Runs) -> Runs:
        confirmed: Runs = ()
        for (_, has_holder), (_, other) in self._missing.items():
            if not has_holder:
                confirmed = run_sets.union(confirmed, run_sets.intersect(missing, other))
        return confirmed

    def _keep(self, key: tuple[AgentId, bool], since: float, missing: Runs) -> None:
        if missing:
            self._missing[key] = (since, missing[:RUNS_MAX])
            if len(self._missing) > REPORTERS_MAX:
                self._missing.popitem(last=False)
