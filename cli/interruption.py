"""Ctrl-C and SIGTERM: the first one ends tidily, the second one at once.

While trio runs, the first signal cancels its outermost scope and everything closes as after any cancellation; before
and after, it raises Interrupted where the program is. A second signal leaves without looking back: what is on the
disk is safe at any moment, since a killed fetch continues where it was.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cli.exit_codes import ExitCode
from cli.failures import Interrupted

CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}

_SHOW_CURSOR = b"\x1b[?25h\n"


class Interruption:
    """One process's signals. `exit_code` is set by the first; `cancel` is what ends the running service tidily."""

    def __init__(self) -> None:
        self.exit_code: ExitCode | None = None
        self._cancel: Callable[[], None] | None = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Takes the two signals, and gives them back."""
        before = {number: signal.signal(number, self._on_signal) for number in CODES}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def cancelling(self, cancel: Callable[[], None]) -> Iterator[None]:
        """From here to the end the first signal calls `cancel` (from a signal handler) in place of raising."""
        self._cancel = cancel
        try:
            if self.exit_code is not None:
                cancel()
            yield
        finally:
            self._cancel = None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        code = CODES[signal.Signals(number)]
        if self.exit_code is not None:
            leave_at_once(code)
        self.exit_code = code
        if self._cancel is None:
            raise Interrupted(code)
        self._cancel()


def leave_at_once(code: ExitCode) -> None:
    """Ends the process here: no clean-up, only a visible cursor."""
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR)
    os._exit(code)
