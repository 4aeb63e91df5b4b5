"""What a simulation is to show, as one value: machines, rates, faults, rules; and what must hold at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from swarm.exchange.policies import Policies

MBIT = 125_000
"""Bytes per second in a megabit per second."""


@dataclass(frozen=True)
class Outage:
    """Something is away between two moments, as parts of the fluid limit."""

    begins: float
    ends: float


@dataclass(frozen=True)
class Scenario:
    """Rates in bytes per second, times in seconds; moments of faults are parts of the fluid limit."""

    name: str = "flash-crowd"
    about: str = "everybody at once"
    peers: int = 100
    blocks: int = 256
    block_size: int = 1 << 20
    is_cut: bool = False
    up: float = 100 * MBIT
    down: float = 100 * MBIT
    latency_s: float = 0.001
    spread_s: float = 0.1
    """Machines begin within so long of each other."""
    seeders: int = 1
    seeder_up: float | None = None
    store_up: float | None = None
    """There is a store, read by everybody, with this uplink."""
    store_refuses: float = 0.0
    """How many of its reads the store answers with SlowDown."""
    first_byte_s: tuple[float, float] = (0.03, 0.1)
    has_tracker: bool = True
    slow: float = 0.0
    """This part of the machines has a fifth of the rates."""
    liars: float = 0.0
    hidden: float = 0.0
    """This part of the machines can dial and cannot be dialled (address translation, a firewall)."""
    killed: float = 0.0
    """This part of the machines has its cable pulled, at `killed_at`."""
    killed_at: float = 0.5
    joining: float = 0.0
    """This part of the machines comes only at `killed_at`."""
    tracker_outage: Outage | None = None
    seeder_dies_at: float | None = None
    linger: bool = True
    policies: Policies = field(default_factory=Policies)
    limit_factor: float = 12.0
    """When a simulation is called stuck, as a multiple of the fluid limit (plus a minute)."""
    last_max: float | None = None
    """What the last finish may be, as a multiple of the fluid limit."""
    origin_max: float | None = None
    """What may leave the origin, as a multiple of the dataset."""
