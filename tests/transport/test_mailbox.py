"""Queues that end with a reason."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from swarm.errors import TransportError
from swarm.transport.mailbox import Mailbox


async def test_what_was_put_before_the_end_can_still_be_taken() -> None:
    box: Mailbox[int] = Mailbox(10)
    box.put_nowait([1, 2])
    box.end("over")
    box.end("the first reason stays")
    assert await box.take() == 1
    assert await box.take_all() == [2]
    for take in (box.take, box.take_all):
        with pytest.raises(TransportError, match="over"):
            await take()


async def test_a_weight_counts_what_it_is_told() -> None:
    box: Mailbox[bytes] = Mailbox(10, len)
    box.put_nowait([b"12345", b"123"])
    assert not box.is_full
    box.put_nowait([b"12"])
    assert box.is_full
    box.check()
    await box.take()
    assert not box.is_full
    box.check()
    await box.take_all()
    box.check()


async def test_who_waits_for_room_waits_until_something_is_taken(autojump_clock: MockClock) -> None:
    box: Mailbox[int] = Mailbox(1)
    box.put_nowait([1])
    times = []

    async def wait() -> None:
        await box.wait_for_room()
        times.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(5)
        assert times == []
        await box.take()
    assert times == [pytest.approx(trio.current_time())]


async def test_the_end_frees_who_waits_for_room() -> None:
    box: Mailbox[int] = Mailbox(1)
    box.put_nowait([1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.wait_for_room)
        await wait_all_tasks_blocked()
        box.end("over")


async def test_a_cancelled_take_takes_nothing() -> None:
    box: Mailbox[int] = Mailbox(2)
    with trio.move_on_after(0):
        await box.take()
    box.put_nowait([1])
    with trio.CancelScope() as scope:
        scope.cancel()
        await box.take()
    assert await box.take() == 1
