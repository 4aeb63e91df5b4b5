"""What holds for all tests: in which order several workers take them, and how Hypothesis looks for examples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent

# Hypothesis must not measure time: a loaded machine is no defect.
settings.register_profile("swarm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("swarm")

LONGEST = (
    "holdings/test_crash.py",
    "e2e/test_kills.py",
    "e2e/test_shapes.py",
    "e2e/test_s3.py",
    "sim/test_simulator.py",
    "e2e/test_evil_peers.py",
    "e2e/test_interruptions.py",
    "e2e/test_following.py",
    "e2e/test_refusals.py",
    "sim/test_rules.py",
    "e2e/test_bad_stores.py",
    "sim/test_world.py",
    "e2e/test_main_job.py",
    "cli/test_tutorial.py",
    "service/test_limits_on_sockets.py",
    "e2e/test_tags.py",
    "seeder/test_publish_process.py",
    "holdings/test_staging.py",
    "e2e/test_lan.py",
    "store/test_contract.py",
    "dataset/test_cutter.py",
    "e2e/test_hostile_manifests.py",
    "agent/test_limits.py",
    "e2e/test_disks.py",
    "e2e/test_fleet_on_rgw.py",
)
"""Modules that take from a quarter of a minute to three minutes each, in this order."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A worker takes module after module: the longest come first, so that none is begun when the others are done."""
    if not hasattr(config, "workerinput"):
        return
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    first = {HERE / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (first.get(item.path, len(first)), -slow[item.path]))
