"""The fluid limit: how soon all could be done if blocks could be divided without end and nobody ever waited."""

from __future__ import annotations

from collections.abc import Sequence

ORIGIN = "the origin's uplink"
DOWNLINK = "the slowest downlink"
UPLINKS = "all uplinks together"
BORDER = "the thinnest border"
PROCESSORS = "the processors"


def fluid_limits_s(
    size: float, *, origin_up: float, ups: Sequence[float], downs: Sequence[float], borders: Sequence[float] = ()
) -> dict[str, float]:
    """F/us, F/dmin, N F/(us + sum ui) (Kumar and Ross, 2006), and F/bmin over the borders that a copy must cross.

    Seconds, by name. Rates in bytes per second.
    """
    limits = {
        ORIGIN: size / origin_up,
        DOWNLINK: size / min(downs),
        UPLINKS: len(ups) * size / (origin_up + sum(ups)),
    }
    return limits | ({BORDER: size / min(borders)} if borders else {})


def fluid_limit_s(size: float, *, origin_up: float, ups: Sequence[float], downs: Sequence[float]) -> float:
    """The greatest of the terms, in seconds."""
    return max(fluid_limits_s(size, origin_up=origin_up, ups=ups, downs=downs).values())
