"""How many blocks move at once."""

from __future__ import annotations

import pytest

from swarm.exchange.slots import (
    LONG_BLOCKS,
    PROBE_S,
    SLOTS_MAX,
    SLOTS_MIN,
    AdaptiveSlots,
    FixedSlots,
    base_slots,
    run_length,
)


@pytest.mark.parametrize(
    ("rtt_s", "block_time_s", "slots"),
    [
        (0.002, 0.084, 2),
        (0.02, 0.084, 2),
        (0.03, 0.084, 3),
        (0.05, 0.084, 5),
        (0.1, 0.084, 8),
        (0.3, 0.001, 8),
        (0.1, 0.0, 2),
    ],
)
def test_slots_cover_eight_round_trips_between_two_and_eight(rtt_s: float, block_time_s: float, slots: int) -> None:
    assert base_slots(rtt_s, block_time_s, 100) == slots


def test_versions_of_many_blocks_have_three_at_least() -> None:
    assert base_slots(0.002, 0.084, LONG_BLOCKS - 1) == 2
    assert base_slots(0.002, 0.084, LONG_BLOCKS) == 3
    assert base_slots(0.1, 0.084, LONG_BLOCKS) == 8


def test_where_even_eight_slots_do_not_cover_them_a_grant_covers_several_blocks() -> None:
    assert run_length(0.002, 0.084, 2, 100_000) == 1
    assert run_length(0.1, 0.011, SLOTS_MAX, 100_000) == 10
    assert run_length(10.0, 0.001, SLOTS_MAX, 100_000) == 64
    assert run_length(0.1, 0.0, 2, 100_000) == 1


def test_where_blocks_are_quick_a_grant_covers_eighty_milliseconds_and_never_much_of_the_version() -> None:
    assert run_length(0.001, 0.084, 3, 100_000) == 1
    assert run_length(0.001, 0.042, 3, 100_000) == 2
    assert run_length(0.001, 0.02, 3, 100_000) == 4
    assert run_length(0.001, 0.02, 3, 100_000, grant_s=0.0) == 1
    assert run_length(0.001, 0.02, 3, 512) == 2
    assert run_length(0.001, 0.02, 3, 128) == 1


def count(rule: AdaptiveSlots, *, busy: int = 2, occupied: float = 2.0, rate: float, now: float = 0.0) -> int:
    return rule.count(base=SLOTS_MIN, busy=busy, occupied=occupied, rate=rate, capacity=100.0, now=now)


def test_a_link_that_is_not_full_gets_one_slot_more() -> None:
    assert count(AdaptiveSlots(), rate=50.0) == 3
    assert count(AdaptiveSlots(), busy=5, occupied=5.0, rate=50.0) == 6
    assert count(AdaptiveSlots(), busy=SLOTS_MAX, occupied=8.0, rate=50.0) == SLOTS_MAX


def test_a_full_link_gets_none() -> None:
    assert count(AdaptiveSlots(), rate=90.0) == SLOTS_MIN


def test_a_tenth_of_a_second_is_chance() -> None:
    rule = AdaptiveSlots()
    for tenth in range(10):
        assert count(rule, rate=95.0, now=tenth / 10) == SLOTS_MIN
    assert count(rule, rate=40.0, now=1.0) == SLOTS_MIN
    assert [count(rule, rate=40.0, now=1.0 + tenth / 10) for tenth in range(1, 5)][-1] == SLOTS_MIN + 1


def test_a_rate_that_is_low_because_slots_were_empty_says_nothing() -> None:
    assert count(AdaptiveSlots(), occupied=0.4, rate=20.0) == SLOTS_MIN
    assert count(AdaptiveSlots(), busy=1, rate=20.0) == SLOTS_MIN
    assert count(AdaptiveSlots(), occupied=1.2, rate=55.0) == SLOTS_MIN


def test_a_link_whose_partners_are_all_slow_is_found_out_by_a_block_now_and_then() -> None:
    rule = AdaptiveSlots()
    assert [count(rule, rate=95.0, now=now) for now in (1.0, PROBE_S, PROBE_S + 1, 2 * PROBE_S)] == [2, 3, 2, 3]


def test_fixed_slots_stay() -> None:
    assert FixedSlots().count(base=2, busy=2, occupied=2.0, rate=0.0, capacity=100.0, now=0.0) == 2
