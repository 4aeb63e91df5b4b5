"""The pool against a naive model, and its choice."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from swarm.protocol.runs import normalise
from swarm.tracker.leasing.pool import FREE, GIVEN, UNTOLD, Pool

SPACE = 30
indexes = st.sets(st.integers(0, SPACE - 1))
states = st.sampled_from([UNTOLD, FREE, GIVEN])


@given(st.lists(st.tuples(indexes, states)), st.none() | indexes, st.integers(0, 9), st.integers())
def test_it_takes_what_is_free_and_lacked_and_pages_first(
    marks: list[tuple[set[int], int]], lacks: set[int] | None, page_count: int, seed: int
) -> None:
    pool = Pool(page_count, SPACE, is_free=True)
    model = [FREE] * SPACE
    for marked, state in marks:
        pool.mark_runs(normalise(marked), state)
        for index in marked:
            model[index] = state
    pool.check()
    fitting = {i for i in range(SPACE) if model[i] == FREE and (lacks is None or i in lacks)}
    taken = pool.take(pool.of_use(None if lacks is None else normalise(lacks)), Random(seed))
    pool.check()
    pages = {index for index in fitting if index < page_count}
    if pages:
        assert taken == min(pages)
    else:
        assert taken in fitting if fitting else taken is None
    if taken is not None:
        assert pool.state(taken) == GIVEN


@given(st.lists(st.tuples(indexes, states)), indexes)
def test_runs_of_states(marks: list[tuple[set[int], int]], within: set[int]) -> None:
    pool = Pool(0, SPACE, is_free=False)
    for marked, state in marks:
        pool.mark_runs(normalise(marked), state)
    kept = {index for index in range(SPACE) if pool.state(index) in (FREE, UNTOLD)}
    assert pool.runs_of(FREE, UNTOLD) == normalise(kept)
    given_back = pool.within(normalise(within), UNTOLD, GIVEN)
    assert normalise(given_back) == normalise({index for index in within if pool.state(index) in (UNTOLD, GIVEN)})


def test_the_choice_is_spread_over_the_blocks() -> None:
    rng = Random(1)
    pools = [Pool(0, 1000, is_free=True) for _ in range(50)]
    firsts = {pool.take(pool.of_use(None), rng) for pool in pools}
    assert len(firsts) > 40


def test_runs_past_the_space_are_cut_off() -> None:
    pool = Pool(0, 10, is_free=True)
    pool.mark_runs(((5, 1 << 40),), GIVEN)
    pool.mark_runs(((1 << 50, 3),), GIVEN)
    pool.check()
    assert pool.free_count == 5
