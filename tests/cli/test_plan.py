"""`swarm plan`: resolves a name in a real directory store and simulates a rollout of what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_datasets import World


@pytest.fixture
def world(tmp_path: Path, home: Path, run: Run) -> World:
    return World(tmp_path, home, run)


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    path = tmp_path / "fleet.toml"
    path.write_text('price_per_gb = 0.1\n[[group]]\nname = "boxes"\ncount = 4\nup = 100\ndown = 100\n')
    return str(path)


def test_a_plan_is_of_the_version_that_the_tag_means(world: World, fleet: str) -> None:
    (found,) = world.run("plan", "places:1.0.0", "--fleet", fleet, "--json").objects
    totals = world.publication.version.root.totals
    assert (found["event"], found["name"], found["machines"]) == ("plan", "places:1.0.0", 4)
    assert (found["bytes"], found["blocks"]) == (totals.block_bytes, totals.blocks)
    assert found["limit_s"] < found["p50_s"] <= found["last_s"]
    assert found["alone_bytes"] == 4 * found["bytes"]
    assert found["cost"] < found["alone_cost"]


def test_a_plan_is_a_page_for_people_and_a_price_of_the_command_goes_first(world: World, fleet: str) -> None:
    ended = world.run("plan", "places", "--fleet", fleet, "--price", "100000")
    assert ended.code == 0
    assert "4 machines" in ended.out
    assert "what limits it" in ended.out
    assert "costs" in ended.out


def test_what_a_plan_lacks_is_a_user_error(world: World, fleet: str, tmp_path: Path) -> None:
    assert world.run("plan", "places").code == 2
    missing = world.run("plan", "places", "--fleet", str(tmp_path / "none.toml"))
    assert missing.code == 2
    assert "none.toml" in missing.err
    assert world.run("plan", "places", "--fleet", fleet, "--price", "-1").code == 2
    assert world.run("plan", "unknown", "--fleet", fleet).code == 3
