"""The use case behind `swarm follow`: hear, fetch, flip, run the hook, go back if need be, remove what is old.

Its state is what is on the disk (`place`, `record`). What it cannot do now it says and tries again; nothing that a
source, a disk or a hook does ends it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from swarm.agent.agent import Agent
from swarm.agent.claims import Pinned
from swarm.agent.follow_notices import Following, Moved, Standing
from swarm.agent.following.backlog import Backlog
from swarm.agent.following.fetching import Fetching
from swarm.agent.following.hearing import Ears, Hearing, PolledStore
from swarm.agent.following.hook import Ended, Hook
from swarm.agent.following.place import Place
from swarm.agent.following.pruning import prune, superfluous, sweep
from swarm.agent.following.record import RecordFile, Step
from swarm.agent.following.switching import Switching
from swarm.agent.following.through import Once, Through
from swarm.agent.library import open_held
from swarm.agent.notices import Observer
from swarm.agent.target import Remember, Targets
from swarm.agent.trust import Decision
from swarm.agent.unwrapping import unwrapped
from swarm.dataset.selection import Selection
from swarm.errors import HookError, InternalError, RefusedError, SwarmError
from swarm.holdings.holdings import Holdings
from swarm.protocol.ids import VersionId, digest
from swarm.protocol.names import Reference

TRY_AGAIN_FIRST_S, TRY_AGAIN_LAST_S = 1.0, 30.0
"""After what could not be done (no source, no room, no rights): doubling, with jitter."""

TELL_S = 10.0
"""While it is behind, how far is told so often."""


@dataclass(frozen=True, slots=True)
class FollowOrder:
    """What is to be followed, where to, and how. `reference` has a tag, which may be a range. `keep`: how many versions
    stay beside the current one. `retry`: what was refused is tried again. `pin` is asked each time: the first use
    makes one."""

    reference: Reference
    dest: Path
    pin: Callable[[], Pinned | None]
    remember: Remember
    selection: Selection
    hook: Hook | None
    keep: int
    poll_s: float
    once: bool
    retry: bool


@unwrapped
async def follow(
    agent: Agent,
    holdings: Holdings,
    store: Callable[[], Awaitable[PolledStore]] | None,
    order: FollowOrder,
    observer: Observer,
) -> None:
    """For ever; with `once` until `current` is what the channel means now.

    Raises RefusedError (another follower has DEST, `current` is not ours) and what the disk does at the start; with
    `once` whatever keeps it from its end, HookError too.
    """
    place = Place(order.dest)
    await trio.to_thread.run_sync(place.prepare)
    with place.locked():
        name, label = order.reference.name, str(order.reference)
        file = RecordFile(agent.parts.home, order.dest, label)
        record = await trio.to_thread.run_sync(file.load)
        switching = Switching(place, file, order.hook, name, label, observer, record)
        fetching = Fetching(agent, holdings, place, label, order.selection, observer, Through(observer))
        follower = Follower(order, fetching, switching, store)
        await (follower.run_once() if order.once else follower.run())


class Follower:
    """One channel and one DEST. `run` or `run_once`, once."""

    def __init__(
        self,
        order: FollowOrder,
        fetching: Fetching,
        switching: Switching,
        store: Callable[[], Awaitable[PolledStore]] | None,
    ) -> None:
        self._order = order
        self._fetching = fetching
        self._switching = switching
        self._observer = fetching.observer
        self._judged = Once(fetching.through)
        self._place = fetching.place
        self._backlog = Backlog()
        ears = Ears(fetching.agent, self._targets, store, order.poll_s, fetching.through)
        self._hearing = Hearing(ears, order.reference, lambda: self._backlog.newest, self._hear, self._fail)
        self._root: bytes | None = None
        self._deaf: SwarmError | None = None
        self._hindrance: SwarmError | None = None
        self._is_ensured = False
        self._current: VersionId | None = None
        self._told: Following | None = None
        self._news = trio.Event()

    async def run(self) -> None:
        """For ever."""
        await self._resume()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hearing.run)
            nursery.start_soon(self._tell_from_time_to_time)
            await self._keep_up()

    async def run_once(self) -> None:
        """Raises what keeps it from its end."""
        await self._resume()
        self._hear(*await self._ask())
        step = self._backlog.newest
        assert step is not None
        if self._is_refused(step):
            raise RefusedError(
                f"{step.digest[:16]} was refused before: {self._switching.record.reason}",
                hint="it is tried again when the channel moves, or with --retry",
            )
        ended = await self._update(step)
        if ended is not None and not ended.is_good:
            raise HookError(f"the hook of {step.digest[:16]}: {ended.reason}", hint="current is what it was before")

    # --- what is heard ----------------------------------------------------------------------------

    def _targets(self) -> Targets:
        fetching, order = self._fetching, self._order
        return Targets(fetching.agent, fetching.holdings, order.pin(), order.remember, self._judged)

    async def _ask(self) -> tuple[Decision, str]:
        reference = self._order.reference
        decision = await self._targets().decide(reference.name, reference.tag)
        return decision, decision.source

    def _hear(self, decision: Decision, source: str) -> None:
        self._deaf = None
        step, settled = Step.of(decision.record), self._switching.record.settled
        if self._backlog.hear(step, settled):
            self._root = decision.root
            if settled is None or settled.digest != step.digest:
                self._tell_move(step, source)
            self._hindrance = None
            self._news.set()
        self._tell()

    def _tell_move(self, step: Step, source: str) -> None:
        now = _now_ms()
        versions = self._backlog.versions(self._switching.record.settled)
        behind_s = self._backlog.seconds(now)
        moved = (self._label, step.digest, step.tag, step.epoch, step.seq, step.time, now, source, versions, behind_s)
        self._observer.notify(Moved(*moved))

    def _fail(self, error: SwarmError) -> None:
        self._deaf = error
        self._tell()

    # --- what is done -----------------------------------------------------------------------------

    async def _resume(self) -> None:
        switching = self._switching
        await switching.resume()
        if self._order.retry:
            await switching.save(switching.record.retried())
        self._current = await switching.current()
        await self._give_what_is_here()

    async def _give_what_is_here(self) -> None:
        """Others get what is here from the first moment on."""
        agent, holdings = self._fetching.agent, self._fetching.holdings
        for version in await trio.to_thread.run_sync(self._place.versions):
            held = await open_held(holdings, version, reads_store=agent.parts.reads_store)
            if held is not None:
                agent.driver.shelves.open(*held)

    async def _keep_up(self) -> None:
        pause_s = TRY_AGAIN_FIRST_S
        while True:
            self._news = trio.Event()
            step = self._backlog.newest
            if step is None or self._is_done(step):
                pause_s = TRY_AGAIN_FIRST_S
                await self._news.wait()
                continue
            try:
                await self._update(step)
            except InternalError:
                raise
            except SwarmError as error:
                self._hindrance = error
                self._tell()
                with trio.move_on_after(pause_s * random.uniform(0.75, 1.25)):
                    await self._news.wait()
                pause_s = min(2 * pause_s, TRY_AGAIN_LAST_S)

    def _is_refused(self, step: Step) -> bool:
        return self._switching.record.refused == step

    def _is_done(self, step: Step) -> bool:
        is_settled = self._switching.record.settled == step and self._is_ensured
        return is_settled or self._is_refused(step)

    async def _update(self, step: Step) -> Ended | None:
        """Makes a step current, or finds that it is; returns how its hook ended, if it ran."""
        switching, name = self._switching, self._order.reference.name
        self._tell()
        await self._keep_root(step)
        receipt = await self._fetching.fetch(name, step.version, lambda: self._backlog.newest != step)
        if receipt is None:
            return None
        self._hindrance = None
        ended = None
        if await switching.current() == step.version:
            await switching.settle(step)
        else:
            ended = await switching.switch(step, receipt)
        self._current = await switching.current()
        self._is_ensured = switching.record.settled == step
        if self._is_ensured:
            self._backlog.arrive(step)
            await self._remove_old()
        self._tell()
        return ended

    async def _keep_root(self, step: Step) -> None:
        """What came with the word that the tag has moved need not be asked for."""
        root, self._root = self._root, None
        if root is not None and digest(root) == step.version:
            await self._fetching.holdings.keep_root(root)

    async def _remove_old(self) -> None:
        record, fetching = self._switching.record, self._fetching
        there = await trio.to_thread.run_sync(self._place.versions)
        used = {step.version for step in (record.settled, record.refused, self._backlog.newest) if step is not None}
        installed = [VersionId(bytes.fromhex(one)) for one in record.installed]
        old = superfluous(there, used, installed, self._order.keep)
        await prune(fetching.agent, fetching.holdings, self._place, old, self._observer)
        await sweep(fetching.holdings, self._place, used, self._observer)

    # --- what is told -----------------------------------------------------------------------------

    @property
    def _label(self) -> str:
        return str(self._order.reference)

    async def _tell_from_time_to_time(self) -> None:
        while True:
            await trio.sleep(TELL_S)
            if self._told is not None and self._told.state is not Standing.CURRENT:
                self._tell(again=True)

    def _tell(self, *, again: bool = False) -> None:
        now = self._following()
        before, self._told = self._told, now
        if again or before is None or _without_time(before) != _without_time(now):
            self._observer.notify(now)

    def _following(self) -> Following:
        newest, settled = self._backlog.newest, self._switching.record.settled
        state, waiting = self._standing(newest)
        return Following(
            dataset=self._label,
            state=state,
            current=self._current.hex() if self._current is not None else None,
            newest=newest.digest if newest is not None else None,
            behind_versions=self._backlog.versions(settled),
            behind_s=round(self._backlog.seconds(_now_ms()), 3),
            waiting=waiting,
            told_by=self._hearing.told_by,
        )

    def _standing(self, newest: Step | None) -> tuple[Standing, str | None]:
        record = self._switching.record
        if self._hindrance is not None:
            return Standing.WAITING, f"{self._hindrance}; it is tried again"
        if newest is not None and record.refused == newest:
            why = f"{newest.digest[:16]} is refused: {record.reason}; it is tried again when the channel moves, or with"
            return Standing.REFUSED, f"{why} --retry" + (f" (now: {self._deaf})" if self._deaf is not None else "")
        if self._deaf is not None:
            kept = "what is here stays" if self._current is not None else "nothing is here yet"
            return Standing.WAITING, f"{self._deaf}; {kept}"
        if newest is None:
            return Standing.WAITING, None
        if record.settled == newest:
            return Standing.CURRENT, None
        return Standing.BEHIND, self._fetching.through.waiting


def _without_time(following: Following) -> tuple[object, ...]:
    return following.state, following.current, following.newest, following.waiting, following.told_by


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
