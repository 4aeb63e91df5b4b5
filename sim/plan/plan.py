"""A plan: what a rollout takes, beside what it takes from the origin alone; a page for people, a dict for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sim.plan.advice import WORTH, Variant, variants
from sim.plan.fleet_file import Fleet
from sim.plan.forecast import Forecast, forecast
from sim.plan.shape import Shape

GB = 1_000_000_000
"""What providers sell."""

MIB = 1 << 20

HOUR_S = 3600
MINUTE_S = 60


@dataclass(frozen=True)
class Plan:
    """Of one version and one fleet."""

    fleet: Fleet
    shape: Shape
    forecast: Forecast
    variants: tuple[Variant, ...]

    @property
    def alone_s(self) -> float:
        """How long it takes at least if everybody reads a copy of its own from the origin."""
        fleet, size = self.fleet, self.shape.bytes
        return max(fleet.count * size / fleet.origin_up, size / min(group.down for group in fleet.groups))

    @property
    def alone_bytes(self) -> int:
        """What leaves the origin then."""
        return self.fleet.count * self.shape.bytes

    def cost(self, count: float) -> float | None:
        """Of so many bytes out of the origin; None without a price."""
        price = self.fleet.price_per_gb
        return None if price is None else price * count / GB

    def as_dict(self) -> dict[str, Any]:
        """For JSON; seconds, bytes, and money in the price's unit."""
        found = self.forecast
        return {
            "machines": self.fleet.count,
            "bytes": self.shape.bytes,
            "blocks": self.shape.blocks,
            **asdict(found.times),
            "limit_s": found.limit_s,
            "limits_s": found.limits,
            "bottleneck": found.bottleneck,
            "origin_bytes": round(found.origin_bytes),
            "border_bytes": round(found.border_bytes),
            "cost": self.cost(found.origin_bytes),
            "alone_s": self.alone_s,
            "alone_bytes": self.alone_bytes,
            "alone_cost": self.cost(self.alone_bytes),
            "simulated": {"machines": found.peers, "blocks": found.blocks},
            "helps": [
                {"change": one.change, **asdict(one.forecast.times), "bottleneck": one.forecast.bottleneck}
                for one in self.variants
            ],
            "problems": list(found.problems),
        }

    def as_text(self) -> str:
        """A page for people."""
        found, times = self.forecast, self.forecast.times
        lines = [
            f"{self.fleet.count} machines, {self.shape.bytes / MIB:,.0f} MiB in {self.shape.blocks} blocks",
            f"  half have it after {show_time(times.p50_s):>10}",
            f"  99 % after         {show_time(times.p99_s):>10}",
            f"  all after          {show_time(times.last_s):>10}   "
            f"{times.last_s / found.limit_s:.2f} x the limit of {show_time(found.limit_s)}",
            f"  from the origin alone at least {show_time(self.alone_s)}",
            f"  leaves the origin  {_gb(found.origin_bytes):>10}   alone {_gb(self.alone_bytes)}",
            *self._border(),
            *self._money(),
            f"  what limits it     {found.bottleneck}",
        ]
        lines += [f"  with {one.change}: all after {show_time(one.forecast.times.last_s)}" for one in self.variants]
        if not self.variants:
            lines.append("  no single change that was looked at helps")
        if (found.peers, found.blocks) != (self.fleet.count, self.shape.blocks):
            lines.append(f"  (carried over from simulations of {found.peers} machines and {found.blocks} blocks)")
        return "\n".join(lines + [f"  PROBLEM: {problem}" for problem in found.problems])

    def _border(self) -> list[str]:
        crossed = self.forecast.border_bytes
        return [f"  crosses borders    {_gb(crossed):>10}"] if crossed else []

    def _money(self) -> list[str]:
        cost, alone = self.cost(self.forecast.origin_bytes), self.cost(self.alone_bytes)
        return [] if cost is None or alone is None else [f"  costs              {cost:10,.2f}   alone {alone:,.2f}"]


def make_plan(fleet: Fleet, shape: Shape, *, seed: int = 0) -> Plan:
    """Simulates; up to half a minute or so."""
    found = forecast(fleet, shape, seed=seed)
    helps = [one for one in variants(fleet, shape, seed=seed) if one.forecast.times.last_s < WORTH * found.times.last_s]
    return Plan(fleet, shape, found, tuple(helps))


def show_time(seconds: float) -> str:
    """`12.3 s`, `4 min 05 s`, `2 h 03 min`."""
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    seconds = round(seconds)
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S:.0f} min {seconds % MINUTE_S:02.0f} s"
    return f"{seconds // HOUR_S:.0f} h {seconds % HOUR_S // MINUTE_S:02.0f} min"


def _gb(count: float) -> str:
    return f"{count / GB:,.2f} GB"
