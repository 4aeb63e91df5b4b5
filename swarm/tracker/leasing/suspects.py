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

HOLDER_S = 4.5
"""The same, where somebody should have the block and was named to the agent: until its next word. It has had nothing
new by then, and not a byte, for 10 s."""

UNSERVED_S = 60.0
"""Whom the named holders let down is believed at once for so long: else a seeder that only says that it has everything
would hold up the blocks as long as the pages before them."""


class Suspects:
    """Who misses what, since when."""

    def __init__(self) -> None:
        self._missing: OrderedDict[tuple[AgentId, bool], tuple[float, Runs]] = OrderedDict()  # by has_holder, too
        self._unserved: OrderedDict[AgentId, float] = OrderedDict()  # since when holders that were named gave nothing

    def hear(self, reporter: AgentId, missing: Runs, *, is_alone: bool, has_holder: bool, now: float) -> Runs:
        """What may be believed lost by now. `is_alone`: nobody else lacks anything, so nobody else can confirm it."""
        since, before = self._missing.pop((reporter, has_holder), (now, ()))
        still = run_sets.intersect(missing, before)
        since = since if still else now
        believed = still if now - since >= (HOLDER_S if has_holder else ALONE_S) else run_sets.EMPTY
        if has_holder:
            believed = missing if is_alone and self._is_unserved(reporter, now) else believed
            self._note_unserved(reporter, believed, now)
        else:
            believed = missing if is_alone else run_sets.union(believed, self._confirmed(missing))
        self._keep((reporter, has_holder), since, run_sets.subtract(missing, believed))
        return believed

    def forget(self, reporter: AgentId) -> None:
        """Its word counts no longer."""
        for has_holder in (False, True):
            self._missing.pop((reporter, has_holder), None)
        self._unserved.pop(reporter, None)

    def _is_unserved(self, reporter: AgentId, now: float) -> bool:
        return now - self._unserved.get(reporter, -UNSERVED_S) < UNSERVED_S

    def _note_unserved(self, reporter: AgentId, believed: Runs, now: float) -> None:
        if believed:
            self._unserved[reporter] = now
            self._unserved.move_to_end(reporter)
            if len(self._unserved) > REPORTERS_MAX:
                self._unserved.popitem(last=False)

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
