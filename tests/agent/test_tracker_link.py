"""The connection to the tracker: retried, replaced, refused; and what a producer tells it, again after each restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trio.testing

from swarm.agent.agent import Agent
from swarm.agent.announce import Announcement, announce, keep_announced
from swarm.agent.notices import Note
from swarm.agent.tracker_link import TrackerAddress
from swarm.errors import ConflictError, RefusedError, SwarmError, UnreachableError
from swarm.exchange import events as e
from swarm.protocol import messages as m
from swarm.transport.memory import MemoryNetwork
from tests.agent.bare import Trackers, open_bare_agent
from tests.agent.world import Notices, raised_by

ONE, TWO = "http://one", "http://two"


@asynccontextmanager
async def open_stage(
    path: Path, *urls: str, heard: list[e.Event] | None = None
) -> AsyncIterator[tuple[Agent, Trackers]]:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        trackers = Trackers(network, nursery)
        async with open_bare_agent(path, network, trackers=urls, find=trackers.find, heard=heard) as agent:
            yield agent, trackers
        nursery.cancel_scope.cancel()


async def test_the_tracker_is_connected_and_the_node_hears_of_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    heard: list[e.Event] = []
    async with open_stage(tmp_path, ONE, heard=heard) as (agent, trackers):
        await trackers.start(ONE)
        link = await agent.tracker.wait_connected()
        assert link.connection.remote.is_tracker
    assert any(isinstance(event, e.TrackerConnected) for event in heard)


async def test_a_lost_tracker_is_tried_again_within_a_second(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    heard: list[e.Event] = []
    async with open_stage(tmp_path, ONE, heard=heard) as (agent, trackers):
        await trackers.start(ONE)
        first = await agent.tracker.wait_connected()
        await trackers.stop(ONE)
        await trio.sleep(20)
        assert agent.tracker.link is None
        assert 20 <= len(trackers.found) <= 45
        await trackers.start(ONE)
        back_at = trio.current_time()
        assert await agent.tracker.wait_connected() is not first
        assert trio.current_time() - back_at <= 1.0
    assert sum(isinstance(event, e.TrackerConnected) for event in heard) == 2
    assert any(isinstance(event, e.TrackerLost) for event in heard)


async def test_the_second_is_used_while_the_first_is_away_and_the_first_again_after_a_loss(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_stage(tmp_path, ONE, TWO) as (agent, trackers):
        second = await trackers.start(TWO, seed=2)
        link = await agent.tracker.wait_connected()
        assert link.connection.remote.peer_id == second.transport.peer_id
        first = await trackers.start(ONE, seed=1)
        await trackers.stop(TWO)
        await trackers.start(TWO, seed=2)
        link = await agent.tracker.wait_connected()
        assert link.connection.remote.peer_id == first.transport.peer_id


async def test_what_is_no_tracker_is_not_obeyed(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    network, heard = MemoryNetwork(), list[e.Event]()
    async with open_bare_agent(tmp_path / "a", network, seed=7) as other:

        async def find(_url: str) -> TrackerAddress:
            return TrackerAddress(other.parts.transport.addresses, None)

        async with open_bare_agent(tmp_path / "b", network, trackers=(ONE,), find=find, heard=heard) as agent:
            with pytest.raises(UnreachableError, match="not a tracker"):
                await agent.tracker.wait_tried()
    assert not any(isinstance(event, e.TrackerConnected) for event in heard)


@pytest.mark.parametrize("error", [OSError("no route"), KeyError("a defect"), ValueError("garbage")])
async def test_whatever_a_url_leads_to_ends_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, error: Exception
) -> None:
    async with open_stage(tmp_path, ONE) as (agent, trackers):
        trackers.failures[ONE] = error
        await trio.sleep(5)
        del trackers.failures[ONE]
        await trackers.start(ONE)
        assert await agent.tracker.wait_connected()


async def test_another_identity_is_refused_with_what_it_was(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_stage(tmp_path, ONE) as (agent, trackers):
        trackers.failures[ONE] = RefusedError("the tracker at http://one is B, and it was A")
        with pytest.raises(RefusedError, match="it was A"):
            await agent.tracker.wait_tried()
        with pytest.raises(RefusedError, match="it was A"):
            await agent.resolver.ask("data", None)


async def test_a_question_while_the_tracker_is_away_waits_for_one_more_round(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_stage(tmp_path, ONE) as (agent, trackers):
        await trio.sleep(10)
        asked_at = trio.current_time()
        with pytest.raises(UnreachableError, match="connection refused"):
            await agent.tracker.wait_tried()
        assert trio.current_time() - asked_at <= 2.5
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.tracker.wait_tried)
            await trio.lowlevel.checkpoint()
            await trackers.start(ONE)
        assert agent.tracker.link is not None


# --- announcing ---------------------------------------------------------------------------------

RECORD = Announcement("data:1", b"record", (b"names",), b"root")


def accepting(message: m.Message) -> m.Message | None:
    return m.Published(message.request, True, "", None) if isinstance(message, m.Publish) else None


def refusing(message: m.Message) -> m.Message | None:
    return m.Published(message.request, False, "it knows #3", b"newest") if isinstance(message, m.Publish) else None


async def test_a_restarted_tracker_is_told_again(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    told = 0

    def count() -> None:
        nonlocal told
        told += 1

    async with open_stage(tmp_path, ONE) as (agent, trackers), trio.open_nursery() as nursery:
        first = await trackers.start(ONE, accepting)

        async def keep() -> None:
            await keep_announced(agent, (RECORD, RECORD), Notices(), told=count)

        nursery.start_soon(keep)
        await trio.sleep(1)
        assert len(first.asked) == 2
        await trackers.stop(ONE)
        await trio.sleep(3)
        second = await trackers.start(ONE, accepting)
        await trio.sleep(2)
        assert second.asked == [m.Publish(message.request, b"record", (b"names",), b"root") for message in second.asked]
        assert (len(second.asked), told) == (2, 2)
        nursery.cancel_scope.cancel()


async def test_a_first_refusal_ends_the_producer_with_both_records(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_stage(tmp_path, ONE) as (agent, trackers):
        await trackers.start(ONE, refusing)
        with pytest.raises(ConflictError, match="it knows #3") as caught:
            await keep_announced(agent, (RECORD,), Notices())
    assert caught.value.newest == b"newest"


async def test_the_next_tracker_is_told_what_holds_then(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """A tag may have moved since: a tracker that has forgotten everything would believe the older record."""

    async def renew(told: tuple[Announcement, ...]) -> tuple[Announcement, ...]:
        return tuple(replace(each, tag_record=each.tag_record + b"+") for each in told)

    async with open_stage(tmp_path, ONE) as (agent, trackers), trio.open_nursery() as nursery:
        heard = [await trackers.start(ONE, accepting)]
        nursery.start_soon(partial(keep_announced, agent, (RECORD,), Notices(), renew=renew))
        for _ in range(2):
            await trio.sleep(2)
            await trackers.stop(ONE)
            await trio.sleep(3)
            heard.append(await trackers.start(ONE, accepting))
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    told = [[message.tag_record for message in tracker.asked] for tracker in heard]  # type: ignore[attr-defined]
    assert told == [[b"record"], [b"record+"], [b"record++"]]


async def test_a_later_refusal_is_told_and_serving_goes_on(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    notices = Notices()
    async with open_stage(tmp_path, ONE) as (agent, trackers), trio.open_nursery() as nursery:
        await trackers.start(ONE, accepting)
        nursery.start_soon(keep_announced, agent, (RECORD,), notices)
        await trio.sleep(1)
        await trackers.stop(ONE)
        await trackers.start(ONE, refusing)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert sum("it knows #3" in notice.text for notice in notices if isinstance(notice, Note)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda message: m.Failed(message.request, "unavailable", "the store is away"),
        lambda message: m.Redirect(message.request, ("http://other",)),
        lambda _message: None,
    ],
    ids=["failed", "redirect", "silence"],
)
async def test_a_tracker_that_cannot_answer_is_told_again(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, answer: object
) -> None:
    async with open_stage(tmp_path, ONE) as (agent, trackers), trio.open_nursery() as nursery:
        tracker = await trackers.start(ONE, answer)  # type: ignore[arg-type]
        nursery.start_soon(keep_announced, agent, (RECORD,), Notices())
        await trio.sleep(30)
        assert len(tracker.asked) >= 3
        nursery.cancel_scope.cancel()


async def test_what_a_tracker_has_accepted_is_not_told_again_when_it_was_too_much_at_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """A tracker hears a bounded number of questions a second: a producer of hundreds of tags must get to the end."""
    records = tuple(Announcement(f"data:{n}", b"record %d" % n, (b"names",), b"root") for n in range(200))
    accepted: list[bytes] = []

    def answer(message: m.Publish) -> m.Message:
        if trio.current_time() * 20 + 80 <= len(accepted):
            return m.Failed(message.request, "unavailable", "too many questions at once")
        accepted.append(message.tag_record)
        return m.Published(message.request, True, "", None)

    told = trio.Event()
    async with open_stage(tmp_path, ONE) as (agent, trackers), trio.open_nursery() as nursery:
        await trackers.start(ONE, answer)  # type: ignore[arg-type]
        nursery.start_soon(partial(keep_announced, agent, records, Notices(), told=told.set))
        with trio.fail_after(30):
            await told.wait()
        nursery.cancel_scope.cancel()
    assert accepted == [each.tag_record for each in records], "each once, in order"


async def test_an_answer_that_never_comes_because_the_tracker_is_gone_is_told_at_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_stage(tmp_path, ONE) as (agent, trackers):
        await trackers.start(ONE)
        await agent.tracker.wait_connected()
        asked_at = trio.current_time()
        async with raised_by(SwarmError) as caught, trio.open_nursery() as nursery:
            nursery.start_soon(announce, agent, (RECORD,), Notices())
            await trio.sleep(0.5)
            await trackers.stop(ONE)
        assert trio.current_time() - asked_at < 1
    assert "went away" in str(caught[0]) or "ended" in str(caught[0])
