"""What an origin is still to give, and to whom it gives last."""

from __future__ import annotations

from random import Random

from swarm.exchange.bitset import full, indexes_of
from swarm.exchange.share import REVIEWS, Share
from swarm.exchange.spreading import FORGIVEN_AFTER_S, LATE_S, LATE_TIMES, SUSPECT_S, Spreading
from tests.exchange.script import agent


def review(share: Share, *, held: int = 0, moving: int = 0, lacked: int = 0xF) -> int:
    return share.review(held=held, moving=moving, lacked=lacked)


def test_every_block_is_named_once() -> None:
    share, rng = Share(0, full(8)), Random(1)
    named = []
    while mask := share.name(full(8), rng):
        share.give(mask)
        named += indexes_of(mask)
    assert sorted(named) == list(range(8))
    assert named != sorted(named), "at random"


def test_pages_are_named_first() -> None:
    share, rng = Share(2, full(8)), Random(1)
    assert share.name(full(8), rng, 5) == 0b11, "and alone: nothing else is of use before"
    first = share.name(full(8), rng)
    share.give(first)
    assert first | share.name(full(8), rng) == 0b11


def test_several_are_named_at_once_where_blocks_are_quick() -> None:
    share, rng = Share(0, full(8)), Random(1)
    named = share.name(0b00111111, rng, 4)
    assert named.bit_count() == 4
    share.give(named)
    assert share.name(0b00111111, rng, 4) == 0b00111111 & ~named


def test_what_was_given_and_nobody_holds_is_given_again_after_some_reviews_and_not_before() -> None:
    share = Share(0, full(4))
    share.give(0b0011)
    assert [review(share, held=0b0001) for _ in range(REVIEWS)] == [0] * (REVIEWS - 1) + [0b0010]
    assert share.to_give == 0b1110


def test_what_is_on_its_way_or_lacked_by_nobody_is_not_given_again() -> None:
    share = Share(0, full(4))
    share.give(0b0011)
    assert [review(share, moving=0b0001, lacked=0b0101) for _ in range(2 * REVIEWS)] == [0] * 2 * REVIEWS


def test_a_holder_seen_in_between_begins_the_reviews_anew() -> None:
    share = Share(0, full(4))
    share.give(0b0001)
    for held in (0, 0, 1, 0, 0):
        assert review(share, held=held) == 0
    assert review(share) == 0b0001


def test_what_is_new_in_a_share_is_to_be_given_unless_somebody_has_it() -> None:
    share = Share(0, 0b0011)
    share.give(0b0011)
    share.replace(0b0111, held=0b0100)
    assert share.to_give == 0
    share.replace(0b1001, held=0)
    assert share.to_give == 0b1000


def test_who_passes_nothing_on_is_given_to_last_and_its_blocks_go_to_another() -> None:
    spreading = Spreading()
    spreading.given(agent(1), 0, 0.0)
    spreading.given(agent(2), 1, 0.0)
    spreading.seen(agent(1), 0b01, 0.1)
    spreading.seen(agent(3), 0b10, 0.5)
    assert spreading.review(lambda _: 0b1111, SUSPECT_S) == 0, (
        "usually it takes half a second: four are not long enough"
    )
    assert spreading.review(lambda _: 0b1111, 8 * 0.5 + 0.1) == 0b01
    assert spreading.is_suspect(agent(1), 5.0)
    assert not spreading.is_suspect(agent(2), 5.0)
    spreading.check()


def test_a_suspect_is_forgiven_after_a_while_ever_more_seldom() -> None:
    spreading = Spreading()
    now = 0.0
    for term_s in (FORGIVEN_AFTER_S, 2 * FORGIVEN_AFTER_S):
        spreading.given(agent(1), 0, now)
        now += 10.0
        assert spreading.review(lambda _: 0b1, now) == 0b1
        assert spreading.is_suspect(agent(1), now + term_s - 1)
        now += term_s + 1
        assert not spreading.is_suspect(agent(1), now)


def test_what_nobody_else_lacks_cannot_spread_and_is_held_against_nobody() -> None:
    spreading = Spreading()
    spreading.given(agent(1), 0, 0.0)
    assert spreading.review(lambda _: 0, 100.0) == 0
    assert spreading.review(lambda _: 0b1, 101.0) == 0
    assert not spreading.is_suspect(agent(1), 101.0)


def test_a_carrier_that_is_gone_is_no_suspect() -> None:
    spreading = Spreading()
    spreading.given(agent(1), 0, 0.0)
    spreading.gone(agent(1))
    assert spreading.unspread == 0
    assert spreading.review(0b1, 100.0) == 0


def test_who_carries_a_block_for_long_is_given_others_after_those_whose_blocks_have_spread() -> None:
    spreading = Spreading()
    spreading.given(agent(1), 0, 0.0)
    spreading.given(agent(2), 1, 0.0)
    assert not spreading.is_late(agent(1), LATE_S / 2)
    spreading.seen(agent(3), 1 << 1, LATE_S)
    assert spreading.is_late(agent(1), LATE_TIMES * LATE_S)
    assert not spreading.is_late(agent(2), LATE_TIMES * LATE_S)
    spreading.seen(agent(3), 1 << 0, 2.0)
    assert not spreading.is_late(agent(1), 9.0)
    spreading.check()


def test_what_was_given_again_is_not_lost_before_as_many_reviews_have_passed_anew() -> None:
    share = Share(0, 0b1)
    share.give(0b1)
    reviews = [share.review(held=0, moving=0, lacked=0b1) for _ in range(REVIEWS)]
    assert reviews == [0] * (REVIEWS - 1) + [0b1]
    share.give(0b1)
    assert [share.review(held=0, moving=0, lacked=0b1) for _ in range(REVIEWS)] == reviews


def test_a_slow_carrier_that_passes_on_after_all_spares_the_origin_a_second_copy() -> None:
    spreading = Spreading()
    slow, other, liar = agent(1), agent(2), agent(3)
    spreading.given(slow, 0, 0.0)
    spreading.given(liar, 1, 0.0)
    assert spreading.review(lambda _: 0b11, SUSPECT_S) == 0b11, "both are to be given to somebody else"
    assert spreading.seen(slow, 0b01, SUSPECT_S + 1) == 0, "that it has it itself is no news"
    assert spreading.seen(other, 0b01, SUSPECT_S + 1) == 0b01
    assert spreading.seen(other, 0b01, SUSPECT_S + 2) == 0, "once"
    spreading.given(other, 1, SUSPECT_S + 2)
    assert spreading.seen(slow, 0b10, SUSPECT_S + 3) == 0, "it was given again meanwhile"
    spreading.check()
