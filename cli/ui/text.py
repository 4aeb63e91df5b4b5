"""The text screen: notes and a progress bar on stderr, results on stdout.

Without a terminal there is no bar but one line every 10 s, and one when something begins to wait.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO, assert_never

from cli.failures import Failure
from cli.ui.following import follow_lines
from cli.ui.screen import Look, is_verbose, wants_color
from cli.ui.waits import News
from cli.ui.wording import (
    committed_line,
    dry_run_lines,
    paste_lines,
    planned_line,
    printable,
    progress_line,
    published_lines,
    ready_lines,
    receipt_lines,
    resolved_line,
    waits_line,
)
from swarm.agent.follow_notices import Flipped, Following, FollowNotice, Standing
from swarm.agent.notices import (
    Committed,
    Level,
    Note,
    Notice,
    Planned,
    Progress,
    Published,
    Ready,
    Receipt,
    Resolved,
    Waits,
)

LINE_SECONDS = 10.0
"""Between two lines of progress where nobody is looking: a log of an hour stays readable."""

_STYLES = {"bold": "1", "red": "31;1", "yellow": "33;1", "green": "32;1", "dim": "2"}


class TextScreen:
    """See `screen.Screen`. `clock` is monotonic seconds."""

    def __init__(self, stdout: TextIO, stderr: TextIO, look: Look, clock: Callable[[], float] = time.monotonic) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._look = look
        self._clock = clock
        self._has_color = wants_color(look, stderr)
        self._pace = _Pace(clock)
        self._bar: Any = None
        self._has_receipt = False

    @property
    def has_receipt(self) -> bool:
        """Whether the receipt was printed."""
        return self._has_receipt

    def notify(self, notice: Notice, /) -> None:
        """Shows a notice in its place."""
        if isinstance(notice, Progress):
            self._progress(notice)
        elif isinstance(notice, Note):
            self._note(notice)
        elif isinstance(notice, Waits):
            # The bar, and the line in its place, say the first of them already.
            if is_verbose(self._look):
                self.say(waits_line(notice))
        elif isinstance(notice, FollowNotice):
            self._show_following(notice)
        else:
            self.close()
            self._show(notice)

    def result(self, event: str, fields: Mapping[str, Any], text: str) -> None:  # noqa: ARG002
        """Prints `text` on stdout; raises BrokenPipeError when nobody reads any more."""
        if text:
            self.close()
            print(text, file=self._stdout, flush=True)

    def say(self, text: str) -> None:
        """A line on stderr, unless `-q`."""
        if not self._look.quiet:
            self._talk(printable(text))

    def warn(self, text: str) -> None:
        """A line on stderr, always."""
        self._talk(f"{self._styled('warning:', 'yellow')} {printable(text)}")

    def fail(self, failure: Failure) -> None:
        """What happened, and below it what to do."""
        self.close()
        self._talk(f"{self._styled('swarm:', 'red')} {_lines(failure.message)}")
        if failure.hint:
            self._talk(f"  {_lines(failure.hint)}")
        if failure.is_defect and is_verbose(self._look):
            self._talk(failure.details)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, notice: Ready | Resolved | Planned | Committed | Published | Receipt) -> None:
        match notice:
            case Ready():
                # Where a fetch listens is nothing that anybody needs to know.
                if notice.kind != "fetch" or is_verbose(self._look):
                    self._say_all(ready_lines(notice))
                self._print([] if self._look.quiet else paste_lines(notice))
            case Resolved():
                self.say(resolved_line(notice))
            case Planned():
                if notice.is_dry_run:
                    self._print([] if self._look.quiet else dry_run_lines(notice))
                else:
                    self.say(planned_line(notice))
            case Committed():
                if is_verbose(self._look) or not notice.is_atomic:
                    self.say(committed_line(notice))
            case Published():
                self._print([] if self._look.quiet else published_lines(notice))
            case Receipt():
                self._has_receipt = True
                self._print([] if self._look.quiet else receipt_lines(notice))
            case _:
                assert_never(notice)

    def _show_following(self, notice: FollowNotice) -> None:
        is_trouble = isinstance(notice, Following) and notice.waiting and notice.state is not Standing.BEHIND
        has_gone_back = isinstance(notice, Flipped) and notice.is_back
        if isinstance(notice, Following) and notice.state is Standing.BEHIND and not is_verbose(self._look):
            return  # that it has moved was said, and the bar says the rest
        for line in follow_lines(notice):
            self.close()
            (self.warn if is_trouble or has_gone_back else self.say)(line)

    def _note(self, note: Note) -> None:
        if note.level is Level.WARNING:
            self.warn(note.text)
        elif note.level is Level.INFO or is_verbose(self._look):
            self.say(note.text)

    def _progress(self, progress: Progress) -> None:
        if self._look.quiet:
            return
        if self._is_live():
            self._live().update(progress)
        elif self._pace.is_due(progress):
            self._talk(progress_line(progress))

    def _is_live(self) -> bool:
        # Colour may be forced into a pipe; a moving bar never makes sense there.
        return self._stderr.isatty() and os.environ.get("TERM") != "dumb"

    def _live(self) -> Any:
        if self._bar is None:
            from cli.ui.bar import Bar  # noqa: PLC0415  # rich, 60 ms, only where somebody is looking

            self._bar = Bar(self._stderr, has_color=self._has_color, clock=self._clock)
        return self._bar

    def _say_all(self, lines: list[str]) -> None:
        for line in lines:
            self.say(line)

    def _print(self, lines: list[str]) -> None:
        with contextlib.suppress(OSError):
            for line in lines:
                print(line, file=self._stdout)
            self._stdout.flush()

    def _talk(self, text: str) -> None:
        with contextlib.suppress(OSError):
            if self._bar is not None:
                self._bar.say(text)
            else:
                print(text, file=self._stderr, flush=True)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._has_color else text


class _Pace:
    """When a line of progress is due: every 10 s, and once when a wait begins."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._shown_at: float | None = None
        self._waits = News(clock)

    def is_due(self, progress: Progress) -> bool:
        now = self._clock()
        if self._shown_at is None:
            self._shown_at = now  # the first line after 10 s: a short command says only what it did
        if not self._waits.is_news(progress.waiting) and now - self._shown_at < LINE_SECONDS:
            return False
        self._shown_at = now
        return True


def _lines(text: str) -> str:
    return "\n  ".join(printable(line) for line in text.split("\n"))
