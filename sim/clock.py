"""A machine's clock: set wrongly, and a little too fast or too slow. Nobody else's clock may matter to a node."""

from __future__ import annotations

from dataclasses import dataclass

GRAIN_S = 1e-8
"""A deadline of a wrong clock is met so much later: rounding must never make it early. Offsets up to months fit."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Shows `offset_s + rate x world time`."""

    offset_s: float = 0.0
    rate: float = 1.0

    def reading(self, now: float) -> float:
        """What it shows at a moment of the world."""
        return self.offset_s + self.rate * now

    def world_time(self, reading: float) -> float:
        """When it shows that, or just after."""
        if not self.offset_s and self.rate == 1.0:
            return reading
        return (reading - self.offset_s) / self.rate + GRAIN_S
