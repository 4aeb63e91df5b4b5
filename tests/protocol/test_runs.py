from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.protocol import runs
from swarm.protocol.ids import Runs
from tests.protocol.strategies import runs as some_runs

sets = st.sets(st.integers(0, 120))


def test_runs_are_joined_sorted_and_freed_of_empty_ones() -> None:
    assert runs.normalise([(5, 2), 3, (7, 1), (4, 1), (9, 0), (20, -3), 30]) == ((3, 5), (30, 1))
    assert runs.normalise([]) == ()


@given(sets)
def test_runs_of_a_set_are_that_set(indexes: set[int]) -> None:
    result = runs.normalise(indexes)
    assert runs.is_normal(result)
    assert set(runs.iterate(result)) == indexes
    assert runs.count(result) == len(indexes)
    assert runs.span(result) == (max(indexes) + 1 if indexes else 0)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)) | st.integers(0, 60)))
def test_normalise_agrees_with_sets(items: list[tuple[int, int] | int]) -> None:
    expected: set[int] = set()
    for item in items:
        expected |= {item} if isinstance(item, int) else set(range(item[0], item[0] + item[1]))
    assert set(runs.iterate(runs.normalise(items))) == expected


@given(sets, sets)
def test_set_operations_agree_with_sets(left: set[int], right: set[int]) -> None:
    a, b = runs.normalise(left), runs.normalise(right)
    for result, expected in (
        (runs.union(a, b), left | right),
        (runs.intersect(a, b), left & right),
        (runs.subtract(a, b), left - right),
    ):
        assert runs.is_normal(result)
        assert set(runs.iterate(result)) == expected


@given(some_runs(), st.integers(-1, 220))
def test_contains_is_membership(some: Runs, index: int) -> None:
    assert runs.contains(some, index) == (index in set(runs.iterate(some)))


@given(some_runs(), st.integers(0, 100), st.integers(0, 200))
def test_clip_keeps_what_lies_between(some: Runs, first: int, end: int) -> None:
    assert set(runs.iterate(runs.clip(some, first, end))) == set(runs.iterate(some)) & set(range(first, end))


def test_what_is_not_normal_is_told() -> None:
    for wrong in (((1, 0),), ((-1, 3),), ((3, 1), (1, 1)), ((1, 2), (2, 2)), ((1, 2), (3, 1))):
        assert not runs.is_normal(wrong)
    assert runs.is_normal(((0, 1), (2, 1)))
