"""What joins a site to the rest: one line each way, which all flows over its border share."""

from __future__ import annotations

from sim.network import UNBOUND, Line


class Border:
    """`capacity` in bytes per second, each way; None: what crosses is only counted."""

    def __init__(self, capacity: float | None) -> None:
        rate = UNBOUND if capacity is None else capacity
        self.out = Line(rate)
        self.into = Line(rate)
