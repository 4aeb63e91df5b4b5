"""`kill -9` at every step: DEST is the old version or the new one, and the next run ends right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swarm.holdings import open_holdings
from tests.holdings.versions import expected, fill, keep, listing
from tests.holdings.versions_to_kill import LARGE, LARGE_OLD

SCENARIOS = ("fresh", "exchange", "inside", "repair")
STRIDE = 17
TREE = Path(__file__).parents[2]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_fetch_killed_at_some_steps(scenario: str, tmp_path: Path) -> None:
    _sweep(scenario, tmp_path, first=SCENARIOS.index(scenario), stride=STRIDE)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_fetch_killed_at_every_step(scenario: str, tmp_path: Path) -> None:
    _sweep(scenario, tmp_path, first=0, stride=1)


def _sweep(scenario: str, directory: Path, first: int, stride: int) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.holdings.crashes",
        scenario,
        str(directory / "run"),
        str(first),
        str(stride),
    ]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "killed" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_large_fetch_killed_at_random_moments(tmp_path: Path) -> None:
    """Twenty times; what was verified before a kill never comes again."""
    rng = random.Random(5)
    home, dest = tmp_path / "home", tmp_path / "dest"
    async with open_holdings(home) as holdings:
        await keep(holdings, LARGE_OLD)
        async with holdings.stage(LARGE_OLD.version, dest) as staging:
            await fill(staging, LARGE_OLD)
            await staging.commit()
    before, after, kills = listing(dest), expected(LARGE), 0
    for _ in range(60):
        command = [sys.executable, "-m", "tests.holdings.versions_to_kill", str(home), str(dest)]
        child = subprocess.Popen(command, cwd=TREE)
        time.sleep(0.3 + rng.random() * 1.2)
        child.send_signal(signal.SIGKILL)
        kills += child.wait() == -signal.SIGKILL
        assert listing(dest) in (before, after)
        if kills == 20 or child.returncode == 0:
            break
    assert kills
    async with open_holdings(home) as holdings:
        await keep(holdings, LARGE)
        async with holdings.stage(LARGE.version, dest) as staging:
            await staging.reuse()
            await fill(staging, LARGE)
            assert staging.bytes_refetched == 0
            await staging.commit()
        assert (await holdings.verify(dest)).is_whole
    assert listing(dest) == after
    assert sorted(os.listdir(tmp_path)) == ["dest", "home"]
