"""The fluid limit of a fleet: no schedule lets the last of N finish earlier (Mundinger, Weber, Weiss 2008).

F bytes have to leave the origin once, have to enter each consumer, and N x F bytes have to leave somebody.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """Payload bytes per second: the origin's uplink, each consumer's downlink and uplink, and what enters a site."""

    origin_up: float
    down: tuple[float, ...]
    up: tuple[float, ...]
    border: float = float("inf")


def fluid_limit_s(size: int, rates: Rates) -> float:
    """max(F/us, F/min d, N F/(us + sum U)) in seconds; and F has to enter each site."""
    return max(
        size / rates.border,
        size / rates.origin_up,
        size / min(rates.down),
        len(rates.down) * size / (rates.origin_up + sum(rates.up)),
    )
