"""The connection to the tracker: kept for as long as the agent lives, made again when it is lost.

Several `--tracker` are alternatives: the first that answers is used, and after a loss they are tried again from the
first on, so that the agents of a version meet at the same one.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from swarm.agent.driver import Driver
from swarm.agent.link import Link
from swarm.errors import RefusedError, SwarmError, UnreachableError
from swarm.exchange.events import TrackerLost
from swarm.protocol.ids import PeerId
from swarm.protocol.messages import Direction

RETRY_MIN_S, RETRY_MAX_S = 0.5, 1.0
"""Between two rounds of attempts (DESIGN 5): a tracker that comes back hears from everybody within 5 s."""

FIND_TIMEOUT_S = 10.0
"""To turn a URL into addresses; whoever does that has a limit of its own."""

DIAL_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrackerAddress:
    """Where a tracker listens; `peer_id` None accepts whoever answers there."""

    addresses: tuple[str, ...]
    peer_id: PeerId | None


FindTracker = Callable[[str], Awaitable[TrackerAddress]]
"""Turns a URL or a multiaddr into addresses; raises SwarmError."""


class TrackerLink:
    """Keeps one tracker connected; `link` is it, None while there is none. `failures` says why, by URL."""

    def __init__(self, urls: tuple[str, ...], driver: Driver, find: FindTracker) -> None:
        self._urls = urls
        self._driver = driver
        self._find = find
        self.link: Link | None = None
        self.failures: dict[str, SwarmError] = {}
        self._rounds = 0
        """How often all have been tried in vain."""
        self._changed = trio.Event()

    @property
    def is_configured(self) -> bool:
        """Whether there is any tracker to connect to."""
        return bool(self._urls)

    async def wait_tried(self) -> Link:
        """The link, as soon as there is one. Raises UnreachableError (RefusedError where each was refused) once every
        tracker was tried in vain from now on."""
        rounds = self._rounds
        while self.link is None or self.link.ended.is_set():
            # The round that is under way may have passed the one that answers now.
            if self._rounds > rounds + (rounds > 0):
                raise self._failure()
            await self._changed.wait()
        return self.link

    async def wait_connected(self) -> Link:
        """The link, as soon as there is one."""
        while self.link is None or self.link.ended.is_set():
            await self._changed.wait()
        return self.link

    async def run(self) -> None:
        """Connects, waits for the end, connects again; for ever."""
        while self._urls:
            for url in self._urls:
                if await self._stay_connected(url):
                    break
            else:
                self._rounds += 1
                self._change(None)
            await trio.sleep(random.uniform(RETRY_MIN_S, RETRY_MAX_S))

    def why_not(self) -> str:
        """Why there is no tracker, for people."""
        return "; ".join(f"{url}: {error.message}" for url, error in self.failures.items()) or "not tried yet"

    async def _stay_connected(self, url: str) -> bool:
        """Whether it was connected, until now."""
        link = await self._connect(url)
        if link is None:
            return False
        self._change(link)
        await link.ended.wait()
        self._change(None)
        self._driver.submit(TrackerLost("the connection ended"))
        return True

    async def _connect(self, url: str) -> Link | None:
        try:
            with trio.fail_after(FIND_TIMEOUT_S):
                found = await self._find(url)
            with trio.fail_after(DIAL_TIMEOUT_S):
                connection = await self._driver.transport.dial(
                    found.addresses, Direction.CONTROL, peer_id=found.peer_id
                )
            link = await self._driver.adopt(connection, as_tracker=True)
        except SwarmError as error:
            self._fail(url, error)
        except trio.TooSlowError:
            self._fail(url, UnreachableError("no answer in time"))
        except Exception as error:  # a task's outer edge: a URL may lead to anything, and it is tried again
            log.exception("the tracker at %s", url)
            self._fail(url, UnreachableError(f"internal error: {error}"))
        else:
            self.failures.pop(url, None)
            return link
        return None

    def _fail(self, url: str, error: SwarmError) -> None:
        self.failures[url] = error
        self._driver.submit(TrackerLost(error.message))

    def _failure(self) -> SwarmError:
        errors = list(self.failures.values())
        if errors and all(isinstance(error, RefusedError) for error in errors):
            return errors[0]
        hint = next((error.hint for error in errors if error.hint), "is `swarm tracker` running there?")
        return UnreachableError(f"no tracker answers ({self.why_not()})", hint=hint)

    def _change(self, link: Link | None) -> None:
        self.link = link
        self._changed.set()
        self._changed = trio.Event()
