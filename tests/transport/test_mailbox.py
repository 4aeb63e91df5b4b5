"""Queues that end with a reason."""

from __future__ import annotations

import pytest
import trio

from swarm.errors import TransportError
from swarm.transport.mailbox import Mailbox


async def test_what_was_put_before_the_end_can_still_be_taken() -> None:
    box: Mailbox[int] = Mailbox(10)
    box.put(1)
    box.put(2)
    box.end("over")
    box.end("the first reason stays")
    assert await box.take() == 1
    assert await box.take_all() == [2]
    for take in (box.take, box.take_all):
        with pytest.raises(TransportError, match="over"):
            await take()


async def test_a_weight_counts_what_it_is_told() -> None:
    box: Mailbox[bytes] = Mailbox(10, len)
    box.put(b"12345")
    box.put(b"123")
    assert not box.is_full
    box.put(b"12")
    assert box.is_full
    box.check()
    await box.take()
    assert not box.is_full
    box.check()
    await box.take_all()
    box.check()


async def test_each_thing_taken_from_a_full_one_is_told() -> None:
    box: Mailbox[int] = Mailbox(2)
    told: list[bool] = []
    box.on_room(lambda: told.append(box.is_full))
    for number in range(3):
        box.put(number)
    assert [await box.take() for _ in range(3)] == [0, 1, 2]
    assert told == [True, False]


async def test_what_is_handed_over_does_not_wait_and_what_is_declined_keeps_its_turn() -> None:
    box: Mailbox[int] = Mailbox(10)
    box.put(1)
    handed: list[int] = []
    takes = True

    def hand(item: int) -> bool:
        if takes:
            handed.append(item)
        return takes

    box.hand_to(hand)
    box.put(2)
    assert handed == [], "1 is older and still waits"
    assert [await box.take(), await box.take()] == [1, 2]
    box.put(3)
    takes = False
    box.put(4)
    takes = True
    box.put(5)
    box.hand_to(None)
    assert handed == [3]
    assert [await box.take(), await box.take()] == [4, 5]


async def test_a_cancelled_take_takes_nothing() -> None:
    box: Mailbox[int] = Mailbox(2)
    with trio.move_on_after(0):
        await box.take()
    box.put(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await box.take()
    assert await box.take() == 1
