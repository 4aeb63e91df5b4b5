"""Faults at planned moments: cables pulled, trackers away and back without memory, seeders that die."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.simulation import Simulation


def plan_faults(simulation: Simulation) -> None:
    """Puts a scenario's faults on the heap."""
    scenario, world = simulation.scenario, simulation.world
    limit_s = simulation.limit_s
    rng = world.rng("faults")
    if scenario.killed:
        first = simulation.peers[: len(simulation.peers) - round(scenario.joining * scenario.peers)]
        for machine in rng.sample(first, round(scenario.killed * scenario.peers)):
            world.at(scenario.killed_at * limit_s, machine.die)
    if scenario.tracker_outage is not None and simulation.fabric.tracker is not None:
        world.at(scenario.tracker_outage.begins * limit_s, simulation.fabric.tracker.stop)
        world.at(scenario.tracker_outage.ends * limit_s, simulation.fabric.tracker.start)
    if scenario.seeder_dies_at is not None:
        for machine in simulation.seeders:
            world.at(scenario.seeder_dies_at * limit_s, machine.die)
