"""What a scenario allows: its own bounds, and what depends on how many machines and blocks there are.

`last_max` and `origin_max` are multiples of the limit and of the dataset, as they are for many blocks. A version of few
blocks needs longer, in multiples of its limit: whole blocks go from machine to machine, 2.2 log2(N) of them one behind
the other (scheduling research, section 1), and each of these hops costs messages there and back; machines start, dial
and ask first; and a fault costs seconds (`grace_s`) that a small version does not make shorter.
"""

from __future__ import annotations

from math import log2

from sim.report import Report
from sim.scenario import Scenario

HOPS = 2.2
"""How many blocks one behind the other, per doubling of the machines (scheduling research: a fit)."""

HOP_LATENCIES = 8
"""What one hop adds in messages: news, offer, request, first byte; twice, for those that are declined."""

START_LATENCIES = 16
"""Until the first byte, after the machine has begun: the tracker, a neighbour, the version, an offer."""

ORIGIN_BLOCKS = 2
"""So many blocks may leave the origin again: one was late, one was given up."""

BLOCKS_A_LOSS = 3
"""So many may leave it again for each machine that is gone: what it had taken and not passed on."""

BLOCKS_A_LIAR = 6
"""The same for each liar, whom the origin trusts until what it keeps is noticed."""


def last_allowed_s(scenario: Scenario, limit_s: float) -> float:
    """The last finish that the scenario allows. Infinite without `last_max`."""
    if scenario.last_max is None:
        return float("inf")
    latency_s = scenario.latency_s
    if scenario.latency_to_s is not None:
        latency_s = (latency_s + scenario.latency_to_s) / 2
    latency_s += scenario.queue_s
    hop_s = scenario.block_size / min(scenario.up, scenario.down) + HOP_LATENCIES * latency_s
    tail_s = HOPS * log2(scenario.peers + 1) * hop_s
    start_s = scenario.spread_s + START_LATENCIES * latency_s
    return scenario.last_max * limit_s + tail_s + start_s + scenario.grace_s


def origin_allowed(scenario: Scenario) -> float:
    """The copies that may leave the origin. Infinite without `origin_max`."""
    if scenario.origin_max is None:
        return float("inf")
    lost = scenario.killed + scenario.vanishing + scenario.frozen
    a_peer = BLOCKS_A_LOSS * lost + BLOCKS_A_LIAR * scenario.liars
    spare = ORIGIN_BLOCKS + round(a_peer * scenario.peers)
    return scenario.origin_max + spare / scenario.blocks


def broken(scenario: Scenario, report: Report) -> list[str]:
    """What a report shows that the scenario does not allow, as sentences."""
    problems: list[str] = []
    last_s, origin = last_allowed_s(scenario, report.limit_s), origin_allowed(scenario)
    if report.last_s > last_s:
        problems.append(f"the last finished after {report.last_s:.2f} s; {last_s:.2f} s are allowed")
    if report.origin_ratio > origin:
        problems.append(f"{report.origin_ratio:.4f} copies left the origin; {origin:.4f} are allowed")
    return problems
