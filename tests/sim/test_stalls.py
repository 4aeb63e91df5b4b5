"""Two permanent stalls of the first prototype: the production node must come out of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sim.machine import Machine
from sim.scenarios import SCENARIOS
from sim.simulation import Simulation

LOOK_S = 0.002

ENDS = [Machine.die, Machine.vanish]


def simulation(peers: int) -> Simulation:
    scenario = replace(SCENARIOS["flash-crowd"], peers=peers, blocks=48)
    # Those whom the tests end had taken a few blocks each that they had not passed on.
    return Simulation(replace(scenario, last_max=1.5, origin_max=1 + 4 / 48, grace_s=12.0), 5)


def once(run: Simulation, look: Callable[[], bool]) -> None:
    """Looks every 2 ms until it has seen what it waits for."""

    def again() -> None:
        if not look():
            run.world.after(LOOK_S, again)

    run.world.at(0.2 * run.limit_s, again)


@pytest.mark.parametrize("end", ENDS)
def test_credit_is_open_again_after_the_senders_that_closed_it_have_died(end: Callable[[Machine], None]) -> None:
    run, found = simulation(6), list[Machine]()

    def look() -> bool:
        for machine in run.peers:
            senders = [wire.sender for wire in machine.wires.values() if wire.receiver is machine and wire.queue]
            seen = machine.node.statistics()
            if len(senders) >= 2 and seen.receiving >= seen.slots_in and not any(one.is_origin for one in senders):
                for sender in senders:
                    end(sender)
                found.append(machine)
                return True
        return False

    once(run, look)
    report = run.run()
    assert [machine.completed_at is not None for machine in found] == [True]
    assert report.problems == ()


@pytest.mark.parametrize("end", ENDS)
def test_a_block_whose_only_holder_and_only_receiver_leave_together_is_given_again(
    end: Callable[[Machine], None],
) -> None:
    run, lost, given = simulation(8), list[int](), list[int]()
    run.fabric.on_given = given.append

    def look() -> bool:
        for holder in run.peers:
            for wire in holder.wires.values():
                if wire.sender is not holder or not wire.queue:
                    continue
                index = wire.queue[0].index
                if _holders(run, index) == [holder] and _receivers(run, index) == [wire.receiver]:
                    lost.append(index)
                    end(holder)
                    end(wire.receiver)
                    return True
        return False

    once(run, look)
    report = run.run()
    assert given.count(lost[0]) == 2
    assert (report.finished, report.expected, report.problems) == (6, 6, ())


def _holders(run: Simulation, index: int) -> list[Machine]:
    return [machine for machine in run.peers if machine.verified >> index & 1]


def _receivers(run: Simulation, index: int) -> list[Machine]:
    wires = {wire.id: wire for machine in run.machines for wire in machine.wires.values()}.values()
    return [wire.receiver for wire in wires if any(job.index == index for job in wire.queue)]
