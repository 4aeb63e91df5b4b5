"""A line now and then about work that has no bytes to show: at most one in ten seconds."""

from __future__ import annotations

import time

from cli.ui.screen import Screen

EVERY_S = 10.0


class Ticker:
    """Says nothing in the first ten seconds."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said_s = time.monotonic()

    def tell(self, text: str) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= EVERY_S:
            self._said_s = now_s
            self._screen.say(text)
