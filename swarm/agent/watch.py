"""Tells an observer how a fetch goes, and why it does not; ends one that has had no source for long.

"Never stall in silence": after some seconds without a byte the node is asked why, for a block that is lacking.
"""

from __future__ import annotations

from collections import deque

import trio

from swarm.agent.account import Account
from swarm.agent.agent import Agent
from swarm.agent.fetch_shelf import FetchShelf
from swarm.agent.notices import Observer, Phase, Progress
from swarm.errors import UnreachableError
from swarm.protocol.ids import Index

INTERVAL_S = 0.25
RATE_WINDOW_S = 3.0
STALLED_S = 2.0
"""Without a byte for so long the progress line says why."""

SOURCELESS_S = 60.0
"""With neither a neighbour nor a tracker nor a store that answers for so long, the fetch ends: nothing will come."""


class Watch:
    """Looks four times a second; `run` raises UnreachableError when there has been no source for long."""

    def __init__(self, agent: Agent, shelf: FetchShelf, account: Account, observer: Observer) -> None:
        self._agent = agent
        self._shelf = shelf
        self._account = account
        self._observer = observer
        self._samples: deque[tuple[float, int]] = deque()
        self._moved_at = trio.current_time()
        self._source_at = trio.current_time()
        self.phase = Phase.MANIFEST
        self.bytes_total: int | None = None
        self.bytes_local = 0
        self.bytes_resumed = 0

    async def run(self) -> None:
        """For as long as the fetch; cancelled at its end."""
        while True:
            now = trio.current_time()
            self._sample(now)
            self._look_for_sources(now)
            self._observer.notify(self.progress(now))
            await trio.sleep(INTERVAL_S)

    def progress(self, now: float) -> Progress:
        """How things stand."""
        account = self._account
        rate = self._rate()
        done = self.bytes_local + account.bytes_peer + account.bytes_origin
        left = None if self.bytes_total is None or rate <= 0 else max(0, self.bytes_total - done) / rate
        return Progress(
            phase=self.phase,
            bytes_done=done,
            bytes_total=self.bytes_total,
            rate=rate,
            seconds_left=left,
            bytes_peer=account.bytes_peer,
            bytes_origin=account.bytes_origin,
            bytes_local=self.bytes_local,
            peers=len(self._agent.driver.links.agents()),
            waiting=self._waiting(now),
            bytes_sent=account.bytes_sent,
            bytes_resumed=self.bytes_resumed,
        )

    def _sample(self, now: float) -> None:
        moved = self._account.moved
        if not self._samples or moved > self._samples[-1][1]:
            self._moved_at = now
        self._samples.append((now, moved))
        while self._samples[0][0] < now - RATE_WINDOW_S:
            self._samples.popleft()

    def _rate(self) -> float:
        (first_at, first), (last_at, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0

    def _waiting(self, now: float) -> str | None:
        if self.phase not in (Phase.MANIFEST, Phase.FETCH) or now - self._moved_at < STALLED_S:
            return None
        index = self._shelf.lacking.first_set()
        if index is None:
            return None
        driver = self._agent.driver
        reason, trouble = driver.node.why(self._shelf.version_id, Index(index), now), driver.store_reads.trouble
        return reason if trouble is None else f"{reason}; the store: {trouble.message}"

    def _look_for_sources(self, now: float) -> None:
        driver, trouble = self._agent.driver, self._agent.driver.store_reads.trouble
        is_waiting = self.phase in (Phase.MANIFEST, Phase.FETCH) and not self._shelf.lacking.is_empty
        has_store = self._agent.parts.reads_store and trouble is None
        if not is_waiting or has_store or self._agent.tracker.link is not None or driver.links.agents():
            self._source_at = now
        elif now - self._source_at > SOURCELESS_S:
            raise UnreachableError(
                f"no peer, no tracker and no store could be reached for {SOURCELESS_S:.0f} s"
                + (f"; the store: {trouble.message}" if trouble is not None else ""),
                hint="what has come is kept: run the same command again when there is a source",
            )
