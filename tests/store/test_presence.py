"""Asking for missing blocks: right against a naive model, and never much dearer than the cheaper way."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.protocol.ids import BlockId
from swarm.store import memory
from swarm.store.blocks import encode_block
from swarm.store.layout import block_key
from swarm.store.memory import MemoryObjects, forget
from swarm.store.presence import HEADS_PER_PAGE, Presence
from tests.store.faults import Faulty


def ids(seed: int, count: int, prefixes: int = 256) -> list[BlockId]:
    rng = random.Random(seed)
    return [BlockId(bytes([rng.randrange(prefixes)]) + rng.randbytes(31)) for _ in range(count)]


async def filled(blocks: list[BlockId]) -> Faulty:
    forget("memory://presence")
    objects = Faulty(MemoryObjects("memory://presence"))
    for block in blocks:
        await objects.inner.put(block_key(block), encode_block(b""))
    return objects


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400), st.integers(1, 4), st.integers(1, 200))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_it_agrees_with_looking_at_everything(
    present: int, absent: int, strangers: int, prefixes: int, page: int
) -> None:
    there, missing, others = ids(1, present, prefixes), ids(2, absent, prefixes), ids(3, strangers, prefixes)
    objects = await filled(there + others)
    told: list[tuple[int, int]] = []
    old, memory.LIST_PAGE_OBJECTS = memory.LIST_PAGE_OBJECTS, page
    try:
        found = await Presence(objects, 4).missing(there + missing, lambda *two: told.append(two))
    finally:
        memory.LIST_PAGE_OBJECTS = old
    assert found == set(missing)
    assert told == sorted(told)
    assert not told or told[-1] == (present + absent, present + absent)


async def test_a_few_blocks_are_asked_for_one_by_one() -> None:
    objects = await filled(ids(1, 1000))
    await Presence(objects, 4).missing(ids(2, 200))
    assert objects.calls == {"stat": 200}


async def test_many_blocks_are_asked_for_by_listing() -> None:
    objects = await filled(ids(1, 5000))
    await Presence(objects, 4).missing(ids(2, 256 * HEADS_PER_PAGE * 3))
    assert objects.calls["list"] <= 256
    assert objects.calls["stat"] < 256


async def test_a_store_far_larger_than_the_question_is_not_listed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LIST_PAGE_OBJECTS", 10)
    objects = await filled(ids(1, 5000, prefixes=1))
    wanted = ids(2, 2 * HEADS_PER_PAGE, prefixes=1)
    assert await Presence(objects, 4).missing(wanted) == set(wanted)
    assert objects.calls["list"] == 2
    assert objects.calls["stat"] <= 2 * HEADS_PER_PAGE


async def test_what_is_no_block_under_a_prefix_is_passed_over() -> None:
    wanted = ids(2, HEADS_PER_PAGE, prefixes=1)
    objects = await filled([])
    for name in ("zz", wanted[0].hex()[:-1], wanted[0].hex().upper() + "x"):
        await objects.inner.put(f"blocks/00/{name}", b"12345678")
    await objects.inner.put(block_key(wanted[1]), b"short")
    assert await Presence(objects, 4).missing(wanted) == set(wanted)
