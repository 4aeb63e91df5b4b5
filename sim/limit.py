"""The fluid limit: how soon all could be done if blocks could be divided without end and nobody ever waited."""

from __future__ import annotations

from collections.abc import Sequence


def fluid_limit_s(size: float, *, origin_up: float, ups: Sequence[float], downs: Sequence[float]) -> float:
    """max(F/us, F/dmin, N F/(us + sum ui)) seconds (Kumar and Ross, 2006). Rates in bytes per second."""
    count = len(ups)
    return max(size / origin_up, size / min(downs), count * size / (origin_up + sum(ups)))
