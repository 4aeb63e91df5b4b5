"""How fast bytes move: flows share access lines max-min fairly, as TCP flows of equal round trips nearly do.

A line is one direction of a machine's access link, or of a site's border; a flow takes its bytes from a sender's line
over the borders between, if any, to a receiver's. When a flow begins or ends, fair levels are propagated from line to
line until they change by less than a thousandth, over at most `LINES_MAX` lines: more changed nothing in the third
digit (scheduling research, section 0). There is no loss, no slow start, no queueing delay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sim.world import World

LINES_MAX = 60
"""Lines looked at for one change."""

TOLERANCE = 1e-3
"""A level that changes by less is left."""

UNBOUND = float("inf")


class Line:
    """One direction of an access link. `level` is the rate that no flow on it exceeds; infinite until it is full."""

    __slots__ = ("bytes", "capacity", "flows", "is_queued", "level")

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.level = UNBOUND
        self.flows: dict[Flow, None] = {}
        self.bytes = 0.0
        """Moved in all, whole blocks or not."""
        self.is_queued = False


class Flow:
    """Bytes on their way from one line to another."""

    __slots__ = ("between", "call", "down", "left", "moment", "rate", "size", "turn", "up")

    def __init__(
        self, up: Line, down: Line, size: float, call: Callable[[], None], *, between: tuple[Line, ...], moment: float
    ) -> None:
        self.up = up
        self.down = down
        self.between = between
        self.size = size
        self.left = size
        self.rate = 0.0
        self.moment = moment
        self.turn = 0
        self.call = call


class Network:
    """All flows."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.flow_count = 0

    def start(
        self, up: Line, down: Line, size: float, call: Callable[[], None], *, between: tuple[Line, ...] = ()
    ) -> Flow:
        """Begins to move `size` bytes; `call` is made when the last has left. `between`: borders on the way."""
        flow = Flow(up, down, size, call, between=between, moment=self._world.now)
        for line in (up, down, *between):
            line.flows[flow] = None
        self.flow_count += 1
        self._balance(up, down, *between)
        return flow

    def stop(self, flow: Flow) -> None:
        """Ends a flow, wherever it is."""
        self._settle(flow)
        if flow.up.flows.pop(flow, 0) is None:
            for line in (flow.down, *flow.between):
                del line.flows[flow]
            self.flow_count -= 1
            flow.turn += 1
            flow.rate = 0.0
            self._balance(flow.up, flow.down, *flow.between)

    def set_capacity(self, line: Line, capacity: float) -> None:
        """Changes a line: zero freezes it."""
        line.capacity = capacity
        self._balance(line)

    def moved(self, flow: Flow) -> float:
        """Bytes that have left so far."""
        self._settle(flow)
        return flow.size - flow.left

    def _settle(self, flow: Flow) -> None:
        now = self._world.now
        if now > flow.moment:
            gone = min(flow.left, flow.rate * (now - flow.moment))
            flow.left -= gone
            _count(flow, gone)
            flow.moment = now

    def _balance(self, *lines: Line) -> None:
        queue = deque(lines)
        touched: list[Line] = []
        for line in lines:
            line.is_queued = True
        looked_at = 0
        while queue:
            line = queue.popleft()
            line.is_queued = False
            looked_at += 1
            level = _level(line)
            is_first = looked_at <= len(lines)
            if not is_first and _is_near(level, line.level):
                continue
            line.level = level
            touched.append(line)
            if looked_at >= LINES_MAX:
                continue
            for flow in line.flows:
                for other in _others(flow, line):
                    if not other.is_queued:
                        other.is_queued = True
                        queue.append(other)
        for line in touched:
            for flow in line.flows:
                rate = _rate(flow) if flow.between else min(flow.up.level, flow.down.level)
                if rate != flow.rate:
                    self._set_rate(flow, rate)

    def _set_rate(self, flow: Flow, rate: float) -> None:
        self._settle(flow)
        flow.rate = rate
        flow.turn += 1
        if rate > 0:
            self._world.after(flow.left / rate, self._end, flow, flow.turn)

    def _end(self, flow: Flow, turn: int) -> None:
        if turn != flow.turn:
            return
        self._settle(flow)
        _count(flow, flow.left)
        flow.left = 0.0
        self.stop(flow)
        flow.call()


def _is_near(one: float, other: float) -> bool:
    return one == other or abs(one - other) <= TOLERANCE * min(one, other)


def _count(flow: Flow, moved: float) -> None:
    flow.up.bytes += moved
    flow.down.bytes += moved
    for line in flow.between:
        line.bytes += moved


def _rate(flow: Flow) -> float:
    rate = min(flow.up.level, flow.down.level)
    for line in flow.between:
        rate = min(rate, line.level)
    return rate


def _others(flow: Flow, line: Line) -> tuple[Line, ...]:
    """The other lines of its way."""
    if not flow.between:
        return (flow.down if flow.up is line else flow.up,)
    return tuple(each for each in (flow.up, flow.down, *flow.between) if each is not line)


def _level(line: Line) -> float:
    """The fair level of a line, given the levels of the other lines of its flows (water filling)."""
    limits = [
        min(other.level for other in _others(flow, line))
        if flow.between
        else (flow.down.level if flow.up is line else flow.up.level)
        for flow in line.flows
    ]
    limits.sort()
    left, count = line.capacity, len(limits)
    for limit in limits:
        share = left / count
        if limit >= share:
            return share
        left -= limit
        count -= 1
    return UNBOUND
