"""What a run was like over time, for pictures: bytes by source, and how many machines have the rarest block.

It looks now and then and changes nothing: a run is the same with it and without.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.network import Line
    from sim.simulation import Simulation

SAMPLES = 200
"""Until the fluid limit; a run that takes longer has more, at the same distance."""

SAMPLES_MAX = 4000
"""Of a run that never ends."""


@dataclass
class Recording:
    """One value for each moment of `times` (s). Bytes are sums since the beginning; rarity counts machines."""

    times: list[float] = field(default_factory=list)
    seeder_bytes: list[float] = field(default_factory=list)
    store_bytes: list[float] = field(default_factory=list)
    peer_bytes: list[float] = field(default_factory=list)
    rarest: list[int] = field(default_factory=list)
    """How many living machines that are no origin have the rarest block."""
    typical: list[int] = field(default_factory=list)
    """The same of the block in the middle."""
    finishes: list[float] = field(default_factory=list)


class Recorder:
    """Samples a simulation; `recording` is whole when the simulation has run."""

    def __init__(self, simulation: Simulation) -> None:
        self.recording = Recording()
        self._simulation = simulation
        self._step_s = simulation.limit_s / SAMPLES
        simulation.world.at(0.0, self._sample)

    def finish(self) -> Recording:
        """After the run."""
        self._look()
        times = (machine.completed_at for machine in self._simulation.peers)
        self.recording.finishes = sorted(time for time in times if time is not None)
        return self.recording

    def _sample(self) -> None:
        self._look()
        if len(self.recording.times) < SAMPLES_MAX:
            self._simulation.world.after(self._step_s, self._sample)

    def _look(self) -> None:
        simulation, recording, now = self._simulation, self.recording, self._simulation.world.now
        store = simulation.fabric.store
        recording.times.append(now)
        recording.seeder_bytes.append(sum(_moved(machine.up, now) for machine in simulation.seeders))
        recording.store_bytes.append(_moved(store.up, now) if store is not None else 0.0)
        recording.peer_bytes.append(sum(_moved(machine.up, now) for machine in simulation.peers))
        rarest, typical = self._rarity()
        recording.rarest.append(rarest)
        recording.typical.append(typical)

    def _rarity(self) -> tuple[int, int]:
        simulation = self._simulation
        counts = [0] * simulation.dataset.size
        for machine in simulation.peers:
            if not machine.is_dead and machine.left_at is None:
                for index, has in enumerate(reversed(f"{machine.verified:b}")):
                    counts[index] += has == "1"
        counts.sort()
        return counts[0], counts[len(counts) // 2]


def _moved(line: Line, now: float) -> float:
    """Bytes of a line so far, and nothing settled: settling would round, and rounding can change a run."""
    return line.bytes + sum(min(flow.left, flow.rate * (now - flow.moment)) for flow in line.flows)
