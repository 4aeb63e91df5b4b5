"""Tells an observer what a serving agent gives."""

from __future__ import annotations

import trio

from swarm.agent.agent import Agent
from swarm.agent.notices import Observer, Phase, Progress
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.protocol.ids import ConnectionId

INTERVAL_S = 1.0


class _Given:
    """Bytes given and agents connected, from the node's events."""

    def __init__(self) -> None:
        self.bytes_sent = 0
        self.peers: dict[ConnectionId, bytes] = {}

    def watch(self, event: e.Event, _commands: list[c.Command]) -> None:
        match event:
            case e.BlockSent():
                self.bytes_sent += event.bytes
            case e.PeerConnected():
                self.peers[event.connection] = event.peer.agent_id
            case e.PeerDisconnected():
                self.peers.pop(event.connection, None)


async def report_serving(agent: Agent, observer: Observer) -> None:
    """For ever, once a second, while there is something new to say."""
    given = _Given()
    agent.watchers.append(given.watch)
    told: tuple[int, int] = (-1, -1)
    while True:
        peers = len(set(given.peers.values()))
        if (given.bytes_sent, peers) != told:
            rate = (given.bytes_sent - max(told[0], 0)) / INTERVAL_S
            told = (given.bytes_sent, peers)
            observer.notify(Progress(Phase.SERVE, 0, None, rate, peers=peers, bytes_sent=given.bytes_sent))
        await trio.sleep(INTERVAL_S)
