"""The receipts of several agents as one table, and how much left the origin."""

from __future__ import annotations

from typing import Any

from cli.ui.wording import percent
from swarm.config.quantities import show_duration, show_size

_COLUMNS = (
    ("from peers", "bytes_peer"),
    ("from origin", "bytes_origin"),
    ("was here", "bytes_local"),
    ("in all", "bytes"),
)


def table(receipts: list[dict[str, Any]]) -> list[str]:
    """A line an agent, under a head."""
    rows = [["agent", *(title for title, _ in _COLUMNS), "time", "peers"]]
    for number, receipt in enumerate(receipts, 1):
        amounts = [show_size(receipt[field]) for _, field in _COLUMNS]
        rows.append([f"agent-{number}", *amounts, show_duration(receipt["seconds"]), str(receipt["peers"])])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def origin_share(receipts: list[dict[str, Any]]) -> float | None:
    """Bytes that left the origin, as copies of what had to come from outside once; None where nothing had to."""
    needed = max((receipt["bytes"] - receipt["bytes_local"] for receipt in receipts), default=0)
    return sum(receipt["bytes_origin"] for receipt in receipts) / needed if needed else None


def origin_line(receipts: list[dict[str, Any]]) -> str:
    """What the origin gave, against what one agent alone would have taken."""
    gave = sum(receipt["bytes_origin"] for receipt in receipts)
    alone = sum(receipt["bytes"] - receipt["bytes_local"] for receipt in receipts)
    share = origin_share(receipts)
    if share is None:
        return "nothing had to leave the origin"
    return (
        f"{show_size(gave)} left the origin: {share:.2f} copies for {len(receipts)} agents "
        f"({percent(gave, alone)} of what they took)"
    )
