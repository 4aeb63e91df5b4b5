"""The store as a model: one uplink, a time to the first byte, refusals when asked too much, blocks that are missing."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from sim.dataset import Dataset
from sim.network import Flow, Line

if TYPE_CHECKING:
    from sim.fabric import Fabric
    from sim.machine import Machine
from swarm.protocol.ids import Index, VersionId


@dataclass(slots=True, eq=False)
class Read:
    """One read. `flow` is None until its first byte."""

    machine: Machine
    turn: int
    flow: Flow | None = None
    reported: int = 0


class Store:
    """Reads by (machine, index)."""

    def __init__(
        self,
        fabric: Fabric,
        dataset: Dataset,
        *,
        up: float,
        first_byte_s: tuple[float, float],
        rng: Random,
        refuses: float = 0.0,
        missing: tuple[int, ...] = (),
    ) -> None:
        self.up = Line(up)
        self.is_up = True
        self.reads_begun = 0
        self._fabric = fabric
        self._dataset = dataset
        self._first_byte_s = first_byte_s
        self._rng = rng
        self._refuses = refuses
        self._missing = missing
        self._reads: dict[tuple[int, Index], Read] = {}

    def read(self, machine: Machine, index: Index) -> None:
        """Begins a read; it fails at once where the store is down, refuses, or has no such block."""
        self.reads_begun += 1
        delay_s = self._rng.uniform(*self._first_byte_s)
        world = self._fabric.world
        if not self.is_up:
            world.after(delay_s, machine.store_failed, index, "unavailable")
        elif self._rng.random() < self._refuses:
            world.after(delay_s, machine.store_failed, index, "slow_down")
        elif index in self._missing:
            world.after(delay_s, machine.store_failed, index, "missing")
        else:
            read = self._reads[machine.number, index] = Read(machine, self.reads_begun)
            world.after(delay_s, self._start, machine, index, read.turn)

    def _start(self, machine: Machine, index: Index, turn: int) -> None:
        read = self._reads.get((machine.number, index))
        if read is None or read.turn != turn:
            return
        length = self._dataset.lengths[index]
        read.flow = self._fabric.network.start(
            self.up,
            machine.down,
            length,
            lambda: self._end(machine, index),
            between=self._fabric.between(None, machine.site),
        )

    def _end(self, machine: Machine, index: Index) -> None:
        del self._reads[machine.number, index]
        self._fabric.on_given(index)
        machine.store_came(index)

    def stop(self) -> None:
        """Is away: what is being read fails, and what is asked for."""
        self.is_up = False
        for (_, index), read in list(self._reads.items()):
            self.cancel(read.machine, index)
            read.machine.store_failed(index, "unavailable")

    def start(self) -> None:
        """Is back."""
        self.is_up = True

    def cancel(self, machine: Machine, index: Index) -> None:
        """The reader closes it."""
        read = self._reads.pop((machine.number, index), None)
        if read is not None and read.flow is not None:
            self._fabric.network.stop(read.flow)

    def progress(self, machine: Machine, reads: dict[Index, int]) -> tuple[tuple[VersionId, Index, int], ...]:
        """Bytes so far of a machine's reads."""
        found: list[tuple[VersionId, Index, int]] = []
        for index in reads:
            read = self._reads.get((machine.number, index))
            if read is not None:
                moved = 0 if read.flow is None else int(self._fabric.network.moved(read.flow))
                found.append((self._dataset.version, index, moved))
        return tuple(found)
