"""Reading many things at once and giving them in their order, in virtual time."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from swarm.errors import UnavailableError
from swarm.store.ahead import Job, ReadAhead


class Slow:
    """Things of given lengths; each takes a second or so."""

    def __init__(self, lengths: list[int], *, seed: int | None = None) -> None:
        self.rng = None if seed is None else random.Random(seed)
        self.held = self.most = 0
        self.jobs = [Job(length, self._reader(number, length)) for number, length in enumerate(lengths)]

    def _reader(self, number: int, length: int):  # type: ignore[no-untyped-def]
        async def read() -> bytes:
            self.held += length
            self.most = max(self.most, self.held)
            await trio.sleep(1 if self.rng is None else self.rng.uniform(0.1, 2))
            return bytes([number % 256]) * length

        return read


async def drain(ahead: ReadAhead, slow: Slow) -> list[bytes]:
    found = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ahead.run)
        while (data := await ahead.take()) is not None:
            slow.held -= len(data)
            found.append(bytes(data))
    return found


async def test_latency_is_paid_by_many_at_once(autojump_clock: MockClock) -> None:
    slow = Slow([10] * 100)
    found = await drain(ReadAhead(slow.jobs, bytes_max=10_000, concurrency=20), slow)
    assert found == [bytes([number]) * 10 for number in range(100)]
    assert trio.current_time() == pytest.approx(5.0)


@pytest.mark.parametrize("seed", range(5))
async def test_order_is_kept_and_memory_is_bounded(autojump_clock: MockClock, seed: int) -> None:
    lengths = random.Random(seed).choices(range(1, 100), k=200)
    slow = Slow(lengths, seed=seed)
    found = await drain(ReadAhead(slow.jobs, bytes_max=300, concurrency=4), slow)
    assert [len(data) for data in found] == lengths
    assert [data[0] for data in found] == [number % 256 for number in range(200)]
    assert 100 < slow.most <= 300 + 100


async def test_one_thing_that_is_longer_than_the_room_is_read_all_the_same(autojump_clock: MockClock) -> None:
    slow = Slow([1000, 1, 1000])
    assert [len(data) for data in await drain(ReadAhead(slow.jobs, bytes_max=5, concurrency=2), slow)] == [
        1000,
        1,
        1000,
    ]


async def test_nothing_to_read_ends_at_once(autojump_clock: MockClock) -> None:
    assert await drain(ReadAhead([], bytes_max=5, concurrency=2), Slow([])) == []


async def test_an_error_ends_the_reading(autojump_clock: MockClock) -> None:
    async def fail() -> bytes:
        raise UnavailableError("away")

    with pytest.RaisesGroup(UnavailableError, flatten_subgroups=True):
        await drain(ReadAhead([Job(1, fail)], bytes_max=5, concurrency=2), Slow([]))
