"""Builds the machines of a scenario, lets time pass, and counts."""

from __future__ import annotations

from dataclasses import replace

from sim.bounds import broken
from sim.checkers import CHECKED_PEERS_MAX, Checkers
from sim.dataset import Dataset, make_dataset
from sim.fabric import Fabric
from sim.faults import plan_faults
from sim.fleet import Fleet
from sim.machine import Machine
from sim.report import Report, percentile
from sim.scenario import Scenario
from sim.store import Store
from sim.tracker import TrackerMachine
from sim.world import World

CHECK_EVERY = 997
"""In great runs a node is checked after so many events."""

STALL_STEP_S = 0.25


class Simulation:
    """One run. `run` returns its report."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.world = World(seed)
        self.fabric = Fabric(self.world, scenario.latency_s)
        self.fabric.queue_s = scenario.queue_s
        self.dataset: Dataset = make_dataset(
            scenario.blocks, scenario.block_size, self.world.rng("dataset"), is_cut=scenario.is_cut
        )
        self.fabric.lengths = self.dataset.lengths
        fleet = Fleet(scenario, self.world, self.fabric)
        self.seeders, self.peers = fleet.seeders, fleet.peers
        self.limits = fleet.limits(self.dataset.bytes)
        self.limit_s = max(self.limits.values())
        """The fluid limit of those who want the version."""
        self._stall_s = 0.0
        self._moved_at: dict[int, tuple[int, float]] = {}
        self._build()
        every = 1 if scenario.peers <= CHECKED_PEERS_MAX else CHECK_EVERY
        self.checkers = Checkers(self.dataset, every=every)
        self.fabric.on_given = self._given
        for machine in self.machines:
            self.checkers.watch(machine)
            machine.on_ended = self._stop_if_over

    @property
    def machines(self) -> list[Machine]:
        """Seeders first."""
        return self.seeders + self.peers

    def _build(self) -> None:
        scenario, world = self.scenario, self.world
        if scenario.has_tracker:
            self.fabric.tracker = TrackerMachine(self.fabric, self.dataset)
            world.at(0.0, self.fabric.tracker.start)
        if scenario.store_up is not None:
            self.fabric.store = Store(
                self.fabric,
                self.dataset,
                up=scenario.store_up,
                first_byte_s=scenario.first_byte_s,
                rng=world.rng("store"),
                refuses=scenario.store_refuses,
            )
        self._plan_starts()
        plan_faults(self)

    def _plan_starts(self) -> None:
        scenario, world, rng = self.scenario, self.world, self.world.rng("starts")
        late = round(scenario.joining * scenario.peers)
        for machine in self.seeders:
            world.at(0.0, self._start, machine)
        for place, machine in enumerate(self.peers):
            is_late = place >= len(self.peers) - late
            begin = scenario.killed_at * self.limit_s if is_late else 0.0
            world.at(begin + rng.uniform(0.0, scenario.spread_s), self._start, machine)

    def _start(self, machine: Machine) -> None:
        machine.start(self.dataset)
        if not self.scenario.has_tracker:
            self.fabric.discover(machine)

    # --- running --------------------------------------------------------------------------------

    def run(self) -> Report:
        """Until everybody who lives is done, or it is stuck."""
        self.world.at(STALL_STEP_S, self._watch_stalls)
        self._stop_if_over()
        self.world.run(limit_s=60.0 + self.scenario.limit_factor * self.limit_s)
        self.checkers.finish(self._owed())
        report = self._report()
        return replace(report, problems=(*report.problems, *broken(self.scenario, report)))

    def _stop_if_over(self, _: Machine | None = None) -> None:
        if all(machine.completed_at is not None for machine in self._owed()):
            self.world.stop()

    def _owed(self) -> list[Machine]:
        """Those who must finish: the living and honest. Nobody owes a liar anything."""
        return [machine for machine in self.peers if (machine.thaws or not machine.is_frozen) and not machine.lies]

    def _given(self, index: int) -> None:
        if self.fabric.is_calm and self.scenario.origin_max is not None:
            self.checkers.given(index)

    def _watch_stalls(self) -> None:
        """The longest that anybody who lacked something saw nothing come."""
        now = self.world.now
        for machine in self.peers:
            if machine.started_at is None or machine.is_frozen or machine.completed_at is not None:
                continue
            moved, since = self._moved_at.get(machine.number, (-1, now))
            if machine.arrived_bytes() != moved:
                self._moved_at[machine.number] = (machine.arrived_bytes(), now)
            else:
                self._stall_s = max(self._stall_s, now - since)
        self.world.after(STALL_STEP_S, self._watch_stalls)

    def _report(self) -> Report:
        scenario, dataset = self.scenario, self.dataset
        living = self._owed()
        times = sorted(m.completed_at for m in living if m.completed_at is not None)
        top = max((machine.down_rate for machine in self.peers), default=0.0)
        fast = sorted(m.completed_at for m in living if m.completed_at is not None and m.down_rate == top)
        origin = sum(machine.up.bytes for machine in self.seeders)
        origin += self.fabric.store.up.bytes if self.fabric.store is not None else 0.0
        taken = sum(machine.bytes_taken for machine in self.peers)
        wasted = sum(machine.down.bytes for machine in living) - sum(machine.bytes_taken for machine in living)
        crossed = sum(border.into.bytes for border in self.fabric.borders.values())
        p50, p90, p99, last = (percentile(times, part) for part in (0.5, 0.9, 0.99, 1.0))
        blocks_moved = max(1, taken * scenario.blocks // dataset.bytes)
        return Report(
            scenario=scenario.name,
            seed=self.seed,
            peers=scenario.peers,
            blocks=scenario.blocks,
            sites=max(1, len(self.fabric.borders)),
            bytes=dataset.bytes,
            limit_s=self.limit_s,
            finished=len(times),
            expected=len(living),
            p50_s=p50,
            p90_s=p90,
            p99_s=p99,
            last_s=last,
            p50_ratio=p50 / self.limit_s,
            p90_ratio=p90 / self.limit_s,
            p99_ratio=p99 / self.limit_s,
            last_ratio=last / self.limit_s,
            fast_p99_s=percentile(fast, 0.99),
            origin_bytes=round(origin),
            origin_ratio=origin / dataset.bytes,
            wasted_bytes=round(wasted),
            wasted_ratio=wasted / max(1, taken),
            duplicates=sum(machine.duplicates for machine in self.peers),
            refused_bytes=sum(machine.refused for machine in self.peers),
            border_bytes=round(crossed),
            border_ratio=crossed / dataset.bytes,
            worst_stall_s=self._stall_s,
            messages=self.fabric.messages,
            messages_per_block=self.fabric.messages / blocks_moved,
            events=self.world.events,
            problems=tuple(self.checkers.problems),
        )


def simulate(scenario: Scenario, seed: int) -> Report:
    """Runs a scenario."""
    return Simulation(scenario, seed).run()
