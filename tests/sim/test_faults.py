"""Faults do what their names say, and only then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from sim.clock import Clock
from sim.machine import Machine
from sim.scenario import MBIT, Outage, Scenario
from sim.simulation import Simulation, simulate

SMALL = Scenario(peers=8, blocks=32)


def run_with(scenario: Scenario, seed: int = 1) -> tuple[Simulation, list[tuple[float, Machine]]]:
    """A run, and when which machine's node was told something."""
    simulation, told = Simulation(scenario, seed), list[tuple[float, Machine]]()
    for machine in simulation.peers:
        machine.on_handled = lambda machine: told.append((simulation.world.now, machine))
    report = simulation.run()
    assert report.finished == report.expected
    return simulation, told


def test_a_frozen_machine_is_told_nothing_until_it_thaws_and_then_finishes() -> None:
    simulation, told = run_with(replace(SMALL, frozen=0.25, thaw_after_s=3.0))
    begin = 0.5 * simulation.limit_s
    quiet = [m for m in simulation.peers if not [1 for time, one in told if one is m and begin < time < begin + 2.9]]
    assert len(quiet) == 2
    assert all(machine.completed_at is not None and machine.completed_at > begin + 3.0 for machine in quiet)


def test_what_never_thaws_owes_nothing_and_is_told_nothing() -> None:
    simulation, told = run_with(replace(SMALL, frozen=0.25))
    frozen = [machine for machine in simulation.peers if machine.is_frozen]
    assert len(frozen) == 2
    assert all(machine.completed_at is None for machine in frozen)
    assert max(time for time, machine in told if machine in frozen) <= 0.5 * simulation.limit_s


@pytest.mark.parametrize(("end", "is_known"), [(Machine.vanish, True), (Machine.die, False)])
def test_the_neighbours_of_a_program_that_dies_are_told_at_once_and_of_a_pulled_cable_not(
    end: Callable[[Machine], None], is_known: bool
) -> None:
    simulation, left = Simulation(SMALL, 1), list[int]()
    gone, *others = simulation.peers

    def count() -> None:
        left.append(sum(gone in (wire.dialer, wire.acceptor) for other in others for wire in other.wires.values()))

    for delay_s, call in ((0.0, count), (0.0, lambda: end(gone)), (0.01, count)):
        simulation.world.at(1.0 + delay_s, call)
    report = simulation.run()
    assert left[0] > 0
    assert (left[1] == 0) == is_known
    assert report.finished == 7


def test_connections_are_lost_with_what_was_on_its_way() -> None:
    simulation, lost = Simulation(replace(SMALL, resets_per_s=1.0), 1), list[object]()
    reset = simulation.fabric.reset
    simulation.fabric.reset = lambda wire: (lost.append(wire), reset(wire))  # type: ignore[method-assign, assignment, func-returns-value]
    report = simulation.run()
    assert report.finished == 8
    assert len(lost) >= 8
    assert report.wasted_bytes > 0


def test_a_store_that_is_away_fails_reads_and_is_read_again_when_it_is_back() -> None:
    here = replace(SMALL, seeders=0, store_up=100 * MBIT)
    away = replace(here, store_outage=Outage(0.2, 0.8))
    calm, broken = simulate(here, 1), simulate(away, 1)
    assert broken.finished == 8
    assert broken.last_s > calm.last_s + 0.5 * calm.limit_s


@pytest.mark.parametrize("skew_s", [0.0, 300_000.0])
def test_nobodys_clock_matters_to_another(skew_s: float) -> None:
    """Offsets of days change nothing but the last digits; a drift of a thousandth next to nothing."""
    report = simulate(replace(SMALL, clock_skew_s=skew_s, clock_drift=0.001, last_max=1.05, origin_max=1.0), 1)
    assert report.problems == ()
    assert report.origin_ratio == pytest.approx(1.0)


def test_a_clock_shows_its_own_time_and_is_asked_back() -> None:
    clock = Clock(100.0, 1.5)
    assert clock.reading(4.0) == 106.0
    assert clock.reading(clock.world_time(106.0)) == pytest.approx(106.0, abs=1e-6)
    assert clock.reading(clock.world_time(106.0)) > 106.0


def test_a_mix_of_links_is_dealt_by_its_weights() -> None:
    mix = ((3.0, 10.0, 20.0), (1.0, 30.0, 40.0))
    simulation = Simulation(replace(SMALL, links=mix), 1)
    dealt = Counter((machine.up_rate, machine.down_rate) for machine in simulation.peers)
    assert dealt == {(10.0, 20.0): 6, (30.0, 40.0): 2}


def test_latencies_lie_between_their_bounds_and_two_machines_are_apart_by_the_mean() -> None:
    simulation = Simulation(replace(SMALL, latency_s=0.001, latency_to_s=0.1), 1)
    latencies = sorted(machine.latency_s for machine in simulation.peers)
    assert 0.001 <= latencies[0] < latencies[-1] <= 0.1
    assert all(one != other for one, other in pairwise(latencies))
    simulation.run()
    wires = [wire for machine in simulation.peers for wire in machine.wires.values()]
    assert wires
    assert all(wire.latency_s == (wire.dialer.latency_s + wire.acceptor.latency_s) / 2 for wire in wires)


def test_machines_are_dealt_to_sites_and_what_crosses_is_reported() -> None:
    scenario = replace(SMALL, sites=2, border=20 * MBIT)
    simulation = Simulation(scenario, 1)
    assert Counter(machine.site for machine in simulation.peers) == {"site-0": 4, "site-1": 4}
    report = simulation.run()
    assert report.border_ratio > 0.999
    assert report.border_bytes == round(report.border_ratio * report.bytes)
    assert report.limit_s == pytest.approx(report.bytes / (20 * MBIT))
    assert "borders" in report.as_text()
    assert simulate(SMALL, 1).border_bytes == 0


def test_a_thin_border_is_never_exceeded() -> None:
    scenario = replace(SMALL, sites=2, border=20 * MBIT)
    simulation = Simulation(scenario, 1)
    report = simulation.run()
    assert report.border_bytes <= 2 * 20 * MBIT * simulation.world.now * 1.001
