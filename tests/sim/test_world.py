"""Virtual time and its rngs; reports; what is checked is really checked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.report import percentile
from sim.scenario import Scenario
from sim.scenarios import SCENARIOS
from sim.simulation import Simulation, simulate
from sim.world import World
from swarm.exchange.policies import Policies
from swarm.exchange.slots import FixedSlots

SMALL = replace(SCENARIOS["flash-crowd"], peers=8, blocks=32)


def test_what_is_due_at_one_moment_happens_in_the_order_in_which_it_was_put() -> None:
    world, seen = World(1), []
    for name, time in (("late", 2.0), ("first", 1.0), ("second", 1.0)):
        world.at(time, seen.append, name)
    world.run(limit_s=10.0)
    assert seen == ["first", "second", "late"]


def test_time_stops_at_the_limit() -> None:
    world = World(1)
    world.at(5.0, lambda: None)
    assert not world.run(limit_s=3.0)
    assert world.now == 3.0


def test_each_purpose_has_luck_of_its_own() -> None:
    assert World(1).rng("a").random() == World(1).rng("a").random()
    assert World(1).rng("a").random() != World(1).rng("b").random()
    assert World(1).rng("a").random() != World(2).rng("a").random()


def test_percentiles_are_values_that_were_seen() -> None:
    times = [float(n) for n in range(1, 101)]
    assert [percentile(times, part) for part in (0.5, 0.9, 0.99, 1.0)] == [50.0, 90.0, 99.0, 100.0]
    assert percentile([3.0], 0.5) == 3.0
    assert percentile([], 0.5) == float("inf")


def test_a_swarm_that_cannot_finish_is_a_problem_and_says_why() -> None:
    scenario = replace(SMALL, seeder_dies_at=0.3, limit_factor=2.0)
    report = simulate(scenario, 1)
    assert report.finished < report.expected
    assert report.problems
    assert "lacks" in report.problems[0]


def test_a_node_that_contradicts_itself_stops_the_run() -> None:
    simulation = Simulation(SMALL, 1)
    simulation.world.at(1.0, _corrupt, simulation)
    with pytest.raises(AssertionError):
        simulation.run()


def _corrupt(simulation: Simulation) -> None:
    simulation.peers[0].node._state.credit.bytes_taken += 1


def test_a_machine_that_believes_to_have_what_it_has_not_is_a_problem() -> None:
    simulation = Simulation(SMALL, 1)
    simulation.world.at(1.0, _forget, simulation)
    report = simulation.run()
    assert any("never verified" in problem for problem in report.problems)


def _forget(simulation: Simulation) -> None:
    simulation.peers[0].verified &= simulation.peers[0].verified - 1


@pytest.mark.slow
@pytest.mark.parametrize("peers", [8, 64])
def test_a_flash_crowd_is_near_the_fluid_limit(peers: int) -> None:
    """128 blocks of 1 MiB, 100 Mbit/s, 1 ms: the goals of the first simulations."""
    report = simulate(Scenario(peers=peers, blocks=128), 1)
    assert report.problems == ()
    assert report.last_ratio <= 1.16
    assert report.origin_ratio <= 1.02
    assert report.worst_stall_s <= 1.5


@pytest.mark.slow
def test_extra_slots_keep_slow_peers_from_holding_the_fast() -> None:
    slow = replace(SCENARIOS["slow"], peers=32, blocks=96)
    without = replace(slow, policies=Policies(slot_rule=FixedSlots))
    adaptive, fixed = (sum(simulate(each, seed).fast_p99_s for seed in (1, 2, 3)) for each in (slow, without))
    assert adaptive < 0.95 * fixed


@pytest.mark.slow
def test_an_origin_that_does_not_name_blocks_gives_some_of_them_again_and_again() -> None:
    named = simulate(SMALL, 1)
    unnamed = simulate(replace(SMALL, policies=Policies(has_share=False)), 1)
    assert named.origin_ratio == pytest.approx(1.0)
    assert unnamed.origin_ratio > 1.05
