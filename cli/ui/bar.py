"""The live bar, drawn by rich: one line that moves, and below it why, when it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.ui.wording import doing, percent, plural, printable, sources
from swarm.agent.notices import Phase, Progress
from swarm.config.quantities import show_duration, show_rate, show_size

REDRAW_SECONDS = 0.1
"""Ten pictures a second look smooth; more is work for a terminal over a slow line."""

BAR_WIDTH = 28


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
            self._live.update(picture(progress), refresh=True)

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._live.console.print(Text.from_ansi(text), soft_wrap=True)

    def close(self) -> None:
        """Removes the bar."""
        self._live.stop()


def picture(progress: Progress) -> Group:
    """The bar's lines."""
    lines: list[Table | Text] = [_first_line(progress)]
    below = [sources(progress.bytes_peer, progress.bytes_origin, progress.bytes_local)]
    if progress.bytes_sent:
        below.append(f"{show_size(progress.bytes_sent)} given")
    if any(below):
        lines.append(Text("  " + ", ".join(one for one in below if one), style="dim"))
    if progress.waiting:
        lines.append(Text(f"  waiting: {printable(progress.waiting)}", style="yellow"))
    return Group(*lines)


def _first_line(progress: Progress) -> Table:
    row = Table.grid(padding=(0, 1))
    cells: list[ProgressBar | Text] = [Text(doing(progress.phase), style="bold")]
    if progress.bytes_total:
        done = min(progress.bytes_done, progress.bytes_total)
        cells.append(ProgressBar(total=progress.bytes_total, completed=done, width=BAR_WIDTH))
        cells.append(Text(percent(done, progress.bytes_total)))
    cells += [Text(one, no_wrap=True) for one in _facts(progress)]
    row.add_row(*cells)
    return row


def _facts(progress: Progress) -> list[str]:
    total = f" of {show_size(progress.bytes_total)}" if progress.bytes_total else ""
    facts = [f"{show_size(progress.bytes_done)}{total}"] if progress.bytes_done or total else []
    if progress.files_done is not None:
        facts.insert(0, plural(progress.files_done, "file"))
    if progress.rate > 0:
        facts.append(show_rate(progress.rate))
    if progress.seconds_left is not None and progress.rate > 0:
        facts.append(f"{show_duration(progress.seconds_left)} left")
    if progress.phase in (Phase.FETCH, Phase.LINGER, Phase.SERVE):
        facts.append(plural(progress.peers, "peer"))
    return facts
