"""Agents under rate limits: never faster than told, nothing given up for being slow, changed while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from swarm.agent.pacing import Limits, Pacer
from swarm.exchange import commands as c
from swarm.exchange import events as e
from tests.agent.world import KIB, make_data, open_world, same_trees


def watch_given_up(into: list[c.Command]) -> object:
    def watch(_event: e.Event, commands: list[c.Command]) -> None:
        into.extend(command for command in commands if isinstance(command, c.ForgetRequest | c.Disconnect))

    return watch


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["upload", "download", "origin"])
async def test_a_limit_holds_and_nothing_is_given_up_because_of_it(tmp_path: Path, whose: str) -> None:
    data = make_data(tmp_path / "data", files=4, size=300 * KIB)
    rate = 400 * KIB
    limits = Limits(**{whose: Pacer(rate)})
    given_up: list[c.Command] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication, limits=limits if whose == "upload" else None)
        consumer = await world.machine(reads_store=whose == "origin", limits=limits if whose != "upload" else None)
        if whose != "origin":
            consumer.meet(seeder)
        began_at = trio.current_time()
        with consumer.agent.watched_by(watch_given_up(given_up)):  # type: ignore[arg-type]
            receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
        took_s = trio.current_time() - began_at
    assert same_trees(data, tmp_path / "copy")
    assert took_s >= 0.9 * receipt.bytes_origin / rate
    assert given_up == []
    assert receipt.bytes_wasted == 0


@pytest.mark.slow
async def test_the_smallest_limit_still_moves_every_block_in_one_go(tmp_path: Path) -> None:
    """32 KiB a second: a frame of a full sender takes two, and is no broken promise."""
    data = make_data(tmp_path / "data", files=2, size=100 * KIB)
    given_up: list[c.Command] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication)
        consumer = await world.machine(limits=Limits(download=Pacer(32 * KIB)))
        consumer.meet(seeder)
        with consumer.agent.watched_by(watch_given_up(given_up)):  # type: ignore[arg-type]
            receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
    assert same_trees(data, tmp_path / "copy")
    assert (given_up, receipt.bytes_wasted) == ([], 0)


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["upload", "download", "origin"])
async def test_a_limit_far_below_one_block_a_second_still_moves_it(tmp_path: Path, whose: str) -> None:
    """8 kB a second and one block of 80 kB: a frame alone takes eight seconds, a wait that is no silence."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").write_bytes(bytes(range(250)) * 320)
    limits = Limits(**{whose: Pacer(8_000)})
    given_up: list[c.Command] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication, limits=limits if whose == "upload" else None)
        consumer = await world.machine(reads_store=whose == "origin", limits=limits if whose != "upload" else None)
        if whose != "origin":
            consumer.meet(seeder)
        with consumer.agent.watched_by(watch_given_up(given_up)):  # type: ignore[arg-type]
            receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
    assert publication.version.root.totals.blocks == 1
    assert same_trees(data, tmp_path / "copy")
    assert (given_up, receipt.bytes_wasted) == ([], 0)


@pytest.mark.slow
async def test_what_is_taken_from_a_seeder_counts_as_from_the_origin_and_from_a_peer_does_not(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2, size=300 * KIB)
    rate = 400 * KIB
    took_s: dict[str, float] = {}
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, peer = await world.seeder(publication), await world.machine(reads_store=True)
        await peer.fetch("data:1.0.0", tmp_path / "peer")
        for name, other in (("seeder", seeder), ("peer", peer)):
            consumer = await world.machine(limits=Limits(origin=Pacer(rate)))
            consumer.meet(other)
            began_at = trio.current_time()
            await consumer.fetch("data:1.0.0", tmp_path / f"from-{name}")
            took_s[name] = trio.current_time() - began_at
    at_least_s = 0.8 * publication.version.root.totals.block_bytes / rate
    assert took_s["seeder"] >= at_least_s > took_s["peer"]


async def test_a_limit_is_changed_while_it_holds(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=4)
    heard: list[e.Event] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication)
        consumer = await world.machine(
            limits=Limits(download=Pacer(100 * KIB)), trace=lambda event, _now, _commands: heard.append(event)
        )
        consumer.meet(seeder)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(consumer.fetch, "data:1.0.0", tmp_path / "copy")
            await trio.sleep(0.5)
            assert not (tmp_path / "copy").exists()
            consumer.agent.driver.set_limits(upload=None, download=None, origin=500_000_000.5)
    assert same_trees(data, tmp_path / "copy")
    changes = [event for event in heard if isinstance(event, e.LimitsChanged)]
    assert changes == [e.LimitsChanged(None, 100 * KIB, None), e.LimitsChanged(None, None, 500_000_000)]
