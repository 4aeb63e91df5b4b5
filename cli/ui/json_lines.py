"""The screen of `--json`: one object a line on stdout, the last of a fetch is its receipt.

ASCII with escapes, so that neither the terminal's encoding nor a path that is no UTF-8 can break a line. Errors are an
object too, and one line of text on stderr for whoever reads the log.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from cli.failures import Failure
from cli.ui.screen import Look, is_verbose
from cli.ui.waits import News
from swarm.agent.notices import Level, Note, Notice, Phase, Progress, Receipt, Waits, as_json

PROGRESS_SECONDS = 1.0
"""A script that wants more should ask the agent; a log should not be mostly progress."""


class JsonScreen:
    """See `screen.Screen`. `clock` is monotonic seconds."""

    def __init__(self, stdout: TextIO, stderr: TextIO, look: Look, clock: Callable[[], float] = time.monotonic) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._look = look
        self._clock = clock
        self._shown_at = float("-inf")
        self._phase: Phase | None = None
        self._waits = News(clock)
        self._has_receipt = False

    @property
    def has_receipt(self) -> bool:
        """Whether the receipt, after which stdout says nothing more, was printed."""
        return self._has_receipt

    def notify(self, notice: Notice, /) -> None:
        """Prints the notice; progress once a second and when its phase changes, a wait when its reason does."""
        if self._has_receipt or self._is_too_quiet(notice):
            return
        if isinstance(notice, Progress):
            self._progress(notice)
        else:
            self._print(as_json(notice))
        self._has_receipt = isinstance(notice, Receipt)

    def result(self, event: str, fields: Mapping[str, Any], text: str) -> None:  # noqa: ARG002
        """Prints `{"event": …, …}`; raises BrokenPipeError when nobody reads any more."""
        self._stdout.write(_line({"event": event, **fields}))
        self._stdout.flush()

    def say(self, text: str) -> None:
        """Nothing: a script reads results, not sentences around them."""

    def warn(self, text: str) -> None:
        """A note with the level `warning`, and a line on stderr."""
        self.notify(Note(text, Level.WARNING))
        self._talk(f"swarm: warning: {text}")

    def fail(self, failure: Failure) -> None:
        """The error as an object and as text."""
        if not self._has_receipt:
            self._print(
                {
                    "event": "error",
                    "message": failure.message,
                    "hint": failure.hint,
                    "exit_code": int(failure.exit_code),
                }
            )
        self._talk(f"swarm: {failure.message}")
        if failure.hint:
            self._talk(f"  {failure.hint}")
        if failure.is_defect and is_verbose(self._look):
            self._talk(failure.details)

    def close(self) -> None:
        """Nothing to take away."""

    def _is_too_quiet(self, notice: Notice) -> bool:
        if isinstance(notice, Note):
            shown = (Level.INFO, Level.WARNING, Level.DETAIL) if is_verbose(self._look) else (Level.INFO, Level.WARNING)
            return notice.level not in (shown if not self._look.quiet else (Level.WARNING,))
        return self._look.quiet and isinstance(notice, Progress | Waits)

    def _progress(self, progress: Progress) -> None:
        if self._waits.is_news(progress.waiting):
            self._print({"event": "waiting", "phase": progress.phase, "reason": progress.waiting})
        now = self._clock()
        if now - self._shown_at >= PROGRESS_SECONDS or progress.phase is not self._phase:
            self._shown_at, self._phase = now, progress.phase
            self._print(as_json(progress))

    def _print(self, found: Mapping[str, Any]) -> None:
        # A script that stops reading, or a full disk under its log, does not stop the fetch.
        with contextlib.suppress(OSError):
            self._stdout.write(_line(found))
            self._stdout.flush()

    def _talk(self, text: str) -> None:
        with contextlib.suppress(OSError):
            print(text, file=self._stderr, flush=True)


def _line(found: Mapping[str, Any]) -> str:
    return json.dumps(_finite(found), separators=(",", ":"), default=str, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    # JSON has no infinity; `forever` and "never" are null.
    if isinstance(value, float):
        return round(value, 6) if abs(value) != float("inf") and value == value else None  # noqa: PLR0124
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
