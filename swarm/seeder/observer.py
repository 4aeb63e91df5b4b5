"""Who watches a publish, and how a thread tells him."""

from __future__ import annotations

import time
from typing import Literal, Protocol

import trio

Phase = Literal["scan", "prepare", "upload", "commit"]

INTERVAL_S = 0.1
"""A screen shows no more; telling more often only takes the loop's time."""


class PublishObserver(Protocol):
    """Called from the trio thread; must return at once and must not raise."""

    def progress(self, phase: Phase, done: int, total: int | None, /) -> None:
        """Bytes, or, while scanning, entries. `total` None: not known yet."""

    def note(self, text: str, /) -> None:
        """One sentence for the user."""


class Unwatched:
    """The observer of who does not want to know."""

    def progress(self, phase: Phase, done: int, total: int | None, /) -> None:
        """Does nothing."""

    def note(self, text: str, /) -> None:
        """Does nothing."""


class ThreadProgress:
    """Called by a thread that trio started: tells the observer now and then, and raises Cancelled if nobody waits."""

    def __init__(self, observer: PublishObserver, phase: Phase, total: int | None = None) -> None:
        self._observer = observer
        self._phase: Phase = phase
        self._total = total
        self._told_at = float("-inf")

    def __call__(self, done: int) -> None:
        trio.from_thread.check_cancelled()
        now = time.monotonic()
        if now - self._told_at >= INTERVAL_S or done == self._total:
            self._told_at = now
            trio.from_thread.run_sync(self._observer.progress, self._phase, done, self._total)
