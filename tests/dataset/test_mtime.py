"""What a version keeps of a file's time."""

from __future__ import annotations

import pytest

from swarm.dataset.mtime import NANOSECONDS_MAX, check_rule, kept_time
from swarm.errors import UsageError


def test_times_are_kept_left_out_or_replaced() -> None:
    assert [kept_time(rule, 5) for rule in ("keep", "none", 7)] == [5, None, 7]


def test_a_time_past_the_range_becomes_its_end() -> None:
    assert kept_time("keep", 10**19) == NANOSECONDS_MAX
    assert kept_time("keep", -(10**19)) == -NANOSECONDS_MAX


@pytest.mark.parametrize("rule", [NANOSECONDS_MAX + 1, -NANOSECONDS_MAX - 1])
def test_a_rule_past_the_range_is_refused(rule: int) -> None:
    with pytest.raises(UsageError, match="out of range"):
        check_rule(rule)


def test_all_other_rules_are_legal() -> None:
    for rule in ("keep", "none", 0, -NANOSECONDS_MAX, NANOSECONDS_MAX):
        check_rule(rule)
