"""Everybody wants the same, at once, and nothing breaks."""

from __future__ import annotations

from sim.scenario import MBIT, Scenario

MIXED = ((5.0, 100 * MBIT, 100 * MBIT), (3.0, 50 * MBIT, 100 * MBIT), (2.0, 20 * MBIT, 50 * MBIT))
"""Half on good lines, some that send at half their rate, some at home."""

CROWDS = (
    Scenario("flash-crowd", "everybody at once, equal links", last_max=1.10, origin_max=1.0),
    Scenario("cut", "the same with blocks of unequal length", is_cut=True, last_max=1.2, origin_max=1.0),
    Scenario("slow", "20 % of the peers at a fifth of the rate", slow=0.2, last_max=1.1, origin_max=1.1),
    Scenario("links", "a mix of links: 100/100, 50/100 and 20/50 Mbit/s", links=MIXED, last_max=1.15, origin_max=1.0),
    Scenario("latency", "50 ms one way", latency_s=0.05, last_max=1.05, origin_max=1.0),
    Scenario("latency-10", "10 ms one way", latency_s=0.01, last_max=1.1, origin_max=1.0),
    Scenario("latency-100", "100 ms one way", latency_s=0.1, last_max=1.05, origin_max=1.0),
    Scenario("latency-mixed", "1 to 100 ms one way", latency_to_s=0.1, last_max=1.05, origin_max=1.0),
    Scenario("queues", "20 ms of queues each way", queue_s=0.02, last_max=1.05, origin_max=1.0),
    Scenario("hidden", "30 % of the peers cannot be dialled", hidden=0.3, last_max=1.05, grace_s=1.0, origin_max=1.0),
    Scenario("spread", "the peers come within two seconds", spread_s=2.0, last_max=1.05, origin_max=1.0),
    Scenario("leavers", "everybody leaves on completion", linger=False, last_max=1.05, origin_max=1.0),
    Scenario("leavers-slow", "the same, 20 % slow", linger=False, slow=0.2, last_max=1.1, grace_s=3.0, origin_max=1.6),
)
