"""Tells an observer how a fetch goes, and why it does not; ends one that has had no source for long.

"Never stall in silence": after some seconds without a byte `waits` is asked why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from swarm.agent.account import Account
from swarm.agent.agent import Agent
from swarm.agent.fetch_shelf import FetchShelf
from swarm.agent.notices import Observer, Phase, Progress, Waits
from swarm.agent.waits import SOURCELESS_S, waits_of, waits_of_asking
from swarm.agent.waits import Waits as Found
from swarm.errors import UnreachableError
from swarm.transport.nursery_of_one import nursery_of_one

INTERVAL_S = 0.25
RATE_WINDOW_S = 3.0
STALLED_S = 2.0
"""Without a byte for so long the progress line says why."""

TOLD_S = 5.0
"""Without a byte for so long everything that is waited for is told, kind by kind."""

TOLD_AGAIN_S = 10.0
"""And told again, while it lasts."""

KINDS_MAX = 8
"""Kinds of waits told at once: a version seldom has more than three."""

EXCHANGING = (Phase.MANIFEST, Phase.FETCH)
"""Phases in which bytes are to come."""


class Watch:
    """Looks four times a second; `run` raises UnreachableError when there has been no source for long."""

    def __init__(self, agent: Agent, shelf: FetchShelf, account: Account, observer: Observer) -> None:
        self._agent = agent
        self._shelf = shelf
        self._account = account
        self._observer = observer
        self._teller = _Teller(observer)
        self._samples: deque[tuple[float, int]] = deque()
        self._moved_at = self._source_at = self._phase_at = trio.current_time()
        self._phase = Phase.MANIFEST
        self._exchange_s = 0.0
        self._link_rate = 0.0
        self.bytes_total: int | None = None
        self.bytes_local = 0
        self.bytes_resumed = 0

    @property
    def phase(self) -> Phase:
        """What the fetch is busy with."""
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._exchange_s = self.seconds_exchange
        self._look_at_link()
        self._phase, self._moved_at = phase, trio.current_time()
        self._phase_at = self._moved_at

    # --- for the receipt ------------------------------------------------------------------------

    @property
    def seconds_exchange(self) -> float:
        """While bytes were to come."""
        return self._exchange_s + (trio.current_time() - self._phase_at if self._phase in EXCHANGING else 0.0)

    @property
    def link_rate(self) -> float | None:
        """The most that came in a second: what the link, or a limit, has shown that it can do. None: never so long."""
        return self._link_rate or None

    @property
    def link_share(self) -> float | None:
        """What came, as part of what would have come at `link_rate` all the time."""
        best = self._link_rate * self.seconds_exchange
        return min(1.0, self._account.bytes_came / best) if best else None

    def _look_at_link(self) -> None:
        self._link_rate = max(self._link_rate, self._agent.driver.node.statistics().capacity_down)

    # --- from time to time ----------------------------------------------------------------------

    async def run(self) -> None:
        """For as long as the fetch; cancelled at its end."""
        while True:
            now = trio.current_time()
            self._sample(now)
            self._look_for_sources(now)
            self._look_at_link()
            waits = self._waits(now)
            self._observer.notify(self.progress(waits))
            self._teller.tell(self._phase, waits, now - self._moved_at, now)
            await trio.sleep(INTERVAL_S)

    def progress(self, waits: Found) -> Progress:
        """How things stand."""
        account = self._account
        rate = self._rate()
        done = self.bytes_local + account.bytes_peer + account.bytes_origin
        left = None if self.bytes_total is None or rate <= 0 else max(0, self.bytes_total - done) / rate
        wait, blocks = waits[0] if waits else (None, None)
        return Progress(
            phase=self._phase,
            bytes_done=done,
            bytes_total=self.bytes_total,
            rate=rate,
            seconds_left=left,
            bytes_peer=account.bytes_peer,
            bytes_origin=account.bytes_origin,
            bytes_local=self.bytes_local,
            peers=len(self._agent.driver.links.agents()),
            waiting=str(wait) if wait is not None else None,
            bytes_sent=account.bytes_sent,
            bytes_resumed=self.bytes_resumed,
            waiting_since_s=wait.since_s if wait is not None else None,
            waiting_bound_s=wait.bound_s if wait is not None else None,
            waiting_blocks=blocks,
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

    def _waits(self, now: float) -> Found:
        if self._phase not in EXCHANGING or now - self._moved_at < STALLED_S:
            return ()
        return waits_of(self._agent, self._shelf.version_id, now, sourceless_s=now - self._source_at)

    def _look_for_sources(self, now: float) -> None:
        driver, trouble = self._agent.driver, self._agent.driver.store_reads.trouble
        is_waiting = self._phase in EXCHANGING and not self._shelf.lacking.is_empty
        has_store = self._agent.parts.reads_store and trouble is None
        if not is_waiting or has_store or self._agent.tracker.link is not None or driver.links.agents():
            self._source_at = now
        elif now - self._source_at > SOURCELESS_S:
            raise UnreachableError(
                f"no peer, no tracker and no store could be reached for {SOURCELESS_S:.0f} s"
                + (f"; the store: {trouble.message}" if trouble is not None else ""),
                hint="what has come is kept: run the same command again when there is a source",
            )


@asynccontextmanager
async def watch_asking(agent: Agent, observer: Observer) -> AsyncIterator[None]:
    """While a name, a tag or a root is asked for: says whose answer is waited for, as `Watch` does of blocks."""
    async with nursery_of_one() as nursery:
        nursery.start_soon(_watch_asking, agent, observer)
        yield


async def _watch_asking(agent: Agent, observer: Observer) -> None:
    began_at, teller = trio.current_time(), _Teller(observer)
    while True:
        await trio.sleep(INTERVAL_S)
        now = trio.current_time()
        waits = waits_of_asking(agent, now) if now - began_at >= STALLED_S else ()
        if waits:
            wait, blocks = waits[0]
            told = Progress(
                Phase.RESOLVE,
                0,
                waiting=str(wait),
                waiting_since_s=wait.since_s,
                waiting_bound_s=wait.bound_s,
                waiting_blocks=blocks,
            )
            observer.notify(told)
        teller.tell(Phase.RESOLVE, waits, now - began_at, now)


class _Teller:
    """Tells of waits when they have lasted, and again when they go on or become others."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._kinds: frozenset[str] = frozenset()
        self._told_at = float("-inf")

    def tell(self, phase: Phase, waits: Found, stalled_s: float, now: float) -> None:
        if stalled_s < TOLD_S or not waits:
            self._kinds = frozenset()
            return
        kinds = frozenset(wait.kind for wait, _ in waits)
        if kinds <= self._kinds and now - self._told_at < TOLD_AGAIN_S:
            return
        self._kinds, self._told_at = kinds, now
        for wait, blocks in waits[:KINDS_MAX]:
            self._observer.notify(Waits(phase, str(wait), wait.since_s, wait.bound_s, blocks))
