"""Which part of a version each living seeder is to give. No index is in two shares.

Here: what has not left the origin is split evenly, in runs, among the seeders that are there when the swarm begins;
one that comes later gets what falls free. Splitting by measured rates, and giving more as a share drains, only needs
another `split` and another reason to call `assign`.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarm.protocol import runs as run_sets
from swarm.protocol.bounds import RUNS_MAX
from swarm.protocol.ids import AgentId, Runs, VersionId


class Shares:
    """The shares of all versions. Says which have changed; nothing here sends."""

    def __init__(self) -> None:
        self._parts: dict[VersionId, dict[AgentId, Runs]] = {}
        self._changed: dict[tuple[VersionId, AgentId], None] = {}

    def seeders(self, version: VersionId) -> tuple[AgentId, ...]:
        return tuple(self._parts.get(version, {}))

    def versions(self) -> tuple[VersionId, ...]:
        """Versions with a living seeder."""
        return tuple(self._parts)

    def of(self, version: VersionId, agent: AgentId) -> Runs:
        return self._parts.get(version, {}).get(agent, ())

    def start(self, version: VersionId, agent: AgentId) -> None:
        """A seeder is there, or there again: it is told its share, which is empty at first."""
        self._parts.setdefault(version, {}).setdefault(agent, ())
        self._changed[version, agent] = None

    def assign(self, version: VersionId, runs: Runs, seeders: Sequence[AgentId]) -> None:
        """Splits among `seeders` what of `runs` is in nobody's share, adding to what they have."""
        parts = self._parts[version]
        for part in parts.values():
            runs = run_sets.subtract(runs, part)
        for agent, part in zip(seeders, split(runs, len(seeders)), strict=True):
            if part:
                parts[agent] = run_sets.union(parts[agent], part)
                self._changed[version, agent] = None

    def collect(self, version: VersionId) -> Runs:
        """Empties all shares of a version, to be split again."""
        parts = self._parts.get(version, {})
        everything = run_sets.normalise(run for part in parts.values() for run in part)
        for agent in parts:
            parts[agent] = ()
            self._changed[version, agent] = None
        return everything

    def end(self, version: VersionId, agent: AgentId) -> Runs:
        """A seeder is gone; returns what was its share."""
        parts = self._parts.get(version, {})
        share = parts.pop(agent, ())
        self._changed.pop((version, agent), None)
        if not parts:
            self._parts.pop(version, None)
        return share

    def changed(self) -> list[tuple[VersionId, AgentId, Runs]]:
        """Shares to be told, since the last call."""
        told = [(version, agent, self._parts[version][agent][:RUNS_MAX]) for version, agent in self._changed]
        self._changed.clear()
        return told

    def check(self) -> None:
        """No index in two shares."""
        for parts in self._parts.values():
            assert parts
            assert all(run_sets.is_normal(part) for part in parts.values())
            together = run_sets.normalise(run for part in parts.values() for run in part)
            assert run_sets.count(together) == sum(map(run_sets.count, parts.values()))


def split(runs: Runs, count: int) -> list[Runs]:
    """`count` parts of as nearly equal size as can be, each in runs that are as long as can be."""
    total = run_sets.count(runs)
    parts: list[Runs] = []
    rest = runs
    for taken in range(count):
        size = total * (taken + 1) // count - total * taken // count
        part, rest = _take(rest, size)
        parts.append(part)
    return parts


def _take(runs: Runs, size: int) -> tuple[Runs, Runs]:
    """The first `size` indexes, and the rest."""
    taken: list[tuple[int, int]] = []
    for place, (first, count) in enumerate(runs):
        if size < count:
            head = ((first, size),) if size else ()
            return (*taken, *head), ((first + size, count - size), *runs[place + 1 :])
        taken.append((first, count))
        size -= count
    return tuple(taken), ()
