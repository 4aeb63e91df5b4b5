"""When a wait is news: when it begins, or becomes one of another kind; not each time that its numbers change."""

from __future__ import annotations

import re
from collections.abc import Callable

SAME_SECONDS = 60.0
"""A wait that ends and begins again every few seconds is told once a minute."""

_NUMBERS = re.compile(r"\b[0-9a-f]*[0-9][0-9a-f.]*\b")
"""Seconds, bytes, and the names of agents."""


class News:
    """Remembers the wait that was told last. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kind: str | None = None
        self._told_kind: str | None = None
        self._told_at = float("-inf")

    def is_news(self, reason: str | None) -> bool:
        """Whether `reason` (None: nothing waits) is to be told; call it with every reason, in order."""
        kind = None if reason is None else _NUMBERS.sub("#", reason)
        is_other, self._kind = kind != self._kind, kind
        now = self._clock()
        is_old = kind == self._told_kind and now - self._told_at < SAME_SECONDS
        if kind is None or not is_other or is_old:
            return False
        self._told_kind, self._told_at = kind, now
        return True
