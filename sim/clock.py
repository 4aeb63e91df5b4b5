"""A machine's clock: set wrongly, and a little too fast or too slow. Nobody else's clock may matter to a node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Shows `offset_s + rate x world time`."""

    offset_s: float = 0.0
    rate: float = 1.0

    def reading(self, now: float) -> float:
        """What it shows at a moment of the world."""
        return self.offset_s + self.rate * now

    def world_time(self, reading: float) -> float:
        """When it shows that."""
        return (reading - self.offset_s) / self.rate

    @property
    def grain_s(self) -> float:
        """Two moments that are nearer than this are one: a large offset leaves fewer digits for them."""
        return 1e-9 if self.offset_s == 0.0 else 1e-6
