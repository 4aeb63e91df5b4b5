"""Something breaks, and everybody who lives still finishes."""

from __future__ import annotations

from sim.scenario import Outage, Scenario

FAULTS = (
    Scenario(
        "churn",
        "20 % unplugged half-way, 20 % arriving then",
        killed=0.2,
        joining=0.2,
        last_max=1.6,
        grace_s=6.0,
        origin_max=1.0,
    ),
    Scenario("vanish", "the programs of 20 % die half-way", vanishing=0.2, last_max=1.05, grace_s=1.0, origin_max=1.0),
    Scenario("frozen", "20 % freeze half-way, for good", frozen=0.2, last_max=1.05, grace_s=7.0, origin_max=1.0),
    Scenario(
        "thaw",
        "20 % freeze half-way and go on after 8 s",
        frozen=0.2,
        thaw_after_s=8.0,
        last_max=1.05,
        grace_s=12.0,
        origin_max=2.0,
    ),
    Scenario(
        "hiccup",
        "20 % freeze half-way for 2 s",
        frozen=0.2,
        thaw_after_s=2.0,
        last_max=1.05,
        grace_s=3.0,
        origin_max=1.0,
    ),
    Scenario(
        "resets",
        "each machine loses a connection every five seconds",
        resets_per_s=0.2,
        last_max=1.05,
        grace_s=1.0,
        origin_max=1.0,
    ),
    Scenario(
        "skew",
        "clocks days apart, two in a thousand too fast or too slow",
        clock_skew_s=300_000.0,
        clock_drift=0.002,
        last_max=1.05,
        origin_max=1.0,
    ),
    Scenario(
        "tracker-restart",
        "the tracker is away for a while and comes back empty",
        tracker_outage=Outage(0.3, 0.6),
        last_max=1.05,
        origin_max=1.0,
    ),
    Scenario("liars", "10 % of the peers send wrong blocks", liars=0.1, last_max=1.05, grace_s=6.0, origin_max=1.0),
    Scenario("liars-many", "30 % of the peers send wrong blocks", liars=0.3, last_max=1.2, grace_s=6.0, origin_max=1.0),
    Scenario(
        "seeder-dies",
        "the only seeder dies when it has given everything once",
        seeder_dies_at=1.5,
        last_max=1.05,
        origin_max=1.0,
    ),
)
