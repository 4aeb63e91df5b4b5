"""Sizes, rates, durations: what is taken, what is refused, and that the refusal says what would be taken."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.config.quantities import (
    parse_duration,
    parse_linger,
    parse_rate,
    parse_size,
    show_duration,
    show_rate,
    show_size,
)
from swarm.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10MB", 10_000_000),
        ("100Mbit", 12_500_000),
        ("100 mbit/s", 12_500_000),
        ("100Mbps", 12_500_000),
        ("1.5MiB/s", 1_572_864),
        ("1Gbit", 125_000_000),
        ("8kbit", 1_000),
        ("500", 500),
        ("none", None),
        ("unlimited", None),
    ],
)
def test_rates(text: str, expected: int | None) -> None:
    assert parse_rate(text) == expected


@pytest.mark.parametrize(
    "text", ["", "fast", "-1MB", "0", "0Mbit", "10M", "10Mb", "10mb", "1e9", "10MB/h", "9999999PB"]
)
def test_what_is_no_rate_is_refused_with_a_form_that_is(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rate(text)
    assert caught.value.hint


def test_a_small_b_is_asked_about() -> None:
    with pytest.raises(UsageError, match="bytes or bits") as caught:
        parse_rate("10Mb")
    assert caught.value.hint == "write 10MB for bytes, 10Mbit for bits"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("4096", 4096), ("64KiB", 65536), ("1.5GB", 1_500_000_000), ("1 TiB", 2**40), ("12 bytes", 12)],
)
def test_sizes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["10Mbit", "10MB/s", "1MB2", "MB", "1,5MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30", 30), ("30s", 30), ("5min", 300), ("5m", 300), ("2h", 7200), ("1d", 86400), ("500ms", 0.5), ("1.5h", 5400)],
)
def test_durations(text: str, expected: float) -> None:
    assert parse_duration(text) == expected


def test_linger_is_a_duration_or_auto() -> None:
    assert parse_linger("auto") is None
    assert parse_linger("forever") == math.inf
    assert parse_linger("30s") == 30
    with pytest.raises(UsageError, match="not a duration"):
        parse_linger("automatic")


@pytest.mark.parametrize("text", ["", "-3", "3 weeks", "30s/s", "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (12_345_678, "12.3 MB"), (999_999, "1.00 MB"), (2.5e12, "2.50 TB")],
)
def test_sizes_are_shown_with_three_digits(amount: float, shown: str) -> None:
    assert show_size(amount) == shown
    assert show_rate(amount) == f"{shown}/s"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.42, "0.42 s"), (1.06, "1.1 s"), (12.2, "12 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"),
     (math.inf, "forever")],
)  # fmt: skip
def test_durations_are_shown_as_people_say_them(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_a_usage_error(text: str) -> None:
    for parse in (parse_size, parse_rate, parse_linger):
        try:
            found = parse(text)
        except UsageError:
            continue
        assert found is None or found >= 0


@given(st.integers(min_value=0, max_value=2**62))
def test_plain_numbers_are_exact(amount: int) -> None:
    assert parse_size(str(amount)) == amount
