"""What must hold while a simulation runs, and at its end, whatever the faults were."""

from __future__ import annotations

from sim.dataset import Dataset
from sim.machine import Machine

CHECKED_PEERS_MAX = 12
"""In runs of up to so many machines every node is checked after every event; in greater ones now and then."""


class Checkers:
    """Watches machines; problems are sentences."""

    def __init__(self, dataset: Dataset, *, every: int) -> None:
        self.problems: list[str] = []
        self._dataset = dataset
        self._every = every
        self._count = 0
        self._given: set[int] = set()

    def watch(self, machine: Machine) -> None:
        """Its node is checked after (every so many) events."""
        machine.on_handled = self._handled

    def _handled(self, machine: Machine) -> None:
        self._count += 1
        if self._count % self._every:
            return
        machine.node.check()
        self._check_verified(machine)

    def _check_verified(self, machine: Machine) -> None:
        for session in machine.node.statistics().sessions:
            if session.have > machine.verified.bit_count():
                self.problems.append(f"machine {machine.number} believes to have what was never verified")

    def given(self, index: int) -> None:
        """A block has left the origin, and nobody has left, died, frozen, lied or lost a connection: once is enough."""
        if index in self._given:
            self.problems.append(f"block {index} left the origin again, and nothing had happened")
        self._given.add(index)

    def finish(self, machines: list[Machine]) -> None:
        """At the end: everybody who lives and wanted the version has all of it."""
        version = self._dataset.version
        for machine in machines:
            if machine.completed_at is not None or machine.started_at is None:
                continue
            lacking = [i for i in range(self._dataset.size) if not machine.verified >> i & 1]
            reason = machine.node.why(version, lacking[0], machine.now) if lacking else "nothing is lacking"
            self.problems.append(f"machine {machine.number} lacks {len(lacking)} blocks; {lacking[:1]}: {reason}")
