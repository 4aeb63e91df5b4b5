"""From `swarm tracker`'s configuration to the tracker's rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.config.configs import CommonConfig, OriginBudget, TrackerConfig
from swarm.service.tracking import budget_of
from swarm.tracker.leasing.budget import OriginBudget as TrackerBudget


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (OriginBudget(), TrackerBudget()),
        (OriginBudget(3), TrackerBudget(copies=3)),
        (OriginBudget(1, is_per_site=True), TrackerBudget(is_per_site=True)),
        (OriginBudget(None, bytes=50), TrackerBudget(total_bytes=50)),
    ],
)
@pytest.mark.parametrize("fails_open", [True, False])
def test_a_budget_reaches_the_tracker(
    tmp_path: Path, given: OriginBudget, expected: TrackerBudget, *, fails_open: bool
) -> None:
    config = TrackerConfig(CommonConfig(tmp_path), origin_budget=given, origin_budget_fails_open=fails_open)
    found = budget_of(config)
    assert (found.copies, found.is_per_site, found.total_bytes) == (
        expected.copies, expected.is_per_site, expected.total_bytes
    )  # fmt: skip
    assert found.fails_closed is not fails_open
