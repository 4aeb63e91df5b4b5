"""Tells an observer what a serving agent gives."""

from __future__ import annotations

import trio

from swarm.agent.agent import Agent
from swarm.agent.notices import Observer, Phase, Progress
from swarm.exchange import commands as c
from swarm.exchange import events as e

INTERVAL_S = 1.0


class _Given:
    """Bytes given so far, from the node's events."""

    def __init__(self) -> None:
        self.bytes = 0

    def watch(self, event: e.Event, _commands: list[c.Command]) -> None:
        if isinstance(event, e.BlockSent):
            self.bytes += event.bytes


async def report_serving(agent: Agent, observer: Observer) -> None:
    """For ever, once a second, while there is something new to say."""
    given, before, told = _Given(), 0, (-1.0, -1, -1)
    with agent.watched_by(given.watch):
        while True:
            rate, before = (given.bytes - before) / INTERVAL_S, given.bytes
            news = (rate, given.bytes, len(agent.driver.links.agents()))
            if news != told:
                told = news
                observer.notify(Progress(Phase.SERVE, 0, None, rate, peers=news[2], bytes_sent=given.bytes))
            await trio.sleep(INTERVAL_S)
