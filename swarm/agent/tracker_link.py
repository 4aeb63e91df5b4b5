"""The connection to the tracker: kept for as long as the agent lives, made again when it is lost.

Several `--tracker` are alternatives: the first that answers is used, and after a loss they are tried again in order.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from swarm.agent.driver import Driver
from swarm.agent.link import Link
from swarm.errors import SwarmError
from swarm.exchange.events import TrackerLost
from swarm.protocol.ids import PeerId
from swarm.protocol.messages import Direction

RETRY_MIN_S, RETRY_MAX_S = 0.5, 1.0
"""Between two rounds of attempts (DESIGN 5): a tracker that comes back hears from everybody within 5 s."""

DIAL_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class TrackerAddress:
    """Where a tracker listens; `peer_id` None accepts whoever answers there."""

    addresses: tuple[str, ...]
    peer_id: PeerId | None


FindTracker = Callable[[str], Awaitable[TrackerAddress]]
"""Turns a URL or a multiaddr into addresses; raises SwarmError."""


class TrackerLink:
    """Keeps one tracker connected; `link` is it, None while there is none."""

    def __init__(self, urls: tuple[str, ...], driver: Driver, find: FindTracker) -> None:
        self._urls = urls
        self._driver = driver
        self._find = find
        self.link: Link | None = None
        self.url: str | None = None
        self.failures: dict[str, str] = {}
        self._changed = trio.Event()
        self._was_tried = trio.Event()

    @property
    def is_configured(self) -> bool:
        """Whether there is any tracker to connect to."""
        return bool(self._urls)

    async def wait_tried(self) -> None:
        """Waits until a tracker is connected or each has been tried once."""
        while self.link is None and not self._was_tried.is_set():
            await self._changed.wait()

    async def wait_connected(self) -> Link:
        """The link, as soon as there is one."""
        while self.link is None:
            await self._changed.wait()
        return self.link

    async def run(self) -> None:
        """Connects, waits for the end, connects again; for ever."""
        while self._urls:
            for url in self._urls:
                await self._stay_connected(url)
            self._was_tried.set()
            self._change(None, None)
            await trio.sleep(random.uniform(RETRY_MIN_S, RETRY_MAX_S))

    async def _stay_connected(self, url: str) -> None:
        try:
            found = await self._find(url)
            with trio.fail_after(DIAL_TIMEOUT_S):
                connection = await self._driver.transport.dial(
                    found.addresses, Direction.CONTROL, peer_id=found.peer_id
                )
        except (SwarmError, trio.TooSlowError) as error:
            self.failures[url] = str(error) or "no answer"
            self._driver.submit(TrackerLost(self.failures[url]))
            return
        if not connection.remote.is_tracker:
            self.failures[url] = "what answers there is not a tracker"
            await connection.aclose("you are not a tracker")
            return
        self.failures.pop(url, None)
        link = await self._driver.adopt(connection)
        self._change(link, url)
        await link.ended.wait()
        self._change(None, None)
        self._driver.submit(TrackerLost("the connection ended"))

    def _change(self, link: Link | None, url: str | None) -> None:
        self.link, self.url = link, url
        self._changed.set()
        self._changed = trio.Event()
