"""What the contestants reached, as a table in markdown: one column a figure, one row a contestant."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Column:
    """Its heading and its figure of one run; None where a contestant has none."""

    heading: str
    value: Callable[[Outcome], float | None]
    digits: int = 2


TIMES = (Column("from start", lambda one: one.from_start), Column("from all ready", lambda one: one.from_ready))
LATE = (Column("from start, who came later", lambda one: one.last_arrived),)
RATES = (
    Column("MiB/s", lambda one: one.mib_per_s, 0),
    Column("CPU s per GiB, consumer", lambda one: one.cpu_s_per_gib),
    Column("CPU s per GiB, origin", lambda one: one.origin_cpu_s_per_gib),
)
SITES = (Column("into a site, link", lambda one: one.crossings),)
ORIGIN = (
    Column("origin, link", lambda one: one.origin_link),
    Column("origin, receipts", lambda one: one.origin_receipts, 3),
    Column("wasted", lambda one: one.wasted, 4),
)
COST = (
    Column("CPU s each", lambda one: one.cpu_s / len(one.finished_s + one.arrived)),
    Column("load", lambda one: one.load, 1),
)


def columns(*, has_late: bool, has_sites: bool, is_unshaped: bool) -> tuple[Column, ...]:
    """Without limits on the links times over a limit say nothing: rates and CPU do."""
    return (RATES if is_unshaped else TIMES) + (LATE if has_late else ()) + ORIGIN + (SITES if has_sites else ()) + COST


def standings(outcomes: Sequence[Outcome], shown: Sequence[Column]) -> list[str]:
    """Lines; medians, and least to most where there are several runs."""
    names = list(dict.fromkeys(one.contestant for one in outcomes))
    lines = [f"| | {' | '.join(column.heading for column in shown)} |", "|---" * (len(shown) + 1) + "|"]
    for name in names:
        row = [one for one in outcomes if one.contestant == name]
        cells = [_middle([column.value(one) for one in row], column.digits) for column in shown]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _middle(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    shown = [f"{value:.{digits}f}" for value in (statistics.median(known), min(known), max(known))]
    return shown[0] if len(known) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"
