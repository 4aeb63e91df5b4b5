"""Rates: what moved in the last second, what the link has shown, when a transfer will end, how many slots were busy."""

from __future__ import annotations

import pytest

from swarm.exchange.rates import MEMORY_S, Occupancy, Pace, RateMeter


def meter_of(*counts: int, step: float = 0.1) -> tuple[RateMeter, float]:
    meter, now = RateMeter(), 10.0
    for count in counts:
        meter.add(count, now)
        now += step
    return meter, now - step


def test_the_rate_is_that_of_the_last_second() -> None:
    meter, now = meter_of(*[100] * 50)
    assert meter.rate(now) == pytest.approx(1000, rel=0.11)
    assert meter.rate(now + 2.0) == 0.0


def test_the_capacity_is_the_greatest_rate_over_a_whole_second() -> None:
    meter, now = meter_of(*[100] * 20, *[10] * 20)
    assert meter.capacity(now) == pytest.approx(1000, rel=0.11)
    assert meter.rate(now) == pytest.approx(100, rel=0.11)


def test_a_burst_shorter_than_a_second_is_no_capacity() -> None:
    meter, now = meter_of(5000, 0, 0, 0, 0)
    assert meter.capacity(now) == 0.0


def test_the_capacity_is_forgotten_with_time() -> None:
    meter, now = meter_of(*[100] * 20)
    assert meter.capacity(now + MEMORY_S + 1.0) == 0.0


def test_a_limit_bounds_the_capacity() -> None:
    meter, now = meter_of(*[100] * 20)
    meter.limit = 300
    assert meter.capacity(now) == 300


def test_a_transfer_ends_at_its_own_pace_or_at_that_of_its_forerunners() -> None:
    pace = Pace()
    assert pace.ends_at(0.0, 0.0, 100, 100) == float("inf")
    pace.note(100, 2.0)
    assert pace.ends_at(5.0, 5.0, 100, 100) == pytest.approx(7.0)
    assert pace.ends_at(5.0, 6.0, 100, 50) == pytest.approx(7.0)


def test_occupancy_is_an_average_over_time() -> None:
    occupancy = Occupancy()
    occupancy.take(0.0)
    occupancy.change(2, 0.0)
    occupancy.change(1, 3.0)
    assert occupancy.take(4.0) == (pytest.approx(1.75), 4.0)
    assert occupancy.busy == 1
    assert occupancy.take(5.0) == (pytest.approx(1.0), 1.0)
