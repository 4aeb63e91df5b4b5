"""Who has been asked something and has not answered: so that whoever waits for it can be told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Asking:
    """Sources by name (`tracker`, `store`), with the moment since which each is waited for."""

    def __init__(self) -> None:
        self._since: dict[str, list[float]] = {}

    @contextmanager
    def of(self, source: str) -> Iterator[None]:
        """While it is asked. One source may be asked several things at once."""
        moments, now = self._since.setdefault(source, []), trio.current_time()
        moments.append(now)
        try:
            yield
        finally:
            moments.remove(now)
            if not moments:
                self._since.pop(source, None)

    def longest(self) -> dict[str, float]:
        """Since when each is waited for, whoever was asked first before the others."""
        return dict(sorted(((source, min(moments)) for source, moments in self._since.items()), key=lambda it: it[1]))
