"""Where blocks come from: a seeder, several, a store under leases, a store without a tracker."""

from __future__ import annotations

from sim.scenario import MBIT, Outage, Scenario

LINE = 100 * MBIT

ORIGINS = (
    Scenario("store", "a store instead of a seeder, read under leases", seeders=0, store_up=LINE, origin_max=1.02),
    Scenario("store-slow", "the same with 20 % slow peers", seeders=0, store_up=LINE, slow=0.2),
    Scenario("store-refuses", "a store that answers SlowDown once in ten", seeders=0, store_up=LINE, store_refuses=0.1),
    Scenario(
        "store-churn", "readers of the store unplugged half-way", seeders=0, store_up=LINE, killed=0.2, joining=0.2
    ),
    Scenario(
        "store-restart",
        "leases while the tracker is away and comes back empty",
        seeders=0,
        store_up=LINE,
        tracker_outage=Outage(0.3, 0.6),
    ),
    Scenario("store-one", "one agent alone reads the store", peers=1, seeders=0, store_up=LINE, last_max=1.2),
    Scenario("seeder-lost", "the seeder dies half-way and the store has the rest", store_up=LINE, seeder_dies_at=0.5),
    Scenario("two-seeders", "two seeders share the version", seeders=2, origin_max=1.02),
    Scenario("thin-origin", "a seeder with a tenth of the rate", seeder_up=0.1 * LINE, origin_max=1.02),
    Scenario("no-tracker", "a seeder and peers on one LAN, no tracker", peers=16, has_tracker=False, origin_max=1.1),
    Scenario(
        "store-alone",
        "no tracker and no seeder: owners read the store",
        peers=16,
        seeders=0,
        has_tracker=False,
        store_up=LINE,
    ),
)
