"""--mtime and SOURCE_DATE_EPOCH."""

from __future__ import annotations

import pytest

from swarm.dataset.mtime import MtimeRule, kept_time, mtime_rule
from swarm.errors import UsageError


@pytest.mark.parametrize(
    ("text", "epoch", "rule"),
    [
        (None, None, "keep"),
        (None, "", "keep"),
        (None, "1700000000", 1_700_000_000 * 10**9),
        ("keep", "1700000000", "keep"),
        ("none", None, "none"),
        ("0", None, 0),
        ("@12", None, 12 * 10**9),
        ("-3", None, -3 * 10**9),
        ("1970-01-02", None, 86400 * 10**9),
        ("1970-01-01T00:00:01.000001Z", None, 1_000_001_000),
        ("1970-01-01T02:00:00+02:00", None, 0),
    ],
)
def test_what_is_said_and_the_environment_make_a_rule(text: str | None, epoch: str | None, rule: MtimeRule) -> None:
    assert mtime_rule(text, {} if epoch is None else {"SOURCE_DATE_EPOCH": epoch}) == rule


@pytest.mark.parametrize("text", ["", "yesterday", "12x", "@", "99999999999", "2300-01-01", "²"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        mtime_rule(text, {})


def test_a_bad_epoch_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        mtime_rule(None, {"SOURCE_DATE_EPOCH": "now"})


def test_what_a_version_keeps() -> None:
    assert [kept_time(rule, 5) for rule in ("keep", "none", 7)] == [5, None, 7]
