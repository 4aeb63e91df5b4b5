"""A fetch of some files: what is given of it afterwards, and what a later fetch of the whole makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from swarm.dataset.selection import Selection
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import Runs
from tests.agent.world import Machine, make_data, open_world, same_trees

SOME = Selection(["deep/er/*"])


def own_have(machine: Machine) -> int:
    """What the node says to neighbours that it has, as a bit set."""
    (session,) = machine.agent.driver.node._state.sessions.values()
    return session.have


def lost_runs(heard: list[e.Event]) -> list[Runs]:
    return [event.runs for event in heard if isinstance(event, e.BlocksLost)]


@pytest.mark.slow
async def test_after_the_commit_only_what_lies_whole_in_the_files_is_offered(tmp_path: Path) -> None:
    """Blocks at the borders of a selection came whole, and are not any more: nobody may be promised them, and they are
    not fetched again."""
    data = make_data(tmp_path / "data", files=12)
    heard: list[e.Event] = []
    wanted: list[c.Command] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, consumer = await world.seeder(publication), await world.machine(reads_store=True)
        consumer.meet(seeder)

        def watch(event: e.Event, commands: list[c.Command]) -> None:
            heard.append(event)
            if (tmp_path / "copy").exists():
                wanted.extend(one for one in commands if isinstance(one, c.ReadStore | c.ExpectBlocks))

        with consumer.agent.watched_by(watch):
            receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy", selection=SOME, linger_s=1.5)
        assert lost_runs(heard), "a selection of random files has borders within blocks"
        assert wanted == [], "what was lost by the commit is not wanted"
        readable = await consumer.holdings.have(publication.version.id)
        assert readable is not None
        assert own_have(consumer) == sum(1 << index for index in readable)
        assert (await consumer.fetch("data:1.0.0", tmp_path / "copy", selection=SOME)).bytes_local == receipt.bytes
        consumer.agent.driver.node.check()


async def test_others_get_from_a_partial_holding_what_it_has_and_the_rest_elsewhere(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=12)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        first = await world.machine(reads_store=True)
        await first.fetch("data:1.0.0", tmp_path / "copy", selection=SOME)
        second = await world.machine(reads_store=True)
        second.meet(first)
        with trio.fail_after(30):
            receipt = await second.fetch("data:1.0.0", tmp_path / "whole")
    assert same_trees(data, tmp_path / "whole")
    assert receipt.bytes_peer > 0
    assert (receipt.bytes_wasted, receipt.banned) == (0, ())


async def test_the_whole_is_completed_from_what_a_selection_has_brought(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=12)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        version = publication.version
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy", selection=SOME)
        readable = await consumer.holdings.have(version.id)
        assert readable is not None
        lacking = Bitfield.full(version.space.size) - readable
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
        assert receipt.bytes_origin == sum(version.length_of(index) for index in lacking)
        assert receipt.bytes_local == receipt.bytes - receipt.bytes_origin
        record = await consumer.holdings.find(tmp_path / "copy")
        assert record is not None
        assert not record.is_partial
    assert same_trees(data, tmp_path / "copy")
