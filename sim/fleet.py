"""The machines of a scenario: links, latencies, clocks, sites. Who is slow, lies or is hidden is drawn by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from sim.border import Border
from sim.clock import Clock
from sim.fabric import Fabric
from sim.limit import fluid_limits_s
from sim.machine import Machine
from sim.processor import Room
from sim.scenario import Scenario
from sim.world import World

SLOW = 0.2
"""The rates of a slow machine, as a part of the others'."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine stands and how it is joined to the rest."""

    up: float
    down: float
    site: str
    latency_s: float
    group: str = ""
    computers: str = ""


class Fleet:
    """`seeders` and `peers`; both are in the fabric."""

    def __init__(self, scenario: Scenario, world: World, fabric: Fabric) -> None:
        self._scenario = scenario
        self._world = world
        self._fabric = fabric
        rng = world.rng("build")
        slow, liars, hidden = (
            set(rng.sample(range(scenario.peers), round(part * scenario.peers)))
            for part in (scenario.slow, scenario.liars, scenario.hidden)
        )
        places = _grouped(scenario, world) if scenario.groups else _dealt(scenario, world)
        fabric.borders = _borders(scenario)
        self._rooms = {name: Room(world, computers) for name, computers in scenario.computers}
        self.seeders = [
            self._machine(number, place, is_origin=True)
            for number, place in enumerate(_origins(scenario, world, places))
        ]
        self.peers: list[Machine] = []
        for number, place in enumerate(places):
            factor = SLOW if number in slow else 1.0
            there = replace(place, up=place.up * factor, down=place.down * factor)
            machine = self._machine(scenario.seeders + number, there, lies=number in liars, is_hidden=number in hidden)
            self.peers.append(machine)
        for machine in (*self.seeders, *self.peers):
            fabric.add(machine)

    def _machine(
        self, number: int, place: Place, *, is_origin: bool = False, lies: bool = False, is_hidden: bool = False
    ) -> Machine:
        scenario = self._scenario
        policies = scenario.policies if scenario.linger else replace(scenario.policies, lingers=False)
        return Machine(
            self._fabric,
            number,
            up=place.up,
            down=place.down,
            rng=self._world.rng(f"machine {number}"),
            policies=policies,
            is_origin=is_origin,
            reads_store=scenario.store_up is not None and not is_origin,
            has_tracker=scenario.has_tracker,
            lies=lies,
            is_hidden=is_hidden,
            site=place.site,
            latency_s=place.latency_s,
            clock=self._clock(number),
            group=place.group,
            processor=self._rooms[place.computers].seat() if place.computers else None,
        )

    def _clock(self, number: int) -> Clock:
        skew_s, drift = self._scenario.clock_skew_s, self._scenario.clock_drift
        if not skew_s and not drift:
            return Clock()
        rng = self._world.rng(f"clock {number}")
        return Clock(rng.uniform(-skew_s, skew_s), 1.0 + rng.uniform(-drift, drift))

    def limits(self, size: int) -> dict[str, float]:
        """How long each part of the fleet needs for `size` bytes at least, in seconds."""
        return fluid_limits_s(
            size,
            origin_up=sum(machine.up_rate for machine in self.seeders) + (self._scenario.store_up or 0.0),
            ups=[machine.up_rate for machine in self.peers],
            downs=[machine.down_rate for machine in self.peers],
            # One copy must enter every site that has no origin, and leave the one that has it.
            borders=[border.into.capacity for border in self._fabric.borders.values()],
        )


def _site(number: int) -> str:
    return f"site-{number}"


def _borders(scenario: Scenario) -> dict[str, Border]:
    if scenario.groups:
        home = [scenario.origin_site] if scenario.seeders else []
        sites = dict.fromkeys([*home, *(group.site for group in scenario.groups)])
        rates = dict(scenario.borders)
        return {site: Border(rates.get(site, scenario.border)) for site in sites} if len(sites) > 1 else {}
    return {_site(number): Border(scenario.border) for number in range(scenario.sites)} if scenario.sites > 1 else {}


def _origins(scenario: Scenario, world: World, places: list[Place]) -> list[Place]:
    up = scenario.up if scenario.seeder_up is None else scenario.seeder_up
    site = scenario.origin_site or (_site(0) if scenario.sites > 1 else "")
    down = max(place.down for place in places)
    return [
        Place(up, down, site, _latency_s(scenario, world, number), computers=scenario.origin_computers)
        for number in range(scenario.seeders)
    ]


def _grouped(scenario: Scenario, world: World) -> list[Place]:
    """In an order of its own, so that who comes late or is killed is of any group."""
    places = [
        Place(group.up, group.down, group.site, group.latency_s, group.name, group.computers)
        for group in scenario.groups
        for _ in range(group.count)
    ]
    assert len(places) == scenario.peers, "peers is the sum of the groups"
    world.rng("groups").shuffle(places)
    return places


def _dealt(scenario: Scenario, world: World) -> list[Place]:
    """A mix is dealt as nearly to its weights as whole machines allow; sites in turn."""
    links = [(scenario.up, scenario.down)] * scenario.peers
    if scenario.links:
        shares = _shares([weight for weight, _, _ in scenario.links], scenario.peers)
        links = [link[1:] for link, share in zip(scenario.links, shares, strict=True) for _ in range(share)]
        world.rng("links").shuffle(links)
    return [
        Place(
            up,
            down,
            _site(number % scenario.sites) if scenario.sites > 1 else "",
            _latency_s(scenario, world, scenario.seeders + number),
        )
        for number, (up, down) in enumerate(links)
    ]


def _latency_s(scenario: Scenario, world: World, number: int) -> float:
    low, high = scenario.latency_s, scenario.latency_to_s
    if high is None:
        return low
    return low * math.exp(world.rng(f"latency {number}").random() * math.log(high / low))


def _shares(weights: Sequence[float], count: int) -> list[int]:
    ends = [round(part / sum(weights) * count) for part in accumulate(weights)]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
