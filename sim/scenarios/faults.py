"""Something breaks, and everybody who lives still finishes."""

from __future__ import annotations

from sim.scenario import Outage, Scenario

FAULTS = (
    Scenario("churn", "20 % unplugged half-way, 20 % arriving then", killed=0.2, joining=0.2, origin_max=1.05),
    Scenario(
        "tracker-restart", "the tracker is away for a while and comes back empty", tracker_outage=Outage(0.3, 0.6)
    ),
    Scenario("liars", "10 % of the peers send wrong blocks", liars=0.1),
    Scenario("seeder-dies", "the only seeder dies when it has given everything once", seeder_dies_at=1.5),
)
