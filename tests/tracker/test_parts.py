"""The small parts: shares, suspects, settling, allowances, throttles, subscriptions, look-ups."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from swarm.protocol.ids import ConnectionId, Index
from swarm.protocol.messages import Resolve
from swarm.protocol.runs import count, normalise, union
from swarm.tracker import lookups, subscriptions
from swarm.tracker.allowance import BURST_S, QUESTIONS_PER_S, Allowance
from swarm.tracker.commands import TagQuestion
from swarm.tracker.lookups import LookUps, Waiting
from swarm.tracker.pace import Pace, Throttle
from swarm.tracker.restart import Settling
from swarm.tracker.shares import Shares, split
from swarm.tracker.subscriptions import Subscriptions
from swarm.tracker.suspects import ALONE_S, HOLDER_S, Suspects
from tests.tracker.script import V, agent_id

A, B = agent_id("a"), agent_id("b")


@given(st.sets(st.integers(0, 100)), st.integers(1, 7))
def test_a_split_is_even_and_whole(indexes: set[int], parts: int) -> None:
    runs = normalise(indexes)
    found = split(runs, parts)
    assert len(found) == parts
    sizes = [count(part) for part in found]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == len(indexes)
    assert normalise(run for part in found for run in part) == runs


def test_no_index_is_in_two_shares() -> None:
    shares = Shares()
    shares.start(V, A)
    shares.assign(V, ((0, 10),), [A])
    shares.start(V, B)
    shares.assign(V, ((5, 10),), [B])
    shares.check()
    assert shares.of(V, B) == ((10, 5),)
    assert shares.end(V, A) == ((0, 10),)
    assert shares.end(V, B) == ((10, 5),)
    assert shares.versions() == ()


def test_two_agents_make_a_block_missing() -> None:
    suspects = Suspects()
    assert suspects.hear(A, ((0, 5),), is_alone=False, has_holder=False, now=0.0) == ()
    assert suspects.hear(A, ((0, 5),), is_alone=False, has_holder=False, now=1.0) == ()
    assert suspects.hear(B, ((3, 5),), is_alone=False, has_holder=False, now=1.0) == ((3, 2),)


def test_one_agent_must_miss_it_for_a_while() -> None:
    suspects = Suspects()
    suspects.hear(A, ((0, 5),), is_alone=False, has_holder=False, now=0.0)
    assert suspects.hear(A, ((2, 9),), is_alone=False, has_holder=False, now=ALONE_S) == ((2, 3),)
    suspects.hear(A, ((0, 1),), is_alone=False, has_holder=False, now=10.0)
    suspects.hear(A, (), is_alone=False, has_holder=False, now=11.0)
    assert suspects.hear(A, ((0, 1),), is_alone=False, has_holder=False, now=20.0) == (), "it had come meanwhile"


def test_where_there_is_a_holder_it_must_be_missed_longer_and_others_do_not_help() -> None:
    suspects = Suspects()
    suspects.hear(A, ((0, 5),), is_alone=False, has_holder=True, now=0.0)
    assert suspects.hear(B, ((0, 5),), is_alone=True, has_holder=True, now=1.0) == ()
    assert suspects.hear(A, ((0, 5),), is_alone=False, has_holder=True, now=ALONE_S) == ()
    assert suspects.hear(A, ((0, 5),), is_alone=False, has_holder=True, now=HOLDER_S) == ((0, 5),)


def test_listening_ends_one_second_after_the_last_holder_and_at_last_anyway() -> None:
    settling = Settling(100.0, is_first_start=False)
    assert settling.settles_at == 103.0
    settling.heard_holder(101.0)
    assert settling.settles_at == 103.0
    settling.heard_holder(102.9)
    assert settling.settles_at == 103.9
    for tenth in range(60):
        settling.heard_holder(103.0 + tenth / 10)
    assert settling.settles_at == 108.0
    settling.heard_holder(108.5)
    assert settling.is_settled(108.5)


def test_a_first_start_does_not_listen() -> None:
    settling = Settling(5.0, is_first_start=True)
    settling.heard_holder(5.0)
    assert settling.is_settled(5.0)


def test_an_allowance_refills() -> None:
    allowance = Allowance(0.0)
    burst = int(QUESTIONS_PER_S * BURST_S)
    assert all(allowance.take_question(0.0) for _ in range(burst))
    assert not allowance.take_question(0.0)
    assert allowance.take_question(1.0)


def test_returns_pause_longer_and_longer_and_arrivals_halve_it() -> None:
    throttle = Throttle(Pace(), Random(1))
    pauses = []
    for _ in range(12):
        throttle.returned(A, 0.0)
        pauses.append(throttle.paused_until)
        throttle.paused_until = 0.0
    assert pauses[0] < 0.1
    assert pauses[3] > 2 * pauses[0]
    assert max(pauses) <= 10.0
    for _ in range(12):
        throttle.arrived(A, 1000, 1.0, 0.0)
    throttle.returned(A, 0.0)
    assert throttle.paused_until < 0.1


def test_a_block_that_comes_back_again_and_again_rests_longer_each_time() -> None:
    throttle = Throttle(Pace(), Random(1))
    index = Index(7)
    assert throttle.refused(index, "", 0.0), "once is not the block's fault"
    rests = []
    for _ in range(8):
        assert not throttle.refused(index, "", 0.0)
        rests.append(throttle.next_rested())
        assert throttle.rested(1e9) == [(index, "")]
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


def test_subscriptions_are_bounded() -> None:
    subscribed = Subscriptions()
    one = ConnectionId(1)
    assert all(subscribed.add(one, f"n{number}", None) for number in range(subscriptions.PER_CONNECTION_MAX))
    assert subscribed.add(one, "n0", None)
    assert not subscribed.add(one, "more", None)
    subscribed.check()
    subscribed.remove(one)
    subscribed.remove(one)
    subscribed.check()
    assert subscribed.of("n0", "latest") == []


def test_waiting_is_bounded() -> None:
    asked = LookUps()
    question = TagQuestion("maps", "latest")
    waiting = Waiting(ConnectionId(1), Resolve(1, "maps", "latest"))
    assert asked.wait(question, waiting) is True
    for _ in range(lookups.WAITING_MAX - 1):
        assert asked.wait(question, waiting) is False
    assert asked.wait(question, waiting) is None
    asked.check()
    assert len(asked.answered(question, "", 0.0)) == lookups.WAITING_MAX
    asked.check()
    assert union((), ()) == ()
