"""Everything under a prefix, page by page. A class, not a generator: it may be left in the middle without harm."""

from __future__ import annotations

from swarm.store._objects import Listed, Objects


class Listing:
    """`async for listed in Listing(objects, prefix)`: ascending by key, one page in memory."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix
        self._page: list[Listed] = []
        self._after = ""
        self._is_last = False

    def __aiter__(self) -> Listing:
        return self

    async def __anext__(self) -> Listed:
        while not self._page:
            if self._is_last:
                raise StopAsyncIteration
            page = await self._objects.list_page(self._prefix, after=self._after)
            self._is_last = page.is_last or not page.objects
            self._page = list(reversed(page.objects))
            self._after = page.objects[-1].key if page.objects else ""
        return self._page.pop()
