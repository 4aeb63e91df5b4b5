"""Reads from the store under a rate limit: block after block, not all at once after a silence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
import trio.testing

from swarm.agent.pacing import Limits, Pacer
from swarm.agent.shelf import Kept
from swarm.agent.store_reads import StoreReads
from swarm.exchange import events as e
from swarm.exchange.commands import ReadStore
from swarm.protocol.ids import BlockId, Index, VersionId

VERSION = VersionId(b"v" * 32)
LENGTH = 1_000_000


class Shelf:
    """Blocks of one length, kept at once."""

    def id_of(self, index: Index) -> BlockId | None:
        return BlockId(bytes([index]) * 32)

    def length_of(self, _index: Index) -> int | None:
        return LENGTH

    async def read(self, _index: Index) -> bytes | None:
        return None

    async def keep(self, _index: Index, _data: bytes | bytearray) -> Kept:
        return Kept.NEW


async def read(_block: BlockId, length: int, _url: str | None, _moved: Callable[[int], None]) -> bytes:
    return bytes(length)


@pytest.mark.parametrize("whose", ["origin", "download"])
async def test_eight_reads_at_once_come_one_after_the_other(autojump_clock: trio.testing.MockClock, whose: str) -> None:
    began_at, arrived = trio.current_time(), list[float]()

    def submit(event: e.Event) -> None:
        assert isinstance(event, e.StoreRead)
        arrived.append(trio.current_time() - began_at)

    reads = StoreReads(read, lambda _version: Shelf(), submit, Limits(**{whose: Pacer(LENGTH)}))
    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(reads.run, ReadStore(VERSION, Index(number), None))
    assert arrived == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8], abs=0.25)


async def test_a_read_that_is_cancelled_while_it_waits_lets_the_next_one_through(
    autojump_clock: trio.testing.MockClock,
) -> None:
    events: list[e.Event] = []
    reads = StoreReads(read, lambda _version: Shelf(), events.append, Limits(origin=Pacer(LENGTH)))
    async with trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(reads.run, ReadStore(VERSION, Index(number), None))
            await trio.testing.wait_all_tasks_blocked()
        reads.cancel(VERSION, Index(0))
        with trio.fail_after(3):
            while not any(isinstance(event, e.StoreRead) for event in events):  # noqa: ASYNC110
                await trio.sleep(0.1)
    assert {(type(event), event.index) for event in events if isinstance(event, e.StoreRead | e.StoreFailed)} == {
        (e.StoreFailed, 0),
        (e.StoreRead, 1),
    }
