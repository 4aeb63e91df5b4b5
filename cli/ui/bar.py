"""The live bar, drawn by rich: one line that moves, and below it why, when it does not."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import wrap
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.ui.wording import WITH_PEERS, doing, pace, percent, plural, printable, sources
from swarm.agent.notices import Phase, Progress
from swarm.config.quantities import show_size

REDRAW_SECONDS = 0.1
"""Ten pictures a second look smooth; more is work for a terminal over a slow line."""

WAITING_LINES_MAX = 4
"""Of why nothing moves: enough for the longest reason at 80 columns."""

BAR_WIDTH_MIN, BAR_WIDTH_MAX = 8, 28
"""Columns: narrower shows nothing, wider nothing more."""


class Bar:
    """A progress bar on a terminal. Not thread-safe: it lives in the thread that notifies."""

    def __init__(self, stream: TextIO, *, has_color: bool, clock: Callable[[], float]) -> None:
        console = Console(file=stream, no_color=not has_color, highlight=False, markup=False, emoji=False)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._clock = clock
        self._drawn_at = float("-inf")
        self._phase: Phase | None = None
        self._live.start()

    def update(self, progress: Progress) -> None:
        """Draws a moment, at most ten times a second; a new phase at once."""
        now = self._clock()
        if now - self._drawn_at >= REDRAW_SECONDS or progress.phase is not self._phase:
            self._drawn_at, self._phase = now, progress.phase
            self._live.update(picture(progress, self._live.console.width), refresh=True)

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._live.console.print(Text.from_ansi(text), soft_wrap=True)

    def close(self) -> None:
        """Removes the bar."""
        self._live.stop()


def picture(progress: Progress, width: int) -> Group:
    """The bar's lines, none of them longer than `width`."""
    lines: list[Table | Text] = [_first_line(progress, width)]
    below = [sources(progress.bytes_peer, progress.bytes_origin, progress.bytes_local)]
    if progress.bytes_resumed and progress.phase is Phase.FETCH:
        below.append(f"{show_size(progress.bytes_resumed)} resumed")
    if progress.bytes_sent:
        below.append(f"{show_size(progress.bytes_sent)} given")
    if any(below):
        lines.append(_cut("  " + ", ".join(one for one in below if one), "dim"))
    if progress.waiting:
        lines += _wrapped(f"waiting: {printable(progress.waiting)}", width)
    return Group(*lines)


def _first_line(progress: Progress, width: int) -> Table | Text:
    name, facts = doing(progress.phase), _facts(progress)
    if not progress.bytes_total:
        return _cut("  ".join([name, *facts]), "")
    done = min(progress.bytes_done, progress.bytes_total)
    facts.insert(0, percent(done, progress.bytes_total))
    text = "  ".join(facts)
    room = width - len(name) - len(text) - 2
    if room < BAR_WIDTH_MIN:
        return _cut(f"{name} {text}", "")
    row = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=progress.bytes_total, completed=done, width=min(room, BAR_WIDTH_MAX))
    row.add_row(_cut(name, "bold"), bar, _cut(text, ""))
    return row


def _facts(progress: Progress) -> list[str]:
    total = f" of {show_size(progress.bytes_total)}" if progress.bytes_total else ""
    facts = [f"{show_size(progress.bytes_done)}{total}"] if progress.bytes_done or total else []
    if progress.files_done is not None:
        facts.insert(0, plural(progress.files_done, "file"))
    facts += pace(progress)
    if progress.phase in WITH_PEERS:
        facts.append(plural(progress.peers, "peer"))
    return facts


def _wrapped(text: str, width: int) -> list[Text]:
    """A reason says at its end what happens next: it may take a few lines."""
    lines = wrap(
        text, width, initial_indent="  ", subsequent_indent="    ", max_lines=WAITING_LINES_MAX, placeholder=" …"
    )
    return [_cut(line, "yellow") for line in lines]


def _cut(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
