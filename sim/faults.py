"""Faults at planned moments: cables pulled, programs killed or frozen, connections lost, trackers and stores away."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from sim.machine import Machine

if TYPE_CHECKING:
    from sim.simulation import Simulation


def plan_faults(simulation: Simulation) -> None:
    """Puts a scenario's faults on the heap."""
    scenario, world = simulation.scenario, simulation.world
    limit_s = simulation.limit_s
    _strike(simulation, scenario.killed, scenario.killed_at, world.rng("faults"), Machine.die)
    _strike(simulation, scenario.vanishing, scenario.killed_at, world.rng("vanishing"), Machine.vanish)
    _strike(simulation, scenario.frozen, scenario.frozen_at, world.rng("frozen"), _Freeze(scenario.thaw_after_s))
    if scenario.tracker_outage is not None and simulation.fabric.tracker is not None:
        world.at(scenario.tracker_outage.begins * limit_s, simulation.fabric.tracker.stop)
        world.at(scenario.tracker_outage.ends * limit_s, simulation.fabric.tracker.start)
    if scenario.store_outage is not None and simulation.fabric.store is not None:
        world.at(scenario.store_outage.begins * limit_s, simulation.fabric.store.stop)
        world.at(scenario.store_outage.ends * limit_s, simulation.fabric.store.start)
    if scenario.seeder_dies_at is not None:
        for machine in simulation.seeders:
            world.at(scenario.seeder_dies_at * limit_s, machine.die)
    if scenario.resets_per_s:
        _Resets(simulation).plan()
    if scenario.liars or (scenario.store_up is not None and not scenario.has_tracker):
        # Readers of a store that nobody leases to may know of different neighbours at first: a few blocks come twice.
        simulation.fabric.disturbed()


def _strike(simulation: Simulation, part: float, moment: float, rng: Random, strike: Callable[[Machine], None]) -> None:
    """A part of those that are there from the beginning."""
    scenario = simulation.scenario
    if part:
        first = simulation.peers[: len(simulation.peers) - round(scenario.joining * scenario.peers)]
        for machine in rng.sample(first, round(part * scenario.peers)):
            simulation.world.at(moment * simulation.limit_s, strike, machine)


class _Freeze:
    """Freezes a machine, for a while or for good."""

    def __init__(self, thaw_after_s: float | None) -> None:
        self._thaw_after_s = thaw_after_s

    def __call__(self, machine: Machine) -> None:
        machine.freeze(thaws=self._thaw_after_s is not None)
        if self._thaw_after_s is not None:
            machine.fabric.world.after(self._thaw_after_s, machine.thaw)


class _Resets:
    """Connections lost at random, one at a time (a Poisson process), the tracker's too."""

    def __init__(self, simulation: Simulation) -> None:
        self._fabric = simulation.fabric
        self._machines = simulation.machines
        self._rate = simulation.scenario.resets_per_s * len(self._machines)
        self._rng = simulation.world.rng("resets")

    def plan(self) -> None:
        """The next."""
        self._fabric.world.after(self._rng.expovariate(self._rate), self._reset)

    def _reset(self) -> None:
        machine = self._rng.choice(self._machines)
        wires = list(machine.wires.values())
        place = self._rng.randrange(len(wires) + 1)
        if place < len(wires):
            self._fabric.reset(wires[place])
        elif machine.tracker_wire is not None and self._fabric.tracker is not None:
            self._fabric.tracker.reset(machine)
        self.plan()
