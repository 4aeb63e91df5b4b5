"""How long a fleet takes for a version: simulated where that is quick, else carried over from smaller simulations.

A swarm's time is nearly linear in the number of blocks once blocks are many: a beginning and an end that grow with
log2 of the machines, and a pace. So two smaller versions of the same block length are simulated with (at most
`PEERS_MAX` of) the fleet, groups in proportion; the line through both gives pace and ends; the ends are scaled with the
logarithm of the number of machines, the pace with the fluid limit of the whole fleet, below which nothing is forecast.
Measured against whole simulations of 384 blocks: within 6 % for equal links, up to 12 % too quick for mixed ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

from sim.limit import PROCESSORS, fluid_limits_s
from sim.plan.fleet_file import Fleet
from sim.plan.shape import Shape
from sim.processor import COSTS
from sim.report import Report, percentile
from sim.scenario import Computers, Group, Scenario
from sim.simulation import Simulation

PEERS_MAX = 32
BLOCKS_MAX = 96
"""Simulated at most: together some seconds on one core."""

WHOLE_MAX = 6000
"""Blocks times machines that are simulated as they are."""

NEAR = 0.98
"""Parts whose limits differ by less limit a fleet together: to make one of them better helps nobody."""

LINE_MIN = 24
"""A version of fewer blocks is simulated as it is: the line holds for many."""


@dataclass(frozen=True)
class Times:
    """Seconds until half, 99 % and all of the machines have finished."""

    p50_s: float
    p99_s: float
    last_s: float


@dataclass(frozen=True)
class Forecast:
    """`limits`: by name, how long each part of the fleet needs at least. Bytes are of the version's blocks."""

    times: Times
    limits: dict[str, float]
    origin_bytes: float
    border_bytes: float
    peers: int
    """Machines that were simulated."""
    blocks: int
    """Blocks of the (greater) version that was simulated."""
    problems: tuple[str, ...]

    @property
    def limit_s(self) -> float:
        """The fluid limit."""
        return max(self.limits.values())

    @property
    def bottleneck(self) -> str:
        """Which part of the fleet the limit comes from, or which parts, where several are as short."""
        return " and ".join(name for name, limit_s in self.limits.items() if limit_s >= NEAR * self.limit_s)


def forecast(fleet: Fleet, shape: Shape, *, seed: int = 0) -> Forecast:
    """Simulates as much as is quick; some seconds."""
    limits = limits_of(fleet, shape)
    if fleet.count * shape.blocks <= WHOLE_MAX or (shape.blocks <= LINE_MIN and fleet.count <= PEERS_MAX):
        report = _simulate(fleet, shape.blocks, shape.block_size, seed)
        return _forecast(limits, [report], _times(report), shape)
    part = _part(fleet)
    blocks = min(shape.blocks, BLOCKS_MAX)
    few, many = (_simulate(part, count, shape.block_size, seed) for count in (max(1, blocks // 3), blocks))
    ends = log2(fleet.count + 1) / log2(part.count + 1)
    pace = max(limits.values()) / max(limits_of(part, shape).values())
    least = {
        "p50_s": least_s(fleet, shape.bytes, 0.5),
        "p99_s": least_s(fleet, shape.bytes, 0.99),
        "last_s": max(limits.values()),
    }
    lines = {
        key: _carried(getattr(few, key), getattr(many, key), few, many, shape, ends, pace, bound)
        for key, bound in least.items()
    }
    return _forecast(limits, [few, many], Times(**lines), shape)


def _carried(  # noqa: PLR0917  (two points of one line)
    low: float, high: float, few: Report, many: Report, shape: Shape, ends: float, pace: float, least: float
) -> float:
    """The line through both points, at the version's bytes; no quicker than the links allow (`least` seconds)."""
    slope = max(0.0, (high - low) / max(1, many.bytes - few.bytes))
    end = max(0.0, high - max(slope, least / shape.bytes) * many.bytes)
    return end * ends + max(slope * shape.bytes * pace, least)


def least_s(fleet: Fleet, size: int, part: float) -> float:
    """What no swarm can beat for the quickest `part` of the machines: the origin gives everything once, and each of
    them takes everything over its own link."""
    own = sorted(size / group.down for group in fleet.groups for _ in range(group.count))
    return max(size / fleet.origin_up, percentile(own, part))


def _times(report: Report) -> Times:
    return Times(report.p50_s, report.p99_s, report.last_s)


def _forecast(limits: dict[str, float], reports: list[Report], times: Times, shape: Shape) -> Forecast:
    most = reports[-1]
    problems = tuple(problem for report in reports for problem in report.problems)
    return Forecast(
        times,
        limits,
        most.origin_ratio * shape.bytes,
        most.border_ratio * shape.bytes,
        most.peers,
        most.blocks,
        problems,
    )


def limits_of(fleet: Fleet, shape: Shape) -> dict[str, float]:
    """Of the whole fleet, in seconds, by name."""
    computers = dict(fleet.computers)
    work_s = COSTS.of_version(shape.bytes, shape.blocks)
    busy_s = [busiest_s(computers[group.computers], group.count, work_s) for group in fleet.groups if group.computers]
    return _of_links(fleet, shape.bytes) | ({PROCESSORS: max(busy_s)} if busy_s else {})


def busiest_s(computers: Computers, count: int, work_s: float) -> float:
    """How long the fullest of them needs for `count` agents' work; one agent uses one core at a time."""
    agents = min(count, computers.agents)
    return work_s / computers.speed * max(1.0, agents / computers.cores)


def _of_links(fleet: Fleet, size: int) -> dict[str, float]:
    sites = {group.site for group in fleet.groups} | (set() if fleet.origin_is_store else {fleet.origin_site})
    ups = [group.up for group in fleet.groups for _ in range(group.count)]
    return fluid_limits_s(
        size,
        origin_up=fleet.origin_up,
        ups=ups,
        downs=[group.down for group in fleet.groups],
        borders=[rate for site, rate in fleet.borders if site in sites and len(sites) > 1],
    )


def _part(fleet: Fleet) -> Fleet:
    """At most `PEERS_MAX` of the machines, or one of each group where there are more groups."""
    if fleet.count <= PEERS_MAX:
        return fleet
    groups = [replace(group, count=max(1, group.count * PEERS_MAX // fleet.count)) for group in fleet.groups]
    return replace(fleet, groups=tuple(groups))


def _simulate(fleet: Fleet, blocks: int, block_size: int, seed: int) -> Report:
    return Simulation(scenario_of(fleet, blocks, block_size), seed).run()


def scenario_of(fleet: Fleet, blocks: int, block_size: int) -> Scenario:
    """A flash crowd of the whole fleet."""
    groups: tuple[Group, ...] = fleet.groups
    slowest = min(groups, key=lambda group: min(group.up, group.down))
    return Scenario(
        name="plan",
        about="a rollout",
        peers=fleet.count,
        blocks=blocks,
        block_size=block_size,
        is_cut=True,
        up=slowest.up,
        down=slowest.down,
        latency_s=max(group.latency_s for group in groups),
        spread_s=0.5,
        seeders=0 if fleet.origin_is_store else 1,
        seeder_up=fleet.origin_up,
        store_up=fleet.origin_up if fleet.origin_is_store else None,
        groups=groups,
        origin_site=fleet.origin_site,
        borders=fleet.borders,
        computers=fleet.computers,
        origin_computers="" if fleet.origin_is_store else fleet.origin_computers,
    )
