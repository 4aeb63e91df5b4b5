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
from tests.holdings.versions import expected, fetch, fill, keep, listing
from tests.holdings.versions_to_kill import LARGE, LARGE_OLD, PART_BYTES

SCENARIOS = ("fresh", "exchange", "inside", "repair", "in place")
TREE = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_fetch_killed_at_every_step(scenario: str, tmp_path: Path) -> None:
    # An update in place is several updates, with several times the steps.
    stride = 5 if scenario == "in place" else 1
    command = [sys.executable, "-m", "tests.holdings.crashes", scenario, str(tmp_path / "run"), "0", str(stride)]
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


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_large_update_in_place_killed_at_random_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to twenty times: each file is that of one version, what is served is right, and the next run goes on."""
    monkeypatch.setattr("swarm.holdings.in_place._room", lambda *_arguments: PART_BYTES)
    rng = random.Random(6)
    home, dest = tmp_path / "home", tmp_path / "dest"
    async with open_holdings(home) as holdings:
        await fetch(holdings, LARGE_OLD, dest)
    wholes = {
        path: {made.contents.get(path) for made in (LARGE_OLD, LARGE)} for path in LARGE_OLD.contents | LARGE.contents
    }
    kills = 0
    while kills < 20:
        command = [sys.executable, "-m", "tests.holdings.versions_to_kill", str(home), str(dest), "in-place"]
        child = subprocess.Popen(command, cwd=TREE)
        time.sleep(0.3 + rng.random() * 1.2)
        child.send_signal(signal.SIGKILL)
        kills += child.wait() == -signal.SIGKILL
        for path, entry in listing(dest).items():
            assert entry[0] != "file" or entry[-1] in wholes[path]
        if child.returncode == 0:
            break
        async with open_holdings(home) as holdings:
            for made in (LARGE_OLD, LARGE):
                for index in made.block_indexes():
                    assert await holdings.read(made.id, index) in (None, made.block(index))
    assert kills
    async with open_holdings(home) as holdings:
        await keep(holdings, LARGE)
        is_end = False
        while not is_end:
            async with holdings.stage(LARGE.version, dest) as staging:
                await staging.reuse()
                await fill(staging, LARGE)
                is_end = (await staging.commit()).is_end
        assert (await holdings.verify(dest)).is_whole
    assert listing(dest) == expected(LARGE)
    assert sorted(os.listdir(tmp_path)) == ["dest", "home"]
