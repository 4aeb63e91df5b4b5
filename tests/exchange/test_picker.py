"""The picker and the counters under it against naive models."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from swarm.exchange.availability import Availability
from swarm.exchange.bitset import bitfield_of, choose, indexes_of, mask_of, mask_of_bitfield, nth, runs_of
from swarm.exchange.picker import AnyOrder, Picker, RarestFirst
from swarm.protocol.bitfield import Bitfield

SIZE = 40
SETS = st.sets(st.integers(0, SIZE - 1))


def mask(indexes: set[int]) -> int:
    return sum(1 << index for index in indexes)


@given(st.lists(SETS, max_size=12), SETS, st.integers(0, 12))
def test_availability_counts_as_a_list_of_sets_does(holders: list[set[int]], asked: set[int], left: int) -> None:
    availability = Availability()
    for holder in holders:
        availability.add(mask(holder))
    for holder in holders[:left]:
        availability.take_away(mask(holder))
    living = holders[left:]
    counts = {index: sum(index in holder for holder in living) for index in range(SIZE)}
    assert {index: availability.count(index) for index in range(SIZE)} == counts
    assert set(indexes_of(availability.held())) == {index for index, count in counts.items() if count}
    least = min((counts[index] for index in asked), default=0)
    assert set(indexes_of(availability.rarest(mask(asked)))) == {i for i in asked if counts[i] == least}


@given(SETS, SETS, SETS, st.lists(SETS, max_size=5), st.integers(1, 6), st.integers(0, 2**32))
def test_what_is_picked_is_lacking_offered_unpromised_and_the_rarest(
    lacking: set[int], promised: set[int], offered: set[int], holders: list[set[int]], count: int, seed: int
) -> None:
    picker = Picker(SIZE, 0, RarestFirst(), Random(seed))
    picker.set_lacking(mask(lacking))
    picker.promise(mask(promised & lacking))
    for holder in holders:
        picker.availability.add(mask(holder))
    candidates = (lacking & offered) - promised
    picked = picker.pick(mask(offered), count)
    assert len(picked) == min(count, len(candidates)) == len(set(picked))
    left = set(candidates)
    for index in picked:
        assert index in left
        rarity = sum(index in holder for holder in holders)
        assert rarity == min(sum(other in holder for holder in holders) for other in left)
        left.discard(index)
    picker.check()


@given(SETS, st.integers(1, SIZE))
def test_pages_come_before_blocks(offered: set[int], pages: int) -> None:
    picker = Picker(SIZE, pages, AnyOrder(), Random(1))
    picker.set_lacking(mask(set(range(SIZE))))
    picked = picker.pick(mask(offered), SIZE)
    are_pages = [index < pages for index in picked]
    assert are_pages == sorted(are_pages, reverse=True)


def test_ties_are_broken_by_the_rng_alone() -> None:
    def pick(seed: int) -> list[int]:
        picker = Picker(SIZE, 0, RarestFirst(), Random(seed))
        picker.set_lacking(mask(set(range(SIZE))))
        return picker.pick(mask(set(range(SIZE))), SIZE)

    assert pick(3) == pick(3)
    assert len({tuple(pick(seed)) for seed in range(20)}) > 10


@given(SETS)
def test_bitsets_agree_with_the_wires_bitfield(indexes: set[int]) -> None:
    field = Bitfield(SIZE)
    for index in indexes:
        field.set(index)
    assert bitfield_of(mask(indexes), SIZE) == field.to_bytes()
    assert mask_of_bitfield(field.to_bytes(), SIZE) == mask(indexes)
    assert runs_of(mask(indexes)) == field.runs()
    assert mask_of(field.runs()) == mask(indexes)


@given(st.sets(st.integers(0, 5000), min_size=1), st.integers(0, 2**32))
def test_a_choice_is_the_nth_of_the_set(indexes: set[int], seed: int) -> None:
    ordered = sorted(indexes)
    assert [nth(mask(indexes), n) for n in range(len(ordered))] == ordered
    assert choose(mask(indexes), Random(seed)) in indexes
