"""Tables and sparklines as plain lines: for a terminal, a pipe and a document alike. rich lays the tables out."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from itertools import pairwise

SIGNS = "▁▂▃▄▅▆▇█"

SPARKS_MAX = 60
"""Signs of a sparkline: with its words it fits 100 columns."""


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Columns as wide as they need to be; the first `left` are words, the others numbers and end at the right."""
    from rich.console import Console  # noqa: PLC0415  # 60 ms
    from rich.table import Table  # noqa: PLC0415

    laid_out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for place, header in enumerate(headers):
        laid_out.add_column(header, justify="left" if place < left else "right", no_wrap=True)
    for row in rows:
        laid_out.add_row(*row)
    width = sum(max((len(row[place]) for row in (headers, *rows)), default=0) + 4 for place in range(len(headers)))
    text = StringIO()
    console = Console(file=text, width=width, no_color=True, highlight=False, markup=False, emoji=False)
    console.print(laid_out)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def sparkline(values: Sequence[float]) -> str:
    """One sign a value, from nothing to the greatest; of more than fit, the greatest of each few."""
    if not values:
        return ""
    shown = _thinned(values)
    top = max(shown)
    return "".join(SIGNS[_level(value, top)] for value in shown)


def _level(value: float, top: float) -> int:
    return min(len(SIGNS) - 1, int(value / top * len(SIGNS))) if top > 0 else 0


def _thinned(values: Sequence[float]) -> list[float]:
    count = len(values)
    if count <= SPARKS_MAX:
        return list(values)
    edges = [place * count // SPARKS_MAX for place in range(SPARKS_MAX + 1)]
    return [max(values[start:end]) for start, end in pairwise(edges)]
