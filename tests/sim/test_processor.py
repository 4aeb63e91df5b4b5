"""Work waits for a core: in order for one agent, in turn for those who share a computer."""

from __future__ import annotations

import pytest

from sim.processor import FRAME_BYTES, TURN_S, Computer, Costs, Processor, Room
from sim.scenario import Computers
from sim.world import World
from swarm.exchange.events import Ticked

FREE = Costs(start_s=0.5, wake_s=0.0, told_s=0.01, say_s=0.0, take_byte_s=0.0, give_byte_s=0.0)


class Desk:
    """A computer and the agents at it, and what was done when."""

    def __init__(self, cores: int, agents: int, *, speed: float = 1.0, costs: Costs = FREE) -> None:
        self.world = World(1)
        computer = Computer(self.world, cores, speed)
        self.processors = [Processor(computer, costs) for _ in range(agents)]
        self.done: list[tuple[str, float]] = []

    def note(self, name: str) -> None:
        self.done.append((name, round(self.world.now, 6)))

    def run(self) -> list[tuple[str, float]]:
        self.world.run(limit_s=100.0)
        return self.done


def test_one_agent_uses_one_core_and_keeps_its_order() -> None:
    desk = Desk(cores=4, agents=1)
    for name in "abc":
        desk.processors[0].spend(1.0, desk.note, name)
    assert desk.run() == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


def test_two_agents_on_two_cores_do_not_wait() -> None:
    desk = Desk(cores=2, agents=2)
    for name, processor in zip("ab", desk.processors, strict=True):
        processor.spend(1.0, desk.note, name)
    assert desk.run() == [("a", 1.0), ("b", 1.0)]


def test_two_agents_on_one_core_take_turns() -> None:
    desk = Desk(cores=1, agents=2)
    for name, processor in zip("ab", desk.processors, strict=True):
        for _ in range(2):
            processor.spend(TURN_S, desk.note, name)
    assert [name for name, _ in desk.run()] == list("abab")


def test_what_begins_together_is_ready_together() -> None:
    desk = Desk(cores=2, agents=8)
    for number, processor in enumerate(desk.processors):
        processor.begin(desk.note, str(number))
    done = desk.run()
    assert {round(at, 1) for _, at in done} == {2.0}


def test_a_slow_core_takes_longer() -> None:
    desk = Desk(cores=1, agents=1, speed=0.25)
    desk.processors[0].spend(1.0, desk.note, "a")
    assert desk.run() == [("a", 4.0)]


def test_who_is_awake_is_not_woken() -> None:
    desk = Desk(cores=1, agents=1, costs=Costs(wake_s=1.0, told_s=0.5))
    for name in "ab":
        desk.processors[0].hear(Ticked(), lambda _event, name=name: desk.note(name))
    assert desk.run() == [("a", 1.5), ("b", 2.0)]


def test_a_slow_block_wakes_for_each_frame_and_a_quick_one_once() -> None:
    ends = []
    for quickest_s in (0.0, 1.0):
        desk = Desk(cores=1, agents=1, costs=Costs(wake_s=1.0, take_byte_s=0.0))
        desk.processors[0].take(4 * FRAME_BYTES, quickest_s)
        desk.run()
        ends.append(desk.world.now)
    assert ends == [1.0, 4.0]


def test_what_is_owed_delays_what_comes_next() -> None:
    desk = Desk(cores=1, agents=1)
    desk.processors[0].owe(2.0)
    desk.processors[0].spend(1.0, desk.note, "a")
    assert desk.run() == [("a", 3.0)]


@pytest.mark.parametrize(("agents", "shared"), [(1, False), (2, True)])
def test_agents_are_seated_at_one_computer_until_it_is_full(agents: int, shared: bool) -> None:
    world = World(1)
    room = Room(world, Computers(cores=1, agents=agents))
    done: list[float] = []
    for _ in range(2):
        room.seat().spend(1.0, lambda: done.append(round(world.now, 1)))
    world.run(limit_s=10.0)
    assert done == ([1.0, 2.0] if shared else [pytest.approx(1.0, abs=0.01)] * 2)
