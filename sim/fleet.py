"""The machines of a scenario: links, latencies, clocks, sites. Who is slow, lies or is hidden is drawn by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from random import Random

from sim.border import Border
from sim.clock import Clock
from sim.fabric import Fabric
from sim.limit import fluid_limit_s
from sim.machine import Machine
from sim.scenario import Scenario
from sim.world import World

SLOW = 0.2
"""The rates of a slow machine, as a part of the others'."""


class Fleet:
    """`seeders` and `peers`; both are in the fabric."""

    def __init__(self, scenario: Scenario, world: World, fabric: Fabric) -> None:
        self._scenario = scenario
        self._world = world
        self._fabric = fabric
        rng = world.rng("build")
        seeder_up = scenario.up if scenario.seeder_up is None else scenario.seeder_up
        if scenario.sites > 1:
            fabric.borders = {_site(number): Border(scenario.border) for number in range(scenario.sites)}
        slow, liars, hidden = (
            set(rng.sample(range(scenario.peers), round(part * scenario.peers)))
            for part in (scenario.slow, scenario.liars, scenario.hidden)
        )
        links = _deal(scenario, world.rng("links"))
        self.seeders = [
            self._machine(number, seeder_up, max(down for _, down in links), is_origin=True)
            for number in range(scenario.seeders)
        ]
        self.peers: list[Machine] = []
        for place, (up, down) in enumerate(links):
            factor = SLOW if place in slow else 1.0
            number = scenario.seeders + place
            self.peers.append(
                self._machine(number, up * factor, down * factor, lies=place in liars, is_hidden=place in hidden)
            )
        for machine in (*self.seeders, *self.peers):
            fabric.add(machine)

    def _machine(
        self,
        number: int,
        up: float,
        down: float,
        *,
        is_origin: bool = False,
        lies: bool = False,
        is_hidden: bool = False,
    ) -> Machine:
        scenario = self._scenario
        policies = scenario.policies if scenario.linger else replace(scenario.policies, lingers=False)
        place = 0 if is_origin else number - scenario.seeders
        return Machine(
            self._fabric,
            number,
            up=up,
            down=down,
            rng=self._world.rng(f"machine {number}"),
            policies=policies,
            is_origin=is_origin,
            reads_store=scenario.store_up is not None and not is_origin,
            has_tracker=scenario.has_tracker,
            lies=lies,
            is_hidden=is_hidden,
            site=_site(place % scenario.sites) if scenario.sites > 1 else "",
            latency_s=self._latency_s(number),
            clock=self._clock(number),
        )

    def _latency_s(self, number: int) -> float:
        low, high = self._scenario.latency_s, self._scenario.latency_to_s
        if high is None:
            return low
        return low * math.exp(self._world.rng(f"latency {number}").random() * math.log(high / low))

    def _clock(self, number: int) -> Clock:
        skew_s, drift = self._scenario.clock_skew_s, self._scenario.clock_drift
        if not skew_s and not drift:
            return Clock()
        rng = self._world.rng(f"clock {number}")
        return Clock(rng.uniform(-skew_s, skew_s), 1.0 + rng.uniform(-drift, drift))

    def limit_s(self, size: int) -> float:
        """The fluid limit of those who want `size` bytes."""
        scenario = self._scenario
        limit_s = fluid_limit_s(
            size,
            origin_up=sum(machine.up_rate for machine in self.seeders) + (scenario.store_up or 0.0),
            ups=[machine.up_rate for machine in self.peers],
            downs=[machine.down_rate for machine in self.peers],
        )
        # One copy must enter a site that has no origin.
        return limit_s if scenario.sites == 1 or scenario.border is None else max(limit_s, size / scenario.border)


def _site(number: int) -> str:
    return f"site-{number}"


def _deal(scenario: Scenario, rng: Random) -> list[tuple[float, float]]:
    """Everybody's (up, down). A mix is dealt as nearly to its weights as whole machines allow."""
    if not scenario.links:
        return [(scenario.up, scenario.down)] * scenario.peers
    shares = _shares([weight for weight, _, _ in scenario.links], scenario.peers)
    dealt = [link[1:] for link, share in zip(scenario.links, shares, strict=True) for _ in range(share)]
    rng.shuffle(dealt)
    return dealt


def _shares(weights: Sequence[float], count: int) -> list[int]:
    ends = [round(part / sum(weights) * count) for part in accumulate(weights)]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
