"""What computing costs: agents share the cores of a computer, and whatever an agent is told waits for its turn.

An agent is one process with one event loop: it uses one core at a time. A computer deals its cores to those of its
agents that have something to do, in turn. So a fleet of many agents on few cores is slower by the work itself, and by
the waiting of messages, which keeps links idle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.scenario import Computers
from sim.world import World
from swarm.exchange.events import Event, Progressed

REPORT_S = 0.001
"""Looking at all connections ten times a second, and telling the node what moved."""

MESSAGES_MIN = 4
"""That an agent is told, and that it says, for a block: an offer, a request, credit, what is new."""

TURN_S = 0.003
"""How long a kernel lets one process go on while others wait for its core."""

FRAME_BYTES = 65_536

GATHERED_S = 0.002
"""What comes or goes within so long does so at once."""

SLICE_S = 0.01
"""What begins together on one computer gets ready together: work of seconds is dealt in turns of this."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one core of the machine of docs/performance.md, chosen so that forecasts agree with the lab's fleets
    (docs/simulation.md). An agent of eight is given some 5 s for 128 MiB, of which the lab by now takes 3.4."""

    start_s: float = 0.55
    """From the command to the first word to the tracker: nearly all of it imports."""
    wake_s: float = 0.0005
    """To be woken where there was nothing to do, for a message or a frame: what comes meanwhile is done in the same
    turn."""
    told_s: float = 0.00016
    """A message, or a timer: read, decrypted, taken apart, decided upon."""
    say_s: float = 0.0001
    """A message, said."""
    take_byte_s: float = 7e-9
    """A byte of a block received, verified and written."""
    give_byte_s: float = 5e-9
    """A byte of a block read and sent."""

    def of_version(self, size: int, blocks: int) -> float:
        """What one agent spends on a version at least: it takes everything once and gives it once, and never sleeps."""
        talk_s = blocks * MESSAGES_MIN * (self.told_s + self.say_s)
        return self.start_s + size * (self.take_byte_s + self.give_byte_s) + talk_s


COSTS = Costs()


class Computer:
    """Some cores. `speed` is one core's, 1 being that of the machine the costs were measured on."""

    def __init__(self, world: World, cores: int, speed: float = 1.0) -> None:
        self._world = world
        self._idle = cores
        self._speed = speed
        self._ready: deque[Processor] = deque()

    def queue(self, processor: Processor) -> None:
        """It has something to do, and waits for a core."""
        self._ready.append(processor)
        self._deal()

    def _deal(self) -> None:
        while self._idle and self._ready:
            self._idle -= 1
            self._run(self._ready.popleft(), TURN_S)

    def _run(self, processor: Processor, turn_s: float) -> None:
        took_s = processor.next_s() / self._speed
        self._world.after(took_s, self._done, processor, turn_s - took_s)

    def _done(self, processor: Processor, turn_s: float) -> None:
        processor.end_one()
        if processor.has_work and (turn_s > 0 or not self._ready):
            self._run(processor, turn_s)
            return
        self._idle += 1
        if processor.has_work:
            self._ready.append(processor)
        self._deal()


class Room:
    """Computers that are alike, as many as it takes: agents are seated at the first until it is full, then the next."""

    def __init__(self, world: World, computers: Computers) -> None:
        self._world = world
        self._computers = computers
        self._seated = 0
        self._last: Computer | None = None

    def seat(self) -> Processor:
        """One more agent's share."""
        if self._last is None or self._seated % self._computers.agents == 0:
            self._last = Computer(self._world, self._computers.cores, self._computers.speed)
        self._seated += 1
        return Processor(self._last)


class Processor:
    """One agent's share of a computer: what it does, it does in order, one after the other."""

    def __init__(self, computer: Computer, costs: Costs = COSTS) -> None:
        self.costs = costs
        self._computer = computer
        self._work: deque[tuple[float, Callable[..., None], tuple[Any, ...]]] = deque()
        self._owed_s = 0.0

    @property
    def has_work(self) -> bool:
        """Whether something is being done, or waits."""
        return bool(self._work)

    def hear(self, event: Event, call: Callable[..., None]) -> None:
        """`call(event)` when the agent has been told of it."""
        self.spend(REPORT_S if isinstance(event, Progressed) else self.costs.told_s, call, event)

    def take(self, size: int, quickest_s: float) -> None:
        """The frames of a block that comes, in `quickest_s` seconds at least."""
        self.spend(self.costs.take_byte_s * size, _nothing, wakes=_wakes(size, quickest_s))

    def give_first(self, call: Callable[..., None], *args: Any) -> None:
        """`call` when the first frame of a block can go."""
        self.spend(self.costs.give_byte_s * FRAME_BYTES, call, *args)

    def give_rest(self, size: int, quickest_s: float) -> None:
        """The frames after the first of a block that goes, in `quickest_s` seconds at least."""
        rest = max(0, size - FRAME_BYTES)
        self.spend(self.costs.give_byte_s * rest, _nothing, wakes=_wakes(rest, quickest_s))

    def spend(self, work_s: float, call: Callable[..., None], *args: Any, wakes: int = 1) -> None:
        """Puts work behind what is there; `call` is made when it is done."""
        if not self._work:
            work_s += wakes * self.costs.wake_s
        self._work.append((work_s, call, args))
        if len(self._work) == 1:
            self._computer.queue(self)

    def begin(self, call: Callable[..., None], *args: Any) -> None:
        """What starting takes, in turns with others that start."""
        for _ in range(round(self.costs.start_s / SLICE_S) - 1):
            self.spend(SLICE_S, _nothing)
        self.spend(SLICE_S, call, *args)

    def owe(self, work_s: float) -> None:
        """Nobody waits for this work; what comes next waits behind it."""
        self._owed_s += work_s

    def next_s(self) -> float:
        """How long the oldest work takes, with what is owed."""
        work_s, self._owed_s = self._work[0][0] + self._owed_s, 0.0
        return work_s

    def end_one(self) -> None:
        """The oldest is done. It leaves after its call: what that brings up waits for a core anew."""
        _, call, args = self._work[0]
        call(*args)
        self._work.popleft()


def _nothing() -> None:
    """Work that ends in nothing but its time."""


def _wakes(size: int, quickest_s: float) -> int:
    """How often a block wakes who takes or gives it: for each frame, or less often where frames are quick."""
    return min(-(-size // FRAME_BYTES), int(quickest_s / GATHERED_S) + 1)
