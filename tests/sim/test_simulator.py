"""The simulator as a user runs it: the same seed gives the same run, and every scenario ends well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from sim.scenarios import SCENARIOS
from sim.simulation import simulate

PEERS, BLOCKS = "12", "24"


def run(*words: str, hash_seed: str = "0") -> dict[str, object]:
    """The last line of `python -m sim … --json`."""
    done = subprocess.run(
        [sys.executable, "-m", "sim", *words, "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_under_any_hash_seed() -> None:
    words = ("--seed", "7", "--peers", PEERS, "--blocks", BLOCKS)
    assert run(*words, hash_seed="1") == run(*words, hash_seed="4242")


@pytest.mark.slow
def test_another_seed_gives_another_run() -> None:
    words = ("--peers", PEERS, "--blocks", BLOCKS)
    assert run("--seed", "1", *words) != run("--seed", "2", *words)


def test_each_block_leaves_the_origin_once() -> None:
    found = run("--seed", "7", "--peers", PEERS, "--blocks", BLOCKS)
    assert found["finished"] == found["expected"]
    assert found["origin_ratio"] == 1.0
    assert found["duplicates"] == 0


FAST = {"flash-crowd", "churn", "liars", "sites", "store", "store-restart", "no-tracker"}
"""One of each kind; the others are among the slow tests."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in sorted(SCENARIOS)]
)
def test_every_scenario_ends_with_all_that_live_complete_and_within_its_bounds(name: str) -> None:
    scenario = SCENARIOS[name]
    found = simulate(replace(scenario, peers=min(12, scenario.peers), blocks=24), 3)
    assert found.problems == ()
    assert found.finished == found.expected
