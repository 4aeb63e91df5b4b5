"""What a hostile peer can do with frames and messages: its connection ends, it is named, and the fetch goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from swarm.agent.notices import Receipt
from swarm.exchange import events as e
from swarm.protocol.frames import Flags, FrameHeader, abort
from swarm.protocol.ids import Index
from tests.agent.forger import Forge, Forger, Frame, honest, open_forger
from tests.agent.world import Machine, World, open_world, same_trees


@dataclass
class Stage:
    """A consumer that knows a forger, and a seeder that it gets to know later."""

    world: World
    consumer: Machine
    seeder: Machine
    forger: Forger
    path: Path

    async def fetch(self, enough: Callable[[], bool]) -> Receipt:
        """Meets the seeder only when `enough` has come of the forger."""
        receipts: list[Receipt] = []

        async def run() -> None:
            receipts.append(await self.consumer.fetch("data:1.0.0", self.path / "copy"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await trio.sleep(0.05)
            # Its pages are from the seeder: a forger that is alone would be asked for those.
            self.consumer.agent.driver.submit(e.PeersFound(None, (self.forger.peer,)))
            with trio.fail_after(30):
                while not enough():  # noqa: ASYNC110  (of somebody else's state)
                    await trio.sleep(0.02)
            self.consumer.meet(self.seeder)
        assert same_trees(self.path / "data", self.path / "copy")
        self.consumer.agent.driver.node.check()
        return receipts[0]

    @property
    def is_banned(self) -> bool:
        return any(agent == self.forger.agent for agent, _ in self.consumer.agent.driver.node.statistics().banned)


@asynccontextmanager
async def open_stage(path: Path, forge: Forge) -> AsyncIterator[Stage]:
    data = path / "data"
    data.mkdir()
    stream = b"".join(bytes([number]) * 1000 + b"end" for number in range(256)) * 8
    (data / "file").write_bytes(stream)
    async with open_world(path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer, seeder = await world.machine(), await world.seeder(publication)
        # Root and pages are here, so that what a peer is asked for are blocks.
        await consumer.holdings.keep_root(publication.version.root_bytes)
        for number, page in enumerate(publication.pages):
            await consumer.holdings.keep_page(publication.version.id, Index(number), page)
        async with open_forger(world, publication.version, stream, forge) as forger:
            yield Stage(world, consumer, seeder, forger, path)


async def test_an_honest_forger_serves_as_a_seeder_does(tmp_path: Path) -> None:
    async with open_stage(tmp_path, honest) as stage:
        stage.forger.offers = 10_000
        receipt = await stage.fetch((tmp_path / "copy").exists)
    assert receipt.bytes_peer == receipt.bytes
    assert receipt.bytes_wasted == 0
    assert receipt.banned == ()


async def test_wrong_bytes_ban_the_sender_and_the_receipt_names_it(tmp_path: Path) -> None:
    async with open_stage(tmp_path, lambda r, i, data: honest(r, i, data[:-1] + b"!")) as stage:
        receipt = await stage.fetch(lambda: stage.is_banned)
        block = len(stage.forger.bytes_of(stage.forger.asked[0]))
    assert receipt.banned == (stage.forger.agent.hex(),)
    assert receipt.bytes_peer == 0
    assert receipt.bytes_wasted == block * len(stage.forger.asked)
    assert stage.forger.connections == 1


def unasked(request: int, index: Index, data: bytes) -> list[Frame]:
    return honest(request + 1, index, data)


def unasked_block(request: int, index: Index, data: bytes) -> list[Frame]:
    return honest(request, Index(index + 1), data)


def twice(request: int, index: Index, data: bytes) -> list[Frame]:
    return [*honest(request, index, data), *honest(request, index, data)]


def overlapping(request: int, index: Index, data: bytes) -> list[Frame]:
    (first, payload), *rest = honest(request, index, data)
    return [(first, payload), (replace(first, offset=first.length // 2), payload), *rest]


def with_a_gap(request: int, index: Index, data: bytes) -> list[Frame]:
    first, _left_out, *rest = honest(request, index, data)
    return [first, *rest]


def longer_than_told(request: int, index: Index, data: bytes) -> list[Frame]:
    return honest(request, index, data + b"more")


def shorter_than_told(request: int, index: Index, data: bytes) -> list[Frame]:
    return honest(request, index, data[: len(data) // 2])


def last_early(request: int, index: Index, data: bytes) -> list[Frame]:
    (first, payload), *_ = honest(request, index, data)
    return [(replace(first, flags=Flags.LAST), payload)]


def without_a_last(request: int, index: Index, data: bytes) -> list[Frame]:
    return [(replace(header, flags=Flags.NONE), payload) for header, payload in honest(request, index, data)]


def past_the_end(request: int, index: Index, data: bytes) -> list[Frame]:
    *frames, (last, payload) = honest(request, index, data)
    return [*frames, (replace(last, length=last.length + 1), payload + b"!")]


def huge(request: int, index: Index, _data: bytes) -> list[Frame]:
    return [(FrameHeader(request, index, 0, 1, 2**32 - 1), b"!")]


BREACHES = (
    unasked,
    unasked_block,
    twice,
    overlapping,
    with_a_gap,
    longer_than_told,
    shorter_than_told,
    last_early,
    without_a_last,
    past_the_end,
    huge,
)


@pytest.mark.parametrize("forge", BREACHES)
async def test_frames_that_nobody_asked_for_or_that_do_not_fit_end_the_connection(tmp_path: Path, forge: Forge) -> None:
    reasons: list[str] = []

    def watch(event: e.Event, _commands: object) -> None:
        if isinstance(event, e.PeerOffended):
            reasons.append(event.reason)

    async with open_stage(tmp_path, forge) as stage:
        with stage.consumer.agent.watched_by(watch):
            receipt = await stage.fetch(lambda: bool(reasons))
    assert "block" in reasons[0]
    assert receipt.bytes == receipt.bytes_local + receipt.bytes_peer + receipt.bytes_origin
    assert receipt.bytes_origin + receipt.bytes_peer <= receipt.bytes


@pytest.mark.slow
async def test_who_goes_on_breaking_the_protocol_is_banned(tmp_path: Path) -> None:
    async with open_stage(tmp_path, longer_than_told) as stage:
        receipt = await stage.fetch(lambda: stage.is_banned)
    assert stage.forger.connections == 3
    assert receipt.banned == (stage.forger.agent.hex(),)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_block_that_is_broken_off_is_asked_of_others(tmp_path: Path, is_lost: bool) -> None:
    def forge(request: int, index: Index, data: bytes) -> list[Frame]:
        first, *_ = honest(request, index, data)
        return [first, (abort(request, index, 0, len(data), is_lost=is_lost), b"")]

    async with open_stage(tmp_path, forge) as stage:
        receipt = await stage.fetch(lambda: bool(stage.forger.asked))
        assert not stage.is_banned
    assert receipt.bytes_origin == receipt.bytes - receipt.bytes_local
    assert receipt.bytes_wasted >= 60_000


@pytest.mark.slow
async def test_silence_breaks_a_promise_and_what_still_comes_is_dropped(tmp_path: Path) -> None:
    async with open_stage(tmp_path, lambda r, i, data: honest(r, i, data)[:1]) as stage:
        receipt = await stage.fetch(lambda: bool(stage.forger.asked))
        assert not stage.is_banned
    assert receipt.bytes_wasted >= 60_000
    assert receipt.bytes_origin == receipt.bytes - receipt.bytes_local
