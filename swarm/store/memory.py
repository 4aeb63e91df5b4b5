"""Objects in a dictionary: for tests only. Two stores opened at one `memory://NAME` of a process share their objects.

Create is atomic because nothing awaits between the look and the write.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from swarm.errors import CorruptError, MissingError
from swarm.store._objects import Body, Listed, Page, Stat, check_key
from swarm.store._reading import Moved

LIST_PAGE_OBJECTS = 1000
"""As S3 has it, so that paging is exercised."""

_spaces: dict[str, dict[str, tuple[bytes, float]]] = {}


def forget(url: str) -> None:
    """Empties the place that `url` names."""
    _spaces.pop(url, None)


class MemoryObjects:
    """`url` names the dictionary. Its clock is trio's, so that virtual time works."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._space = _spaces.setdefault(url, {})

    async def get(self, key: str, *, max_bytes: int, moved: Moved | None = None) -> Body:
        await trio.lowlevel.checkpoint()
        if check_key(key) not in self._space:
            raise MissingError(f"{self.url} has no {key}")
        data = self._space[key][0]
        if len(data) > max_bytes:
            raise CorruptError(f"{key} in {self.url} has {len(data)} bytes, more than {max_bytes}")
        if moved:
            moved(len(data))
        return data

    async def put(self, key: str, data: Body) -> None:
        await trio.lowlevel.checkpoint()
        self._space[check_key(key)] = (bytes(data), trio.current_time())

    async def create(self, key: str, data: Body) -> bool:
        await trio.lowlevel.checkpoint()
        if check_key(key) in self._space:
            return False
        self._space[key] = (bytes(data), trio.current_time())
        return True

    async def stat(self, key: str) -> Stat | None:
        await trio.lowlevel.checkpoint()
        if check_key(key) not in self._space:
            return None
        data, modified_s = self._space[key]
        return Stat(len(data), modified_s)

    async def list_page(self, prefix: str, *, after: str = "") -> Page:
        await trio.lowlevel.checkpoint()
        keys = sorted(key for key in self._space if key.startswith(prefix) and key > after)
        some = keys[:LIST_PAGE_OBJECTS]
        listed = (Listed(key, len(self._space[key][0]), self._space[key][1]) for key in some)
        return Page(tuple(listed), is_last=len(some) == len(keys))

    async def delete(self, key: str) -> None:
        await trio.lowlevel.checkpoint()
        self._space.pop(check_key(key), None)

    @property
    def deletions_max(self) -> int:
        return 1

    async def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            await self.delete(key)

    async def presign(self, key: str, seconds: int) -> str | None:  # noqa: ARG002
        await trio.lowlevel.checkpoint()
        return None

    async def server_time(self) -> float:
        await trio.lowlevel.checkpoint()
        return trio.current_time()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
