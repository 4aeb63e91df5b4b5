"""What would help: the same fleet with one thing better, simulated where the fluid limit says that it can matter."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sim.limit import PROCESSORS
from sim.plan.fleet_file import Fleet
from sim.plan.forecast import Forecast, forecast, limits_of
from sim.plan.shape import Shape

WORTH = 0.97
"""A variant is simulated where its fluid limit is below this part of the fleet's own, and told where its time is."""

BUSY = 0.3
"""Processors that are busy for this part of the limit delay what passes through them: more cores are tried then."""

CORES = "twice the cores"

VARIANTS_MAX = 3
"""So many are simulated: those whose limits are lowest."""


@dataclass(frozen=True)
class Variant:
    """One change, and the forecast with it."""

    change: str
    forecast: Forecast


def variants(fleet: Fleet, shape: Shape, *, seed: int = 0) -> tuple[Variant, ...]:
    """The best first; none where no single change moves the limit."""
    now = max(limits_of(fleet, shape).values())
    changes = _changes(fleet)
    limits = [(max(limits_of(changed, shape).values()), change) for change, changed in changes.items()]
    worth = [change for limit_s, change in sorted(limits) if limit_s < WORTH * now][:VARIANTS_MAX]
    if limits_of(fleet, shape).get(PROCESSORS, 0.0) > BUSY * now and CORES not in worth:
        worth.append(CORES)
    found = [Variant(change, forecast(changes[change], shape, seed=seed)) for change in worth]
    return tuple(sorted(found, key=lambda variant: variant.forecast.times.last_s))


def _changes(fleet: Fleet) -> dict[str, Fleet]:
    groups = fleet.groups
    slowest = min(range(len(groups)), key=lambda place: groups[place].down)
    faster = [
        replace(group, down=2 * group.down, up=2 * group.up) if place == slowest else group
        for place, group in enumerate(groups)
    ]
    changes = {
        "twice the uplink of the origin": replace(fleet, origin_up=2 * fleet.origin_up),
        f"twice the links of {groups[slowest].name}": replace(fleet, groups=tuple(faster)),
        "twice everybody's uplink": replace(fleet, groups=tuple(replace(group, up=2 * group.up) for group in groups)),
    }
    if fleet.borders:
        thinnest = min(rate for _, rate in fleet.borders)
        wider = tuple((site, 2 * rate if rate == thinnest else rate) for site, rate in fleet.borders)
        changes["twice the thinnest border"] = replace(fleet, borders=wider)
    if fleet.computers:
        more = tuple((name, replace(each, cores=2 * each.cores)) for name, each in fleet.computers)
        changes[CORES] = replace(fleet, computers=more)
    if len(groups) > 1:
        rest = tuple(group for place, group in enumerate(groups) if place != slowest)
        changes[f"{groups[slowest].name} in a rollout of its own"] = replace(fleet, groups=rest)
    return changes
