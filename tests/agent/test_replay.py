"""A recorded event log of a real agent, replayed into a fresh node, gives the same commands: it has no other input."""

from __future__ import annotations

from pathlib import Path
from random import Random

import trio

from swarm.exchange.commands import Command
from swarm.exchange.config import NodeConfig
from swarm.exchange.events import Event
from swarm.exchange.node import Node
from tests.agent.world import make_data, open_world

SEED = 11


async def test_a_recorded_log_replayed_gives_the_same_commands(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=16)
    log: list[tuple[Event, float, list[Command]]] = []
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication)
        others = [await world.machine() for _ in range(2)]
        recorded = await world.machine(
            rng=Random(SEED), trace=lambda event, now, commands: log.append((event, now, commands))
        )
        fleet = [*others, recorded]

        async def run(number: int) -> None:
            await fleet[number].fetch("data:1.0.0", tmp_path / f"copy{number}", linger_s=None)

        async with trio.open_nursery() as nursery:
            for number, machine in enumerate(fleet):
                for other in [seeder, *fleet]:
                    if other is not machine:
                        machine.meet(other)
                nursery.start_soon(run, number)
    transport = recorded.agent.parts.transport
    config = NodeConfig(peer_id=transport.peer_id, addresses=transport.addresses, has_tracker=False)
    node = Node(config, Random(SEED), recorded.peer.agent_id)
    assert len(log) > 100
    for event, now, commands in log:
        assert node.handle(event, now) == commands, event
        node.next_deadline()
        node.check()
