"""The model of the network: flows share lines max-min fairly, and no byte is lost or made."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.limit import fluid_limit_s
from sim.network import Flow, Line, Network
from sim.world import World


def network() -> tuple[World, Network, list[tuple[int, float]]]:
    return (world := World(1)), Network(world), []


def run(world: World, limit_s: float = 1e6) -> None:
    world.run(limit_s=limit_s)


def start(net: Network, up: Line, down: Line, size: float, ends: list[tuple[int, float]], world: World) -> Flow:
    number = len(up.flows) + len(down.flows) * 10 + len(ends)
    return net.start(up, down, size, lambda: ends.append((number, world.now)))


def test_a_flow_alone_takes_the_thinner_line() -> None:
    world, net, ends = network()
    start(net, Line(100.0), Line(50.0), 500.0, ends, world)
    run(world)
    assert [time for _, time in ends] == [pytest.approx(10.0)]


def test_flows_share_a_line_and_the_last_gets_what_the_others_leave() -> None:
    world, net, ends = network()
    up = Line(100.0)
    thin, wide = net.start(up, Line(20.0), 1000.0, lambda: None), net.start(up, Line(200.0), 1000.0, lambda: None)
    assert (thin.rate, wide.rate) == (pytest.approx(20.0), pytest.approx(80.0))
    run(world, 0.0)
    assert ends == []


def test_a_stopped_flow_gives_its_share_back() -> None:
    world, net, ends = network()
    up = Line(100.0)
    first = start(net, up, Line(100.0), 1000.0, ends, world)
    second = net.start(up, Line(100.0), 1000.0, lambda: None)
    world.at(5.0, net.stop, second)
    run(world)
    assert net.moved(second) == pytest.approx(250.0)
    assert first.left == 0.0
    assert [time for _, time in ends] == [pytest.approx(12.5)]


def test_a_frozen_line_moves_nothing_until_it_thaws() -> None:
    world, net, ends = network()
    up = Line(100.0)
    start(net, up, Line(100.0), 1000.0, ends, world)
    world.at(4.0, net.set_capacity, up, 0.0)
    world.at(9.0, net.set_capacity, up, 100.0)
    run(world)
    assert [time for _, time in ends] == [pytest.approx(15.0)]


pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(pairs=pairs, ups=st.tuples(*[st.integers(1, 100)] * 5), downs=st.tuples(*[st.integers(1, 100)] * 5))
def test_rates_are_max_min_fair(pairs: list[tuple[int, int]], ups: tuple[int, ...], downs: tuple[int, ...]) -> None:
    _, net, _ = network()
    up, down = [Line(float(rate)) for rate in ups], [Line(float(rate)) for rate in downs]
    flows = [net.start(up[one], down[other], 1e9, lambda: None) for one, other in pairs]
    for line in (*up, *down):
        assert sum(flow.rate for flow in line.flows) <= line.capacity * 1.02
    for flow in flows:
        # Max-min (Bertsekas and Gallager): each flow has a full line on which no other is faster.
        assert any(_is_bottleneck(line, flow) for line in (flow.up, flow.down))


@settings(max_examples=200, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12),
    borders=st.tuples(*[st.integers(1, 100)] * 2),
)
def test_rates_are_max_min_fair_over_borders_too(pairs: list[tuple[int, int]], borders: tuple[int, int]) -> None:
    """Machines 0, 2, 4 are in one site, 1, 3, 5 in the other; every link has 50."""
    _, net, _ = network()
    up, down = [Line(50.0) for _ in range(6)], [Line(50.0) for _ in range(6)]
    out, into = [Line(float(rate)) for rate in borders], [Line(float(rate)) for rate in borders]
    flows = [
        net.start(up[one], down[other], 1e9, lambda: None, between=(out[one % 2], into[other % 2]))
        if one % 2 != other % 2
        else net.start(up[one], down[other], 1e9, lambda: None)
        for one, other in pairs
    ]
    for line in (*up, *down, *out, *into):
        assert sum(flow.rate for flow in line.flows) <= line.capacity * 1.02
    for flow in flows:
        assert any(_is_bottleneck(line, flow) for line in (flow.up, flow.down, *flow.between))


def test_what_crosses_a_border_is_counted_on_it_and_gives_its_share_back() -> None:
    world, net, ends = network()
    border, ups = Line(10.0), [Line(100.0), Line(100.0)]
    net.start(ups[0], Line(100.0), 100.0, lambda: ends.append((0, world.now)), between=(border,))
    net.start(ups[1], Line(100.0), 50.0, lambda: ends.append((1, world.now)), between=(border,))
    run(world)
    assert ends == [(1, pytest.approx(10.0)), (0, pytest.approx(15.0))]
    assert border.bytes == pytest.approx(150.0)
    assert not border.flows


def _is_bottleneck(line: Line, flow: Flow) -> bool:
    is_full = sum(each.rate for each in line.flows) >= 0.98 * line.capacity
    return is_full and all(each.rate <= flow.rate * 1.02 for each in line.flows)


def test_the_fluid_limit_is_the_greatest_of_three() -> None:
    assert fluid_limit_s(100.0, origin_up=10.0, ups=[100.0] * 4, downs=[100.0] * 4) == 10.0
    assert fluid_limit_s(100.0, origin_up=100.0, ups=[100.0] * 4, downs=[100.0, 5.0]) == 20.0
    assert fluid_limit_s(100.0, origin_up=10.0, ups=[1.0] * 10, downs=[100.0] * 10) == 50.0
