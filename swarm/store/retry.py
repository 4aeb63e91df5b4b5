"""Tries again what may succeed later: a decorator over any `Objects`, so that adapters only say what went wrong.

Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): the wait
is uniform between nothing and a ceiling that doubles, which spreads a thousand clients that were refused together.
Bounded by a count; what is still unavailable then is raised as it came, `is_slow_down` included.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import trio

from swarm.errors import CorruptError, MissingError, UnavailableError
from swarm.store._objects import Body, Objects, Page, Stat
from swarm.store._reading import Moved

T = TypeVar("T")

ATTEMPTS = 6
"""With the ceilings below some 6 s of waiting on average, 12.6 s at most: a throttled prefix recovers in seconds."""

FIRST_CEILING_S = 0.4
CEILING_MAX_S = 20.0
"""Reached only where somebody asks for more attempts than usual."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often to try in all, and how long to wait between."""

    attempts: int = ATTEMPTS
    first_ceiling_s: float = FIRST_CEILING_S
    ceiling_max_s: float = CEILING_MAX_S

    def wait_s(self, failures: int, rng: random.Random) -> float:
        """After so many failures (>= 1) in a row."""
        return rng.uniform(0.0, min(self.ceiling_max_s, self.first_ceiling_s * 2 ** (failures - 1)))


class Retry:
    """Calls again what was unavailable."""

    def __init__(self, backoff: Backoff, rng: random.Random) -> None:
        self._backoff = backoff
        self._rng = rng

    async def __call__(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The first answer, or the last error."""
        for failures in range(1, self._backoff.attempts):
            try:
                return await attempt()
            except UnavailableError:
                await trio.sleep(self._backoff.wait_s(failures, self._rng))
        return await attempt()


class Retrying:
    """`inner` with every call repeated while it is unavailable; `once` is `inner` itself."""

    def __init__(self, inner: Objects, backoff: Backoff, rng: random.Random) -> None:
        self.once = inner
        self._retry = Retry(backoff, rng)
        self.url = inner.url

    async def get(self, key: str, *, max_bytes: int, moved: Moved | None = None) -> Body:
        return await self._retry(lambda: self.once.get(key, max_bytes=max_bytes, moved=moved))

    async def put(self, key: str, data: Body) -> None:
        await self._retry(lambda: self.once.put(key, data))

    async def create(self, key: str, data: Body) -> bool:
        """An attempt whose answer was lost may have succeeded: then the next one finds our own bytes there."""
        attempts = 0

        async def attempt() -> bool:
            nonlocal attempts
            attempts += 1
            return await self.once.create(key, data)

        is_new = await self._retry(attempt)
        return is_new or (attempts > 1 and await self._is_there(key, data))

    async def stat(self, key: str) -> Stat | None:
        return await self._retry(lambda: self.once.stat(key))

    async def list_page(self, prefix: str, *, after: str = "") -> Page:
        return await self._retry(lambda: self.once.list_page(prefix, after=after))

    async def delete(self, key: str) -> None:
        await self._retry(lambda: self.once.delete(key))

    @property
    def deletions_max(self) -> int:
        return self.once.deletions_max

    async def delete_many(self, keys: Sequence[str]) -> None:
        await self._retry(lambda: self.once.delete_many(keys))

    async def delete_checked(self, keys: Sequence[str], check: Callable[[], Awaitable[None]]) -> None:
        """Deletes one or several. `check` is asked before every attempt, because between two of them a machine may have
        slept for days."""

        async def attempt() -> None:
            await check()
            await (self.once.delete_many(keys) if len(keys) > 1 else self.once.delete(keys[0]))

        await self._retry(attempt)

    async def presign(self, key: str, seconds: int) -> str | None:
        return await self._retry(lambda: self.once.presign(key, seconds))

    async def server_time(self) -> float:
        return await self._retry(self.once.server_time)

    async def aclose(self) -> None:
        await self.once.aclose()

    async def _is_there(self, key: str, data: Body) -> bool:
        try:
            return await self.get(key, max_bytes=len(data)) == data
        except (MissingError, CorruptError):  # gone again; or longer than ours
            return False
