"""The receiving side of a connection: whole blocks, cancelled requests, a slow disk, the end in mid-block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from swarm.agent.backlog import Backlog
from swarm.agent.pacing import Pacer
from swarm.agent.receiving import ProtocolBreachError, Receiver
from swarm.errors import NoSpaceError, TransportError
from swarm.exchange.commands import ExpectBlocks
from swarm.exchange.events import BlockAborted, BlockArrived, BlockRefused, Event, Transfer
from swarm.protocol.frames import Flags, FrameHeader, abort
from swarm.protocol.ids import ConnectionId, Index, VersionId
from tests.agent.fake_connection import VERSION, FakeConnection, FakeShelf
from tests.agent.forger import Frame, honest

BLOCKS = {number: bytes([number]) * (100_000 + number) for number in range(8)}
LINK = ConnectionId(1)


@dataclass
class Desk:
    connection: FakeConnection
    shelf: FakeShelf
    receiver: Receiver
    backlog: Backlog
    events: list[Event] = field(default_factory=list)
    wasted: dict[VersionId, int] = field(default_factory=dict)

    def expect(self, *indexes: int, request: int = 1) -> None:
        self.receiver.expect(ExpectBlocks(LINK, request, VERSION, tuple(map(Index, indexes))))

    def put(self, frames: Iterable[Frame]) -> None:
        for header, payload in frames:
            self.connection.put(header, payload)

    def put_block(self, index: int, request: int = 1) -> None:
        self.put(honest(request, Index(index), BLOCKS[index]))


def make_desk(*, pacer: Pacer | None = None, backlog: Backlog | None = None) -> Desk:
    connection, shelf, backlog = FakeConnection(sends_blocks=False), FakeShelf(BLOCKS), backlog or Backlog()
    events: list[Event] = []
    wasted: dict[VersionId, int] = {}

    def waste(version: VersionId, count: int) -> None:
        wasted[version] = wasted.get(version, 0) + count

    shelves = {VERSION: shelf}
    receiver = Receiver(
        connection.as_connection(), shelves.get, events.append, waste=waste, pacers=(pacer or Pacer(),), backlog=backlog
    )
    return Desk(connection, shelf, receiver, backlog, events, wasted)


@asynccontextmanager
async def open_desk(*, pacer: Pacer | None = None, backlog: Backlog | None = None) -> AsyncIterator[Desk]:
    desk = make_desk(pacer=pacer, backlog=backlog)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.receiver.run, nursery)
        yield desk
        nursery.cancel_scope.cancel()


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_a_block_comes_whole_is_kept_and_told() -> None:
    async with open_desk() as desk:
        desk.expect(3)
        desk.put_block(3)
        await settle()
        moved = desk.receiver.take_moved()
    assert desk.events == [BlockArrived(LINK, 1, VERSION, Index(3), len(BLOCKS[3]))]
    assert moved == (Transfer(LINK, 1, Index(3), len(BLOCKS[3])),)
    assert (desk.shelf.kept, desk.wasted, desk.backlog.bytes) == ([3], {}, 0)


async def test_wrong_bytes_are_refused() -> None:
    async with open_desk() as desk:
        desk.expect(3)
        desk.put(honest(1, Index(3), BLOCKS[3][:-1] + b"!"))
        await settle()
    assert desk.events == [BlockRefused(LINK, 1, VERSION, Index(3), len(BLOCKS[3]))]


async def test_frames_of_two_requests_may_alternate() -> None:
    async with open_desk() as desk:
        desk.expect(1, request=1)
        desk.expect(2, request=2)
        for pair in zip(honest(1, Index(1), BLOCKS[1]), honest(2, Index(2), BLOCKS[2]), strict=True):
            desk.put(pair)
        await settle()
    assert sorted(desk.shelf.kept) == [1, 2]


async def test_what_is_still_coming_of_a_forgotten_request_is_dropped_and_wasted() -> None:
    async with open_desk() as desk:
        desk.expect(1, 2)
        first, second = honest(1, Index(1), BLOCKS[1])
        desk.put([first])
        await settle()
        desk.receiver.forget(1)
        desk.put([second])
        desk.put_block(2)
        desk.put([(abort(1, 1, 0, len(BLOCKS[1])), b"")])
        await settle()
    assert desk.events == []
    assert desk.wasted == {VERSION: len(BLOCKS[1]) + len(BLOCKS[2])}


async def test_a_request_forgotten_when_half_of_it_is_here_keeps_that_half() -> None:
    async with open_desk() as desk:
        desk.expect(1, 2)
        desk.put_block(1)
        await settle()
        desk.receiver.forget(1)
        desk.put_block(2)
        await settle()
    assert desk.shelf.kept == [1]
    assert desk.wasted == {VERSION: len(BLOCKS[2])}


async def test_a_request_forgotten_while_its_last_block_is_being_kept_is_kept() -> None:
    async with open_desk() as desk:
        desk.shelf.gate = trio.Event()
        desk.expect(1)
        desk.put_block(1)
        await settle()
        desk.receiver.forget(1)
        desk.shelf.gate.set()
        await settle()
    assert desk.events == [BlockArrived(LINK, 1, VERSION, Index(1), len(BLOCKS[1]))]
    assert desk.wasted == {}


async def test_a_block_that_comes_twice_in_one_request_is_a_breach() -> None:
    desk = make_desk()
    desk.expect(1, 2)
    desk.put_block(1)
    desk.put_block(1)
    with pytest.RaisesGroup(ProtocolBreachError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.receiver.run, nursery)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_block_that_is_broken_off_is_told(is_lost: bool) -> None:
    async with open_desk() as desk:
        desk.expect(1, 2)
        desk.put(honest(1, Index(1), BLOCKS[1])[:1])
        desk.put([(abort(1, 1, 0, 0, is_lost=is_lost), b"")])
        desk.put_block(2)
        await settle()
    assert desk.events[0] == BlockAborted(LINK, 1, VERSION, Index(1), is_lost=is_lost)
    assert desk.shelf.kept == [2]
    assert desk.wasted[VERSION] == honest(1, Index(1), BLOCKS[1])[0][0].length


async def test_blocks_of_unknown_length_are_not_taken_and_end_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with open_desk() as desk:
        desk.receiver.expect(ExpectBlocks(LINK, 1, VERSION, (Index(1), Index(77))))
        desk.receiver.expect(ExpectBlocks(LINK, 2, VersionId(b"w" * 32), (Index(1),)))
        desk.put_block(1)
        desk.put_block(1, request=2)
        desk.expect(2, request=3)
        desk.put_block(2, request=3)
        await settle()
    assert desk.shelf.kept == [2]
    assert "unknown length" in caplog.text


async def test_a_full_disk_ends_one_block_and_not_the_connection() -> None:
    async with open_desk() as desk:
        desk.shelf.errors[1] = NoSpaceError("full")
        desk.shelf.errors[2] = KeyError("a defect")
        desk.expect(1, 2, 3)
        for index in (1, 2, 3):
            desk.put_block(index)
        await settle()
    ends = {event.index: type(event) for event in desk.events}  # type: ignore[union-attr]
    assert ends == {1: BlockAborted, 2: BlockAborted, 3: BlockArrived}
    assert desk.backlog.bytes == 0


async def test_whole_blocks_are_kept_although_the_connection_has_ended() -> None:
    desk = make_desk()
    desk.shelf.gate = trio.Event()
    desk.expect(1, 2)
    desk.put_block(1)
    desk.put(honest(1, Index(2), BLOCKS[2])[:1])
    async with trio.open_nursery() as keeping:
        with pytest.RaisesGroup(TransportError):
            async with trio.open_nursery() as reading:
                reading.start_soon(desk.receiver.run, keeping)
                await settle()
                desk.connection.end()
        desk.receiver.abandon()
        desk.shelf.gate.set()
    assert desk.events == [BlockArrived(LINK, 1, VERSION, Index(1), len(BLOCKS[1]))]
    assert desk.wasted == {VERSION: honest(1, Index(2), BLOCKS[2])[0][0].length}


async def test_a_disk_that_hangs_stops_the_reading_and_does_not_fill_the_memory() -> None:
    async with open_desk(backlog=Backlog(250_000)) as desk:
        desk.shelf.gate = trio.Event()
        desk.expect(*range(8))
        for index in range(8):
            desk.put_block(index)
        await settle()
        assert desk.backlog.bytes <= 250_000 + len(BLOCKS[3])
        desk.shelf.gate.set()
        await settle()
    assert sorted(desk.shelf.kept) == list(range(8))
    assert desk.backlog.bytes == 0


async def test_what_waits_here_is_not_late() -> None:
    """Else a slow disk would break the promises of blocks that have come, and they would come again."""
    async with open_desk() as desk:
        desk.shelf.gate = trio.Event()
        desk.expect(1)
        desk.put_block(1)
        await settle()
        assert [moved.bytes for moved in desk.receiver.take_moved()] == [len(BLOCKS[1])]
        assert desk.receiver.take_moved() == (Transfer(LINK, 1, Index(1), 0),)
        desk.shelf.gate.set()
        await settle()
        assert desk.receiver.take_moved() == ()


async def test_a_frame_that_waits_for_the_limit_is_not_late(autojump_clock: trio.testing.MockClock) -> None:
    async with open_desk(pacer=Pacer(10_000)) as desk:
        desk.expect(1)
        desk.put_block(1)
        await trio.sleep(3)
        assert desk.receiver.take_moved() == (Transfer(LINK, 1, Index(1), 0),)
        await trio.sleep(20)
    assert desk.shelf.kept == [1]


HEADERS = st.builds(
    FrameHeader,
    request=st.integers(0, 2),
    index=st.integers(0, 3),
    offset=st.sampled_from([0, 1, 65_483, 100_000]),
    length=st.just(0),
    encoded_length=st.sampled_from([0, 1, 65_483, 100_000, 100_001, 100_002, 2**24]),
    flags=st.sampled_from([Flags.NONE, Flags.LAST, Flags.ABORTED, Flags.ABORTED | Flags.LOST]),
)


@given(st.lists(st.tuples(HEADERS, st.sampled_from([0, 1, 34_518, 65_483])), max_size=12))
def test_whatever_frames_come_the_rest_is_told_or_a_breach(frames: list[tuple[FrameHeader, int]]) -> None:
    async def run() -> None:
        desk = make_desk()
        desk.expect(0, 1, request=0)
        desk.expect(2, 3, request=1)
        desk.receiver.forget(1)
        for header, length in frames:
            desk.connection.put(replace(header, length=length), bytes(length))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(desk.receiver.run, nursery)
                await settle()
                nursery.cancel_scope.cancel()
        except* ProtocolBreachError:
            pass
        desk.receiver.abandon()
        arrived = sum(event.bytes for event in desk.events if isinstance(event, BlockArrived | BlockRefused))
        assert arrived + desk.wasted.get(VERSION, 0) <= sum(length for _, length in frames)
        assert desk.backlog.bytes == 0
        told = [event.index for event in desk.events]  # type: ignore[union-attr]
        assert len(told) == len(set(told))
        assert set(told) <= {0, 1}

    trio.run(run)
