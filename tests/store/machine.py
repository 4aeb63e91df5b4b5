"""Publishers and collectors of one store, each request of each of them a step that somebody else decides to let happen.

What runs is the code itself, over objects in memory behind a gate. A request waits at the gate for as long as the
schedule likes, while hours pass; that is how a suspended process looks to a store.

Two steps may not be held up for ever, because no store could know: a commit takes place less than 18 h after the
publisher's last look at his marker (24 h that it counts, less 6 h that it may be old), and a deletion less than an hour
after the collector decided on it. Whoever would be later is killed instead.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from swarm.errors import SwarmError, UnavailableError
from swarm.protocol.ids import VersionId
from swarm.protocol.records import decode_tag_record
from swarm.store import memory
from swarm.store._objects import Body, Objects, Page, Stat
from swarm.store._reading import Moved
from swarm.store.collected import Request
from swarm.store.identity import CreateClass, Identity, encode_identity
from swarm.store.layout import BLOCKS, GC, HISTORY, IDENTITY_KEY, PUBLISHING, VERSIONS, block_key, version_key
from swarm.store.memory import MemoryObjects
from swarm.store.options import StoreOptions
from swarm.store.retention import Keep
from swarm.store.retry import Backoff, Retrying
from swarm.store.store import Store
from swarm.store.sweep import Rules
from tests.store.versions import NAME, Made, made_of, parts, point, publish

URL = "memory://machine"
HOUR_S = 3600.0
VERSIONS_MADE = (made_of(1, 2, 3), made_of(2, 3, 4), made_of(4, 5), made_of(1, 5))
TAGS = ("a", "b")
PUBLISHERS, COLLECTORS = 2, 2
COMMIT_DELAY_MAX_S, DELETE_DELAY_MAX_S = 18 * HOUR_S, 1 * HOUR_S
IDENTITY = Identity(bytes(16), CreateClass.ATOMIC)  # type: ignore[arg-type]


class Gate:
    """The objects as one actor sees them: each request waits until it is let through."""

    def __init__(self, inner: MemoryObjects) -> None:
        self.inner = inner
        self.url = inner.url
        self.waiting: deque[tuple[str, str, float, trio.Event]] = deque()
        self.is_dead = False
        self._looked_s = 0.0

    async def step(self) -> None:
        """Lets one request through, and everything that follows from it happen."""
        if self.waiting:
            operation, key, asked_s, event = self.waiting.popleft()
            now_s = trio.current_time()
            if operation == "stat" and key.startswith(PUBLISHING):
                self._looked_s = now_s
            is_late = operation == "create" and key.startswith(HISTORY) and now_s - self._looked_s > COMMIT_DELAY_MAX_S
            is_late |= (
                operation == "delete" and key.startswith((BLOCKS, VERSIONS)) and now_s - asked_s > DELETE_DELAY_MAX_S
            )
            self.is_dead |= is_late
            event.set()
        await wait_all_tasks_blocked()

    def kill(self) -> None:
        self.is_dead = True
        while self.waiting:
            self.waiting.popleft()[3].set()

    async def get(self, key: str, *, max_bytes: int, moved: Moved | None = None) -> Body:
        await self._pass("get", key)
        return await self.inner.get(key, max_bytes=max_bytes, moved=moved)

    async def put(self, key: str, data: Body) -> None:
        await self._pass("put", key)
        await self.inner.put(key, data)

    async def create(self, key: str, data: Body) -> bool:
        await self._pass("create", key)
        return await self.inner.create(key, data)

    async def stat(self, key: str) -> Stat | None:
        await self._pass("stat", key)
        return await self.inner.stat(key)

    async def list_page(self, prefix: str, *, after: str = "") -> Page:
        # 250 of a collection's 256 prefixes are empty here: they would only dilute the schedule.
        if prefix.startswith(BLOCKS) and not any(key.startswith(prefix) for key in self.inner._space):
            return Page((), is_last=True)
        await self._pass("list", prefix)
        return await self.inner.list_page(prefix, after=after)

    async def delete(self, key: str) -> None:
        await self._pass("delete", key)
        await self.inner.delete(key)

    @property
    def deletions_max(self) -> int:
        return self.inner.deletions_max

    async def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            await self.delete(key)

    async def presign(self, key: str, seconds: int) -> str | None:
        return await self.inner.presign(key, seconds)

    async def server_time(self) -> float:
        await self._pass("time", "")
        return await self.inner.server_time()

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def _pass(self, operation: str, key: str) -> None:
        if not self.is_dead:
            event = trio.Event()
            self.waiting.append((operation, key, trio.current_time(), event))
            await event.wait()
        if self.is_dead:
            raise UnavailableError("killed")


class Machine:
    """The store, its actors, and what must always hold."""

    def __init__(self, nursery: trio.Nursery, clock: MockClock, directory: Path) -> None:
        memory.forget(URL)
        self.objects = MemoryObjects(URL)
        self._nursery = nursery
        self._clock = clock
        self._directory = directory
        self.actors: dict[str, Gate] = {}
        self._roots: dict[str, VersionId | None] = {}

    async def begin(self) -> None:
        await self.objects.put(IDENTITY_KEY, encode_identity(IDENTITY))

    def store(self, objects: Objects) -> Store:
        return Store(Retrying(objects, Backoff(1), random.Random(0)), StoreOptions(attempts=1, concurrency=2), IDENTITY)

    async def publish(self, who: int, made: int, tag: int) -> None:
        """A publisher begins, unless he is at it."""
        version = VERSIONS_MADE[made % len(VERSIONS_MADE)]
        await self._act(f"publisher {who % PUBLISHERS}", lambda store: publish(store, version, TAGS[tag % len(TAGS)]))

    async def collect(self, who: int) -> None:
        """A collector begins, unless he is at it."""
        rules = Rules(collector=f"collector {who % COLLECTORS}", drain_s=30.0, clock=trio.current_time)

        async def collect(store: Store) -> None:
            await store.collect(Request(Keep(last=1), self._directory), rules)

        await self._act(f"collector {who % COLLECTORS}", collect)

    async def step(self, who: int, count: int) -> None:
        """Some requests of one of those who are at it."""
        for _ in range(count):
            living = sorted(name for name, gate in self.actors.items() if gate.waiting)
            if living:
                await self.actors[living[who % len(living)]].step()
                await self.check()

    async def until(self, name: str, operation: str, prefix: str) -> None:
        """Lets `name` go on until that is what it asks for next; or until it has ended, or waits for somebody."""
        for _ in range(400):
            gate = self.actors.get(name)
            if gate is None or (
                gate.waiting and (gate.waiting[0][0], gate.waiting[0][1].startswith(prefix)) == (operation, True)
            ):
                return
            if gate.waiting:
                await gate.step()
            else:
                await self.wait(5.0)

    async def kill(self, who: int) -> None:
        if self.actors:
            self.actors[sorted(self.actors)[who % len(self.actors)]].kill()
            await wait_all_tasks_blocked()

    async def untag(self, tag: int) -> None:
        store = self.store(self.objects)
        if await self.current(TAGS[tag % len(TAGS)]) is not None:
            await point(store, TAGS[tag % len(TAGS)], None)

    async def wait(self, seconds: float) -> None:
        self._clock.jump(seconds)
        await wait_all_tasks_blocked()

    async def finish(self) -> None:
        """Everybody who is at it gets through."""
        for _ in range(1500):
            if not any(gate.waiting for gate in self.actors.values()) and not self.actors:
                return
            for gate in list(self.actors.values()):
                await gate.step()
            if not any(gate.waiting for gate in self.actors.values()):
                await self.wait(5.0)
        raise AssertionError("somebody waits for ever")

    async def current(self, tag: str) -> VersionId | None:
        newest = max((key for key in self.objects._space if key.startswith(f"{HISTORY}{NAME}/{tag}/")), default=None)
        if newest is not None and newest not in self._roots:
            self._roots[newest] = decode_tag_record(self.objects._space[newest][0]).root
        return self._roots[newest] if newest is not None else None

    async def needed(self) -> set[str]:
        """The keys that the versions of current tags need."""
        now = [await self.current(tag) for tag in TAGS]
        return {key for version in now if version is not None for key in KEYS[version]}

    async def there(self) -> set[str]:
        return {key for key in self.objects._space if key.startswith((BLOCKS, VERSIONS))}

    async def check(self) -> None:
        """Every version that a tag means now is whole."""
        lacking = await self.needed() - await self.there()
        assert not lacking, f"at {trio.current_time() / HOUR_S:.1f} h a tag's version lacks {sorted(lacking)}"

    async def check_freed(self) -> None:
        """When nobody is at it any more, four collections in as many days leave nothing that is not needed."""
        for name in list(self.actors):
            self.actors[name].kill()
        await wait_all_tasks_blocked()
        for _ in range(4):
            await self.wait(30 * HOUR_S)
            await self.collect(0)
            await self.finish()
            await self.check()
        assert await self.there() == await self.needed()
        assert not (await self.objects.list_page(GC)).objects

    async def _act(self, name: str, work: Callable[[Store], Awaitable[None]]) -> None:
        if name in self.actors:
            return
        gate = self.actors[name] = Gate(self.objects)

        async def act() -> None:
            with suppress(SwarmError, ExceptionGroup):
                await work(self.store(gate))
            if self.actors.get(name) is gate:
                del self.actors[name]

        self._nursery.start_soon(act)
        await wait_all_tasks_blocked()


def keys_of(made: Made) -> set[str]:
    return {version_key(made.id), *(block_key(block) for block in parts(made))}


KEYS = {made.id: keys_of(made) for made in VERSIONS_MADE}
Step = tuple[str, Any, Any, Any]


def run_schedule(steps: Sequence[Step], directory: Path, *, is_freed: bool = True) -> None:
    """Raises AssertionError where something that must hold does not."""
    clock = MockClock()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            machine = Machine(nursery, clock, directory)
            await machine.begin()
            clock.jump(100 * HOUR_S)
            try:
                for step in steps:
                    await perform(machine, step)
                    await machine.check()
                if is_freed:
                    await machine.check_freed()
            finally:
                for gate in machine.actors.values():
                    gate.kill()
                nursery.cancel_scope.cancel()

    try:
        trio.run(main, clock=clock)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def perform(machine: Machine, step: Step) -> None:
    what, first, second, third = step
    match what:
        case "publish":
            await machine.publish(first, second, third)
        case "collect":
            await machine.collect(first)
        case "step":
            await machine.step(first, second)
        case "kill":
            await machine.kill(first)
        case "untag":
            await machine.untag(first)
        case "wait":
            await machine.wait(first)
        case "finish":
            await machine.finish()
        case "until":
            await machine.until(first, second, third)
