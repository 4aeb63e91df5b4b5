"""Everybody wants the same, at once, and nothing breaks."""

from __future__ import annotations

from sim.scenario import Scenario

CROWDS = (
    Scenario("flash-crowd", "everybody at once, equal links", last_max=1.15, origin_max=1.02),
    Scenario("cut", "the same with blocks of unequal length", is_cut=True, last_max=1.25, origin_max=1.03),
    Scenario("slow", "20 % of the peers at a fifth of the rate", slow=0.2, origin_max=1.02),
    Scenario("latency", "50 ms one way", latency_s=0.05, origin_max=1.05),
    Scenario("hidden", "30 % of the peers cannot be dialled", hidden=0.3, origin_max=1.05),
    Scenario("spread", "the peers come within two seconds", spread_s=2.0, origin_max=1.02),
)
