"""Medians and a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def median(values: Sequence[float]) -> float:
    """The middle of several runs."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """`median (least to most)`: a wide one says that the machine was noisy."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def show(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """One heading and its lines."""
    print(f"\n{title}")
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
