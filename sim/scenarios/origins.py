"""Where blocks come from: a seeder, several, a store under leases, a store without a tracker."""

from __future__ import annotations

from sim.scenario import MBIT, Scenario

ORIGINS = (
    Scenario(
        "store", "a store instead of a seeder, read under leases", seeders=0, store_up=100 * MBIT, origin_max=1.02
    ),
    Scenario("store-slow", "the same with 20 % slow peers", seeders=0, store_up=100 * MBIT, slow=0.2),
    Scenario(
        "store-refuses",
        "a store that answers one read in ten with SlowDown",
        seeders=0,
        store_up=100 * MBIT,
        store_refuses=0.1,
    ),
    Scenario("two-seeders", "two seeders share the version", seeders=2, origin_max=1.02),
    Scenario("no-tracker", "a seeder and peers on one LAN, no tracker", peers=16, has_tracker=False, origin_max=1.1),
    Scenario(
        "store-alone",
        "no tracker and no seeder: owners read the store",
        peers=16,
        seeders=0,
        has_tracker=False,
        store_up=100 * MBIT,
    ),
)
