"""Two sites behind a thin border, with the production node and tracker: each block enters a site about once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.rules import without
from sim.scenario import MBIT, Outage, Scenario
from sim.simulation import simulate

TWO = Scenario(peers=8, blocks=32, sites=2, border=20 * MBIT)
"""Two sites of four, the seeder in the first: a border of one site is crossed, once a block."""

STORE = replace(TWO, seeders=0, store_up=100 * MBIT)
"""The store is in no site: what a site reads there enters it, too."""


@pytest.mark.parametrize(
    ("scenario", "entries"),
    [
        pytest.param(TWO, 1.0, id="seeder"),
        pytest.param(replace(TWO, seeders=2), 1.0, id="two seeders of one site"),
        pytest.param(replace(TWO, has_tracker=False), 1.0, id="no tracker"),
        pytest.param(replace(TWO, tracker_outage=Outage(0.2, 0.4)), 1.0, id="tracker restarts"),
        pytest.param(replace(TWO, latency_s=0.025), 1.0, id="far"),
        pytest.param(replace(TWO, peers=12, sites=3), 2.0, id="three sites"),
        pytest.param(STORE, 2.0, id="store"),
        pytest.param(replace(STORE, tracker_outage=Outage(0.2, 0.4)), 2.0, id="store, tracker restarts"),
    ],
)
def test_each_block_enters_a_site_about_once(scenario: Scenario, entries: float) -> None:
    report = simulate(scenario, 3)
    assert report.finished == report.expected
    assert report.border_ratio <= entries + 2.01 / scenario.blocks, "two blocks may cross again"


def test_borders_are_crossed_more_often_without_leases() -> None:
    report = simulate(replace(TWO, policies=without(TWO.policies, ["borders"])), 3)
    assert report.border_ratio > 1.5


def test_who_dies_with_a_lease_holds_nobody_up() -> None:
    report = simulate(replace(TWO, peers=16, killed=0.25, killed_at=0.3), 3)
    assert report.finished == report.expected
    assert report.border_ratio <= 1.15
    assert report.worst_stall_s <= 8.0


def test_one_site_says_nothing_of_sites() -> None:
    scenario = replace(TWO, sites=1)
    ignorant = replace(scenario, policies=without(scenario.policies, ["borders"]))
    assert simulate(scenario, 3) == simulate(ignorant, 3)
