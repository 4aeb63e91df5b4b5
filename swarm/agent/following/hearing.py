"""Hears what a channel means: pushed by the tracker, looked for in the store, asked of everybody.

Pushes need no clock. What is polled (the store, and where that is silent everybody who can be asked) is polled with
jitter, so that a fleet that was started in one second does not ask in one second, and rarely while a tracker pushes.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from swarm.agent.agent import Agent
from swarm.agent.claims import Answer
from swarm.agent.following.record import Step
from swarm.agent.link import Link
from swarm.agent.notices import Observer
from swarm.agent.target import Targets
from swarm.agent.trust import Decision
from swarm.agent.watch import watch_asking
from swarm.errors import InternalError, SwarmError
from swarm.protocol.messages import Resolved, Subscribe, TagMoved
from swarm.protocol.names import Reference, is_query
from swarm.protocol.records import decode_tag_record

PUSHED_MAX = 64
"""Moves that have come and were not looked at yet; of more, what they mean together is asked for."""

PUSHED_ROUNDS = 10
"""Polls that are left out, all but one of so many, while a tracker pushes."""

READ_EVERY = 20
"""Every so many polls everybody is asked, whatever the look at the store says: a name may have begun anew."""

SUBSCRIBE_AGAIN_S = 2.0
"""After a tracker that could not answer, jittered."""

ASK_AGAIN_S = 1.0
"""Between two questions to everybody, at least; after failures twice as long each time."""

PUSH, STORE = "push", "store"


class PolledStore(Protocol):
    """What polling asks of a store."""

    async def has_tag_record(self, name: str, tag: str, seq: int) -> bool: ...
    async def tags_state(self, name: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Ears:
    """Where to listen. `targets` is made anew each time: the first answer that is believed makes a pin."""

    agent: Agent
    targets: Callable[[], Targets]
    store: Callable[[], Awaitable[PolledStore]] | None
    poll_s: float
    observer: Observer


class Hearing:
    """`heard` is told every decision and who said so, `failed` why nobody could be believed."""

    def __init__(
        self,
        ears: Ears,
        reference: Reference,
        newest: Callable[[], Step | None],
        heard: Callable[[Decision, str], None],
        failed: Callable[[SwarmError], None],
    ) -> None:
        assert reference.tag is not None
        self._ears = ears
        self._name, self._tag = reference.name, reference.tag
        self._is_range = is_query(self._tag)
        self._newest = newest
        self._heard = heard
        self._failed = failed
        self._is_wanted = trio.Event()
        self._has_failed = False
        self._state: bytes | None = None
        self._push, self._pushed = trio.open_memory_channel[TagMoved](PUSHED_MAX)
        self.is_pushed = False
        """Whether a tracker has taken the subscription, and is there."""

    @property
    def told_by(self) -> tuple[str, ...]:
        """Who tells of moves now."""
        return (PUSH,) * self.is_pushed + (STORE,) * (self._ears.store is not None)

    def look(self) -> None:
        """Asks everybody soon."""
        self._is_wanted.set()

    async def run(self) -> None:
        """For ever."""
        self._ears.agent.catalog.on_tag_moved = self._take_push
        self.look()
        try:
            async with trio.open_nursery() as nursery:
                for task in (self._subscribe, self._judge_pushes, self._ask, self._poll):
                    nursery.start_soon(task)
        finally:
            self._ears.agent.catalog.on_tag_moved = None

    # --- push -----------------------------------------------------------------------------------

    async def _subscribe(self) -> None:
        tracker, tag = self._ears.agent.tracker, None if self._is_range else self._tag
        while True:
            link = await tracker.wait_connected()
            try:
                answer = await self._ears.agent.catalog.ask(link, lambda request: Subscribe(request, self._name, tag))
            except SwarmError:
                await trio.sleep(SUBSCRIBE_AGAIN_S * random.uniform(0.75, 1.25))
                continue
            if isinstance(answer, Resolved):
                self.is_pushed = True
                await self._judge_answer(answer)
            await link.ended.wait()
            self.is_pushed = False

    def _take_push(self, link: Link, moved: TagMoved) -> None:
        if link is not self._ears.agent.tracker.link:
            return  # nobody else was asked to tell
        try:
            self._push.send_nowait(moved)
        except trio.WouldBlock:
            self.look()

    async def _judge_answer(self, answer: Resolved) -> None:
        """What may have been missed while there was no subscription."""
        if self._is_range:
            self.look()
        elif answer.tag_records:
            await self._judge(Answer("tracker", answer.tag_records, answer.name_records, answer.root), "tracker")

    async def _judge_pushes(self) -> None:
        async for moved in self._pushed:
            try:
                record = decode_tag_record(moved.tag_record)
            except SwarmError:
                continue
            if record.name != self._name:
                continue
            if self._is_range:
                self.look()
            elif record.tag == self._tag:
                chain = self._ears.agent.recordbook.chain(self._name)
                await self._judge(Answer("tracker", (moved.tag_record,), chain, moved.root), PUSH)

    async def _judge(self, answer: Answer, source: str) -> None:
        """A record by itself, at once: it is signed, and newer than what was seen. Where it cannot be believed (its
        key is new, the tag was removed) everybody is asked, who then also say why."""
        try:
            decision = await self._ears.targets().judge(self._name, self._tag, [answer])
        except InternalError:
            raise
        except SwarmError:
            self.look()
            return
        self._hear(decision, source)

    # --- ask ------------------------------------------------------------------------------------

    async def _ask(self) -> None:
        pause_s = ASK_AGAIN_S
        while True:
            await self._is_wanted.wait()
            self._is_wanted = trio.Event()
            try:
                async with watch_asking(self._ears.agent, self._ears.observer):
                    decision = await self._ears.targets().decide(self._name, self._tag)
            except InternalError:
                raise
            except SwarmError as error:
                self._has_failed = True
                self._failed(error)
                with trio.move_on_after(pause_s * random.uniform(0.75, 1.25)):
                    await self._is_wanted.wait()
                self._is_wanted.set()
                pause_s = min(2 * pause_s, max(ASK_AGAIN_S, self._ears.poll_s))
            else:
                self._hear(decision, decision.source)
                pause_s = ASK_AGAIN_S
            await trio.sleep(ASK_AGAIN_S * random.uniform(0.25, 0.75))

    def _hear(self, decision: Decision, source: str) -> None:
        self._has_failed = False
        self._heard(decision, source)

    # --- poll -----------------------------------------------------------------------------------

    async def _poll(self) -> None:
        rounds = 0
        await trio.sleep(self._ears.poll_s * random.random())
        while True:
            await trio.sleep(self._ears.poll_s * random.uniform(0.75, 1.25))
            rounds += 1
            if self.is_pushed and rounds % PUSHED_ROUNDS:
                continue
            if rounds % READ_EVERY == 0 or await self._may_have_moved():
                self.look()

    async def _may_have_moved(self) -> bool:
        """One small request, where that is enough to know."""
        newest = self._newest()
        if self._ears.store is None or newest is None or self._has_failed:
            return True
        try:
            store = await self._ears.store()
            has_next = await store.has_tag_record(self._name, newest.tag, newest.seq + 1)
            return has_next or (self._is_range and await self._has_other_tags(store))
        except SwarmError:
            return True  # tracker and neighbours may know; and it is said what is wrong

    async def _has_other_tags(self, store: PolledStore) -> bool:
        before, self._state = self._state, await store.tags_state(self._name)
        return before != self._state
