"""What a scenario promises is held at the end of a run, for versions of any size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.bounds import broken, last_allowed_s, origin_allowed
from sim.scenario import Scenario
from sim.scenarios import SCENARIOS
from sim.simulation import Simulation, simulate

SMALL = replace(SCENARIOS["flash-crowd"], peers=6, blocks=16)


def test_a_last_finish_beyond_the_bound_is_a_problem() -> None:
    report = simulate(replace(SMALL, last_max=0.5), 1)
    assert any("the last finished" in problem for problem in report.problems)


def test_more_copies_out_of_the_origin_than_allowed_are_a_problem() -> None:
    report = simulate(SMALL, 1)
    assert broken(SMALL, report) == []
    more = replace(report, origin_ratio=1.5)
    assert [problem for problem in broken(SMALL, more) if "copies left the origin" in problem]


def test_a_scenario_without_bounds_allows_everything() -> None:
    free = replace(SMALL, last_max=None, origin_max=None)
    assert last_allowed_s(free, 10.0) == float("inf")
    assert origin_allowed(free) == float("inf")


def test_the_tail_that_is_allowed_grows_with_the_machines_and_not_with_the_blocks() -> None:
    tail = {
        (peers, blocks): last_allowed_s(replace(SMALL, peers=peers, blocks=blocks), 100.0)
        for peers in (7, 63)
        for blocks in (64, 4096)
    }
    assert tail[7, 64] == tail[7, 4096]
    block_s = SMALL.block_size / SMALL.up
    assert tail[63, 64] - tail[7, 64] == pytest.approx(2.2 * 3 * (block_s + 0.008))


def test_a_few_blocks_may_leave_the_origin_again_for_each_machine_that_is_gone() -> None:
    calm = Scenario(peers=10, blocks=100, origin_max=1.0)
    assert origin_allowed(calm) == pytest.approx(1.02)
    assert origin_allowed(replace(calm, killed=0.2)) == pytest.approx(1.08)


def test_every_scenario_has_a_bound_for_its_origin() -> None:
    assert [name for name, scenario in SCENARIOS.items() if scenario.origin_max is None] == []


def test_a_block_that_leaves_the_origin_twice_is_a_problem_at_once_where_nothing_has_happened() -> None:
    simulation = Simulation(SMALL, 1)
    simulation.checkers.given(3)
    report = simulation.run()
    assert "block 3 left the origin again, and nothing had happened" in report.problems


def test_after_a_death_a_block_may_leave_the_origin_again() -> None:
    simulation = Simulation(replace(SMALL, killed=0.2), 1)
    simulation.world.at(0.6 * simulation.limit_s, lambda: simulation.fabric.on_given(3))
    simulation.world.at(0.6 * simulation.limit_s, lambda: simulation.fabric.on_given(3))
    assert not [problem for problem in simulation.run().problems if "again" in problem]


def test_the_latency_allowed_for_is_the_middle_where_each_machine_has_its_own() -> None:
    mixed = replace(SMALL, latency_s=0.01, latency_to_s=0.03)
    assert last_allowed_s(mixed, 5.0) == pytest.approx(last_allowed_s(replace(SMALL, latency_s=0.02), 5.0))
