"""Shares: even, whole, and no index in two."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.protocol.runs import count, normalise
from swarm.tracker.agents.shares import Shares, split
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
