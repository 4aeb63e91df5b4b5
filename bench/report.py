"""The table of all rows, in markdown: what was measured, what is wanted, and whether it is reached."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from bench.rows import Facts, Figure, Row


@dataclass(frozen=True, slots=True)
class Result:
    """`facts` is what the command printed; None where it failed. `load`: the machine's when the row began."""

    row: Row
    facts: Facts | None
    load: float
    seconds: float


def parse(output: str) -> Facts:
    """The last line's object."""
    facts: Facts = json.loads(output.splitlines()[-1])
    return facts


def heading(runs: int) -> list[str]:
    """The table's first lines."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}"
    return [
        f"{machine}; {runs} {'run' if runs == 1 else 'runs, medians'}",
        "",
        "| row | what | measured | goal | load |",
        "|---|---|---|---|---|",
    ]


def lines_of(result: Result) -> Iterator[str]:
    """One line a figure; the row is named on its first."""
    name, load = f"**{result.row.name}**: {result.row.what}", f"{result.load:.1f}"
    if result.facts is None:
        yield f"| {name} | failed | - | - | {load} |"
        return
    for figure in result.row.figures:
        value = figure.value(result.facts)
        if value is not None:
            yield f"| {name} | {figure.what} | {value:.{figure.digits}f} | {goal(figure, value)} | {load} |"
            name = load = ""


def goal(figure: Figure, value: float) -> str:
    """The bound, and whether the value, as it is shown, keeps it."""
    shown = round(value, figure.digits)
    if figure.most is not None:
        return f"≤ {figure.most:g}{'' if shown <= figure.most else ', not reached'}"
    if figure.least is not None:
        return f"≥ {figure.least:g}{'' if shown >= figure.least else ', not reached'}"
    return ""
