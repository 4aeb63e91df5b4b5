"""Blocking reads in threads: what the caller hears, and how an abandoned one ends."""

from __future__ import annotations

import threading

import pytest
import trio
from trio.testing import MockClock

from swarm.errors import UnavailableError
from swarm.store._reading import PIECE_BYTES, ReadAbandonedError, Reading, read_in_thread


def pouring(data: bytes) -> tuple[list[int], object]:
    """A source that gives at most 1,000 bytes at once."""
    asked: list[int] = []

    def read_into(view: memoryview) -> int:
        count = min(len(view), 1000, len(data) - sum(asked))
        view[:count] = data[sum(asked) : sum(asked) + count]
        asked.append(count)
        return count

    return asked, read_into


@pytest.mark.parametrize("size", [0, 1, 1000, 5500])
async def test_a_source_is_read_to_its_size_and_every_piece_is_told(size: int) -> None:
    data = bytes(range(256)) * 22
    heard: list[int] = []
    _, read_into = pouring(data)
    found = await read_in_thread(
        lambda reading: reading.fill(read_into, size),  # type: ignore[arg-type]
        trio.CapacityLimiter(1),
        heard.append,
    )
    assert found == data[:size]
    assert heard == [min(size, done) for done in range(1000, size + 1000, 1000)]


async def test_a_source_that_ends_early_gives_what_it_had() -> None:
    _, read_into = pouring(b"x" * 2500)
    reading = Reading(None)
    assert reading.fill(read_into, 4000) == b"x" * 2500  # type: ignore[arg-type]


async def test_no_piece_is_longer_than_a_thin_line_takes_seconds_for() -> None:
    asked: list[int] = []

    def read_into(view: memoryview) -> int:
        asked.append(len(view))
        return len(view)

    Reading(None).fill(read_into, 3 * PIECE_BYTES)
    assert asked == [PIECE_BYTES] * 3


async def test_an_abandoned_read_is_woken_and_ends_at_its_next_look() -> None:
    woken, ended = threading.Event(), threading.Event()

    def work(reading: Reading) -> None:
        try:
            with reading.hanging_up(woken.set):
                trio.from_thread.run_sync(nursery.cancel_scope.cancel)
                woken.wait(60)
            reading.check()
        except ReadAbandonedError:
            ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_in_thread, work, trio.CapacityLimiter(1), None)
    assert await trio.to_thread.run_sync(ended.wait, 60)
    assert woken.is_set()


async def test_a_socket_that_serves_somebody_else_by_now_is_left_alone() -> None:
    hung_up: list[str] = []
    reading = Reading(None)
    with reading.hanging_up(lambda: hung_up.append("first")):
        pass
    reading.abandon()
    assert not hung_up
    with pytest.raises(ReadAbandonedError), reading.hanging_up(lambda: hung_up.append("second")):
        pass


async def test_a_read_that_takes_for_ever_is_unavailable(autojump_clock: MockClock) -> None:
    woken, ended = threading.Event(), threading.Event()

    def work(reading: Reading) -> None:
        try:
            with reading.hanging_up(woken.set):
                woken.wait(60)
        finally:
            ended.set()

    with pytest.raises(UnavailableError, match="not read within"):
        await read_in_thread(work, trio.CapacityLimiter(1), None)
    assert ended.wait(30), "whether it was woken, or had not begun to wait"
