"""Who reads next, and how reads slow down when the store refuses."""

from __future__ import annotations

from random import Random

from swarm.protocol.ids import Index
from swarm.tracker.leasing.pace import Pace, Throttle
from tests.tracker.script import agent_id

A, B = agent_id("a"), agent_id("b")


def test_returns_pause_longer_and_longer_until_a_block_arrives() -> None:
    throttle = Throttle(Pace(), Random(1))
    pauses = []
    for _ in range(12):
        throttle.returned(A, 0.0)
        pauses.append(throttle.paused_until)
        throttle.paused_until = 0.0
    assert pauses[0] < 0.1
    assert pauses[3] > 2 * pauses[0]
    assert max(pauses) <= 1.25
    throttle.returned(A, 0.0)
    throttle.arrived(A, 1000, 1.0, 0.0)
    assert throttle.paused_until <= 0.0
    throttle.returned(A, 0.0)
    assert throttle.paused_until < 0.1


def test_one_agent_tries_an_ill_store_for_all_and_the_first_block_lets_everybody_read_again() -> None:
    throttle = Throttle(Pace(), Random(1))
    assert throttle.has_room(3, is_wanted=True)
    for number in range(3):
        throttle.returned(A, 0.0)
        throttle.refused(Index(number), "", 0.0)
    assert not throttle.has_room(1, is_wanted=True)
    assert throttle.has_room(0, is_wanted=True)
    assert throttle.returned(A, 5.0) == 5.0, "no agent's own trouble"
    throttle.arrived(A, 1000, 1.0, 6.0)
    assert throttle.has_room(3, is_wanted=True)
    assert throttle.paused_until <= 6.0


def test_a_block_alone_that_comes_back_is_tried_every_eight_seconds_since_the_store_may_be_away() -> None:
    throttle, rests = Throttle(Pace(), Random(1)), []
    throttle.refused(Index(7), "", 0.0)
    for _ in range(8):
        throttle.refused(Index(7), "", 0.0)
        rests.append(throttle.next_rested())
        throttle.rested(1e9)
    assert rests[3:] == [8.0] * 5


def test_a_block_that_comes_back_again_and_again_rests_longer_each_time() -> None:
    throttle = Throttle(Pace(), Random(1))
    index = Index(7)
    assert throttle.refused(index, "", 0.0), "once is not the block's fault"
    rests = []
    for _ in range(8):
        assert not throttle.refused(index, "", 0.0)
        rests.append(throttle.next_rested())
        assert throttle.rested(1e9) == [(index, "")]
        throttle.arrived(A, 1000, 1.0, 0.0)
    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    throttle.forgive(index)
    assert throttle.refused(index, "", 0.0)


def test_the_much_faster_comes_first_and_the_unknown_with_the_fastest() -> None:
    throttle, unknown = Throttle(Pace(), Random(1)), agent_id("c")
    throttle.arrived(A, 4000, 1.0, 0.0)
    throttle.arrived(B, 1000, 1.0, 0.0)
    assert throttle.choose([A, B] * 20) == A
    assert throttle.choose([unknown, B] * 20) == unknown
    assert {throttle.choose([unknown, A]) for _ in range(20)} == {unknown, A}


def test_equals_take_turns() -> None:
    throttle = Throttle(Pace(), Random(1))
    throttle.arrived(A, 1100, 1.0, 0.0)
    throttle.arrived(B, 1000, 0.9, 0.0)
    assert {throttle.choose([A, B]) for _ in range(20)} == {A, B}
