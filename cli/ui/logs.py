"""What the libraries and our own modules log, on the screen: our warnings always, the rest with `-v` only.

Without this Python prints any library's warning raw, through the middle of a progress bar.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from cli.ui.screen import Look, Screen, is_verbose
from swarm.agent.notices import Level, Note

OURS = ("swarm", "cli")


class ScreenHandler(logging.Handler):
    """Hands records to a screen as notes. May be called from any thread; a note is one line, written at once."""

    def __init__(self, screen: Screen, *, is_verbose: bool) -> None:
        super().__init__(logging.INFO if is_verbose else logging.WARNING)
        self._screen = screen
        self._is_verbose = is_verbose

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a record, or leaves it out."""
        is_ours = record.name.partition(".")[0] in OURS
        if not is_ours and not self._is_verbose:
            return
        level = Level.WARNING if is_ours and record.levelno >= logging.WARNING else Level.DETAIL
        self._screen.notify(Note(f"{record.name}: {record.getMessage()}", level))


@contextmanager
def logs_shown(screen: Screen, look: Look) -> Iterator[None]:
    """While this lasts, what is logged goes to `screen`, and nowhere else."""
    verbose = is_verbose(look)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [ScreenHandler(screen, is_verbose=verbose)]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
