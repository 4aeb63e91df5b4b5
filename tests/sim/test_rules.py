"""What each rule of the exchange is worth: a scenario with it, and the same without.

Fleets are small, so that this is quick; `docs/simulation.md` has the figures of great ones. Where two rules do the same
work, the other is left out on both sides (`beside`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sim.report import Report
from sim.rules import RULES, without
from sim.scenarios import SCENARIOS
from sim.simulation import simulate


def last(report: Report) -> float:
    return report.last_s


def middle(report: Report) -> float:
    return report.p50_s


def fast(report: Report) -> float:
    return report.fast_p99_s


def origin(report: Report) -> float:
    return report.origin_ratio


def border(report: Report) -> float:
    return report.border_ratio


def messages(report: Report) -> float:
    return report.messages_per_block


@dataclass(frozen=True)
class Case:
    """Without the rule `measure` is at least `times` what it is with it."""

    rule: str
    scenario: str
    measure: Callable[[Report], float]
    times: float
    changes: dict[str, Any] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)
    seeds: int = 1


CASES = [
    Case("matched-slots", "flash-crowd", last, 1.3, {"peers": 12, "blocks": 48}),
    Case("receive-limit", "slow", fast, 1.2, {"peers": 16, "blocks": 64}),
    Case("extra-slots", "slow", fast, 1.15, {"peers": 16, "blocks": 64, "slow": 0.4}, beside=["slow-senders"]),
    Case("slow-senders", "slow", fast, 1.07, {"peers": 32, "blocks": 200, "slow": 0.4}),
    Case("successors", "slow", origin, 1.04, {"peers": 24, "blocks": 256, "is_cut": True}),
    Case(
        "two-slots",
        "flash-crowd",
        last,
        1.08,
        {"peers": 12, "blocks": 64, "latency_s": 0.005},
        beside=["early-offers", "extra-slots"],
    ),
    Case("round-trips", "latency", last, 1.5, {"peers": 8, "blocks": 128, "block_size": 1 << 18}),
    Case("early-offers", "latency-10", last, 1.05, {"peers": 12, "blocks": 64}, beside=["round-trips"]),
    Case("answer-times", "queues", last, 1.05, {"peers": 8, "blocks": 96, "block_size": 1 << 18}),
    Case("grants", "flash-crowd", messages, 1.1, {"peers": 6, "blocks": 512, "block_size": 1 << 18}),
    Case("credit-steps", "flash-crowd", messages, 1.05, {"peers": 12, "blocks": 48}),
    Case("rarest-first", "flash-crowd", middle, 1.003, {"peers": 24, "blocks": 64}, seeds=2),
    Case("naming", "flash-crowd", origin, 1.1, {"peers": 12, "blocks": 48}),
    Case(
        "reviews",
        "churn",
        last,
        2.0,
        {"peers": 6, "blocks": 24, "killed": 0.5, "joining": 0.0, "limit_factor": 3.0},
    ),
    Case("suspicion", "liars-many", last, 1.2, {"peers": 20, "blocks": 48}),
    Case("linger", "leavers-slow", origin, 1.2, {"peers": 16, "blocks": 64, "linger": True}),
    Case("owners", "store-alone", origin, 2.0, {"peers": 12, "blocks": 32}),
    Case("borders", "sites", border, 1.5, {"blocks": 32}),
]


def test_every_rule_that_can_be_left_out_has_its_case() -> None:
    assert {case.rule for case in CASES} == set(RULES)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_without_the_rule_it_is_worse(case: Case) -> None:
    scenario = replace(SCENARIOS[case.scenario], last_max=None, origin_max=None, **case.changes)
    kept = replace(scenario, policies=without(scenario.policies, case.beside))
    left_out = replace(kept, policies=without(kept.policies, [case.rule]))
    found = sum(case.measure(simulate(kept, seed)) for seed in range(case.seeds))
    worse = sum(case.measure(simulate(left_out, seed)) for seed in range(case.seeds))
    assert worse >= case.times * found, f"{worse / case.seeds:.4f} against {found / case.seeds:.4f}"
