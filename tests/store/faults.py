"""Stores that misbehave: decorators over raw objects, as `retry` is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import trio

from swarm.errors import UnavailableError
from swarm.store._objects import Body, CreateUnsupportedError, Objects, Page, Stat
from swarm.store._reading import Moved

Fault = Callable[[str, str, bool], Exception | None]
"""(operation, key, whether it has been done) -> what to raise. Asked before and after each operation."""


class Faulty:
    """`inner`, with what `fault` says raised instead of, or after, an operation; and everything counted."""

    def __init__(self, inner: Objects, fault: Fault = lambda *_: None) -> None:
        self.inner = inner
        self.url = inner.url
        self.fault = fault
        self.calls: Counter[str] = Counter()

    async def get(self, key: str, *, max_bytes: int, moved: Moved | None = None) -> Body:
        self._before("get", key)
        found = await self.inner.get(key, max_bytes=max_bytes, moved=moved)
        self._after("get", key)
        return found

    async def put(self, key: str, data: Body) -> None:
        self._before("put", key)
        await self.inner.put(key, data)
        self._after("put", key)

    async def create(self, key: str, data: Body) -> bool:
        self._before("create", key)
        is_new = await self.inner.create(key, data)
        self._after("create", key)
        return is_new

    async def stat(self, key: str) -> Stat | None:
        self._before("stat", key)
        return await self.inner.stat(key)

    async def list_page(self, prefix: str, *, after: str = "") -> Page:
        self._before("list", prefix)
        return await self.inner.list_page(prefix, after=after)

    async def delete(self, key: str) -> None:
        self._before("delete", key)
        await self.inner.delete(key)

    @property
    def deletions_max(self) -> int:
        return self.inner.deletions_max

    async def delete_many(self, keys: Sequence[str]) -> None:
        self._before("delete", keys[0])
        await self.inner.delete_many(keys)

    async def presign(self, key: str, seconds: int) -> str | None:
        self._before("presign", key)
        return await self.inner.presign(key, seconds)

    async def server_time(self) -> float:
        self._before("time", "")
        return await self.inner.server_time()

    async def aclose(self) -> None:
        await self.inner.aclose()

    def _before(self, operation: str, key: str) -> None:
        self.calls[operation] += 1
        if error := self.fault(operation, key, False):
            raise error

    def _after(self, operation: str, key: str) -> None:
        if error := self.fault(operation, key, True):
            raise error


class LooksThenWrites(Faulty):
    """Creation as Swift has it: the condition is looked at, and the write comes a little later."""

    async def create(self, key: str, data: Body) -> bool:
        self._before("create", key)
        if await self.inner.stat(key) is not None:
            return False
        await trio.sleep(0.01)
        await self.inner.put(key, data)
        return True


class Overwrites(Faulty):
    """Creation as `rclone serve s3` has it: the condition is not looked at."""

    async def create(self, key: str, data: Body) -> bool:
        self._before("create", key)
        await self.inner.put(key, data)
        return True


class CannotCreate(Faulty):
    """501, or a file system without hard links."""

    async def create(self, key: str, data: Body) -> bool:
        self._before("create", key)
        raise CreateUnsupportedError("no such thing here")


def times(count: int, operation: str, *, is_done: bool = False, is_slow_down: bool = False) -> Fault:
    """The first `count` calls of `operation` are unavailable, before or after they were done."""
    left = count

    def fault(called: str, key: str, done: bool) -> Exception | None:
        nonlocal left
        if called != operation or done != is_done or left == 0:
            return None
        left -= 1
        return UnavailableError("injected", is_slow_down=is_slow_down)

    return fault
