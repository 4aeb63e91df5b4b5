"""The sending side of a connection: order, read-ahead, cancelling at every stage, blocks that cannot be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from swarm.agent.pacing import Pacer
from swarm.agent.sending import READ_AHEAD, Sender
from swarm.errors import PermissionError_, TransportError, UnavailableError
from swarm.exchange.commands import SendBlock
from swarm.exchange.events import BlockSent, Event, SendFailed
from swarm.protocol.frames import PAYLOAD_MAX, Flags
from swarm.protocol.ids import ConnectionId, Index, VersionId
from tests.agent.fake_connection import VERSION, FakeConnection, FakeShelf

BLOCKS = {number: bytes([number]) * (100_000 + number) for number in range(8)}
LINK = ConnectionId(1)


@dataclass
class Desk:
    connection: FakeConnection
    shelf: FakeShelf
    sender: Sender
    events: list[Event] = field(default_factory=list)

    def send(self, *indexes: int, request: int = 1, version: VersionId = VERSION) -> None:
        for index in indexes:
            self.sender.send(SendBlock(LINK, request, version, Index(index)))

    def sent(self) -> list[tuple[int, str]]:
        """(index, how it ended) of every block."""
        ends = {Flags.LAST: "whole", Flags.ABORTED: "aborted", Flags.ABORTED | Flags.LOST: "lost"}
        return [(header.index, ends[header.flags]) for header, _ in self.connection.frames if header.is_last]


@asynccontextmanager
async def open_desk(pacer: Pacer | None = None) -> AsyncIterator[Desk]:
    connection, shelf = FakeConnection(), FakeShelf(BLOCKS)
    events: list[Event] = []
    shelves = {VERSION: shelf}
    sender = Sender(connection.as_connection(), shelves.get, events.append, pacer or Pacer())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run)
        yield Desk(connection, shelf, sender, events)
        nursery.cancel_scope.cancel()


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_blocks_go_out_whole_in_order_and_are_told() -> None:
    async with open_desk() as desk:
        desk.send(2, 0, 1)
        await settle()
    assert desk.sent() == [(2, "whole"), (0, "whole"), (1, "whole")]
    of_first = [(header, payload) for header, payload in desk.connection.frames if header.index == 2]
    assert b"".join(payload for _, payload in of_first) == BLOCKS[2]
    assert [header.length for header, _ in of_first] == [PAYLOAD_MAX, len(BLOCKS[2]) - PAYLOAD_MAX]
    assert desk.events[0] == BlockSent(LINK, 1, VERSION, Index(2), len(BLOCKS[2]))
    assert sum(moved.bytes for moved in desk.sender.take_moved()) == sum(len(BLOCKS[n]) for n in range(3))
    assert desk.sender.take_moved() == ()


async def test_no_more_than_the_next_block_is_read_ahead() -> None:
    async with open_desk() as desk:
        desk.connection.may_send = trio.Event()
        desk.send(*range(8))
        await settle()
        assert desk.shelf.reads == list(range(READ_AHEAD))
        desk.connection.may_send.set()
        await settle()
    assert desk.shelf.reads == list(range(8))
    assert [index for index, _ in desk.sent()] == list(range(8))


async def test_a_cancelled_block_ends_at_the_next_frame() -> None:
    async with open_desk() as desk:
        desk.connection.may_send = trio.Event()
        desk.send(0, 1)
        await settle()
        desk.sender.cancel(1, Index(0))
        desk.connection.may_send.set()
        await settle()
    assert desk.sent() == [(0, "aborted"), (1, "whole")]
    assert desk.events[0] == SendFailed(LINK, 1, VERSION, Index(0), is_lost=False)


async def test_a_block_cancelled_while_it_is_read_holds_up_nobody() -> None:
    async with open_desk() as desk:
        desk.shelf.gate = trio.Event()
        desk.send(0)
        await settle()
        desk.sender.cancel(1, Index(0))
        await settle()
        assert desk.sent() == [(0, "aborted")]
        desk.shelf.gate.set()
        desk.send(*range(1, 8))
        await settle()
    assert [index for index, end in desk.sent() if end == "whole"] == list(range(1, 8))


async def test_a_block_cancelled_before_its_turn_is_not_read() -> None:
    async with open_desk() as desk:
        desk.connection.may_send = trio.Event()
        desk.send(*range(5))
        await settle()
        desk.sender.cancel(1, Index(4))
        desk.connection.may_send.set()
        await settle()
    assert desk.sent()[-1] == (4, "aborted")


async def test_a_number_that_is_used_again_after_a_cancel_is_another_job() -> None:
    """A hostile receiver may reuse it while the cancelled block still waits for its turn."""
    async with open_desk() as desk:
        desk.connection.may_send = trio.Event()
        desk.send(7, 0)
        await settle()
        desk.sender.cancel(1, Index(0))
        desk.send(0)
        desk.connection.may_send.set()
        await settle()
        desk.sender.cancel(1, Index(0))
    assert desk.sent() == [(7, "whole"), (0, "aborted"), (0, "whole")]


@pytest.mark.parametrize("error", [None, PermissionError_("forbidden"), KeyError("a defect")])
async def test_a_block_that_is_no_longer_here_is_lost_and_the_next_goes_out(error: Exception | None) -> None:
    async with open_desk() as desk:
        del desk.shelf.here[0]
        if error is not None:
            desk.shelf.errors[0] = error
        desk.send(0, 1)
        await settle()
    assert desk.sent() == [(0, "lost"), (1, "whole")]
    assert desk.events[0] == SendFailed(LINK, 1, VERSION, Index(0), is_lost=True)


async def test_a_block_that_cannot_be_had_just_now_is_not_lost() -> None:
    async with open_desk() as desk:
        desk.shelf.errors[0] = UnavailableError("SlowDown")
        desk.send(0)
        await settle()
    assert desk.sent() == [(0, "aborted")]
    assert desk.events == [SendFailed(LINK, 1, VERSION, Index(0), is_lost=False)]


async def test_a_version_that_is_closed_meanwhile_is_lost() -> None:
    async with open_desk() as desk:
        desk.send(0, version=VersionId(b"w" * 32))
        await settle()
    assert desk.sent() == [(0, "lost")]


async def test_the_end_of_the_connection_ends_the_sender_with_its_reason() -> None:
    connection, shelf = FakeConnection(), FakeShelf(BLOCKS)
    sender = Sender(connection.as_connection(), lambda _version: shelf, lambda _event: None, Pacer())
    sender.send(SendBlock(LINK, 1, VERSION, Index(0)))
    connection.end("reset")
    with pytest.RaisesGroup(TransportError):
        await sender.run()


async def test_a_low_limit_sends_short_frames_and_can_be_lifted(autojump_clock: trio.testing.MockClock) -> None:
    pacer = Pacer(50_000)
    async with open_desk(pacer) as desk:
        desk.send(0, 1)
        await trio.sleep(2.5)
        assert max(header.length for header, _ in desk.connection.frames) == 5000
        assert desk.sent() == [(0, "whole")]
        pacer.set_rate(None)
        await trio.sleep(0.2)
    assert desk.sent() == [(0, "whole"), (1, "whole")]
