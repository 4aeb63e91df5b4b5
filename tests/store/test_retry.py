"""What is tried again, how often, how long apart; and that a repeated creation knows its own bytes."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from swarm.errors import MissingError, PermissionError_, UnavailableError
from swarm.store.memory import MemoryObjects, forget
from swarm.store.retry import ATTEMPTS, Backoff, Retrying
from tests.store.faults import Fault, Faulty, times


def retrying(fault: Fault, backoff: Backoff | None = None) -> tuple[Retrying, Faulty]:
    forget("memory://retry")
    faulty = Faulty(MemoryObjects("memory://retry"), fault)
    return Retrying(faulty, backoff or Backoff(), random.Random(1)), faulty


async def test_what_is_unavailable_for_a_while_succeeds(autojump_clock: MockClock) -> None:
    objects, faulty = retrying(times(ATTEMPTS - 1, "put"))
    await objects.put("key", b"data")
    assert faulty.calls["put"] == ATTEMPTS
    assert await objects.get("key", max_bytes=10) == b"data"


async def test_attempts_are_bounded_and_the_last_error_comes_out(autojump_clock: MockClock) -> None:
    objects, faulty = retrying(times(1000, "get", is_slow_down=True))
    with pytest.raises(UnavailableError) as caught:
        await objects.get("key", max_bytes=10)
    assert caught.value.is_slow_down
    assert faulty.calls["get"] == ATTEMPTS
    assert 0 < trio.current_time() < 0.4 * (2**ATTEMPTS - 1)


async def test_one_attempt_is_one_attempt(autojump_clock: MockClock) -> None:
    objects, faulty = retrying(times(1, "stat"), Backoff(attempts=1))
    with pytest.raises(UnavailableError):
        await objects.stat("key")
    assert faulty.calls["stat"] == 1


@pytest.mark.parametrize("error", [MissingError("gone"), PermissionError_("no")])
async def test_an_answer_is_not_asked_for_again(error: Exception, autojump_clock: MockClock) -> None:
    objects, faulty = retrying(lambda *_: error)
    with pytest.raises(type(error)):
        await objects.get("key", max_bytes=10)
    assert faulty.calls["get"] == 1


async def test_a_creation_whose_answer_was_lost_is_known_again(autojump_clock: MockClock) -> None:
    objects, faulty = retrying(times(1, "create", is_done=True))
    assert await objects.create("key", b"mine")
    assert faulty.calls["create"] == 2


@pytest.mark.parametrize("other", [b"his!", b"", b"much longer than mine"])
async def test_a_creation_that_came_second_after_a_failure_is_lost(other: bytes, autojump_clock: MockClock) -> None:
    objects, faulty = retrying(times(1, "create"))
    await faulty.inner.put("key", other)
    assert not await objects.create("key", b"mine")


async def test_a_first_attempt_that_came_second_is_lost_even_with_equal_bytes(autojump_clock: MockClock) -> None:
    objects, faulty = retrying(lambda *_: None)
    await faulty.inner.put("key", b"same")
    assert not await objects.create("key", b"same")
    assert faulty.calls["get"] == 0


def test_waits_are_spread_below_a_ceiling_that_doubles_up_to_a_bound() -> None:
    backoff, rng = Backoff(first_ceiling_s=1, ceiling_max_s=5), random.Random(1)
    for failures, ceiling in [(1, 1), (2, 2), (3, 4), (4, 5), (9, 5)]:
        waits = [backoff.wait_s(failures, rng) for _ in range(500)]
        assert min(waits) < 0.1 * ceiling
        assert 0.9 * ceiling < max(waits) <= ceiling
