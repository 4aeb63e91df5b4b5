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
class Computers:
    """What agents run on: `agents` of them share the cores of each. A speed of 1 is that of docs/performance.md."""

    cores: int
    agents: int = 1
    speed: float = 1.0


@dataclass(frozen=True)
class Group:
    """Machines that are alike. Rates in bytes per second; `site` empty where there is but one; `computers` a name of
    the scenario's, empty where computing costs nothing."""

    name: str
    count: int
    up: float
    down: float
    site: str = ""
    latency_s: float = 0.001
    computers: str = ""


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
    queue_s: float = 0.0
    """What queues in front of links add to the latency, each way; a kernel's least round trip knows nothing of it."""
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
    links: tuple[tuple[float, float, float], ...] = ()
    """A mix of links instead of `up` and `down`: (weight, up, down) each; the weights need not add up to one."""
    groups: tuple[Group, ...] = ()
    """The whole fleet, machine by machine, instead of `up`, `down`, `links`, `latency_s` and `sites`; `peers` is their
    sum."""
    origin_site: str = ""
    borders: tuple[tuple[str, float], ...] = ()
    """Of sites of `groups`: (site, rate) instead of `border` for all."""
    computers: tuple[tuple[str, Computers], ...] = ()
    """What `groups` and the seeders run on, by name; the first to come share the first computer."""
    origin_computers: str = ""
    latency_to_s: float | None = None
    """Each machine has a latency of its own between `latency_s` and this (log-uniform); two are apart by the mean."""
    sites: int = 1
    """Machines are dealt to so many sites in turn; seeders are in the first, the store is in none."""
    border: float | None = None
    """What all flows over one site's border share, each way; None: borders are only counted."""
    liars: float = 0.0
    """This part of the machines sends wrong blocks."""
    hidden: float = 0.0
    """This part of the machines can dial and cannot be dialled (address translation, a firewall)."""
    killed: float = 0.0
    """This part of the machines has its cable pulled, at `killed_at`."""
    killed_at: float = 0.5
    vanishing: float = 0.0
    """The programs of this part die at `killed_at`: their connections close, and nobody says goodbye."""
    joining: float = 0.0
    """This part of the machines comes only at `killed_at`."""
    frozen: float = 0.0
    """This part of the machines stops at `frozen_at` in mid-sentence, connections open, like a suspended one."""
    frozen_at: float = 0.5
    thaw_after_s: float | None = None
    """The frozen go on after so long, and read what the system kept for them; None: never."""
    resets_per_s: float = 0.0
    """How many of its connections a machine loses in a second, with what was on its way."""
    clock_skew_s: float = 0.0
    """Each machine's clock is off by up to so much, either way, and runs faster or slower by up to `clock_drift`."""
    clock_drift: float = 0.0
    tracker_outage: Outage | None = None
    store_outage: Outage | None = None
    seeder_dies_at: float | None = None
    linger: bool = True
    """Without it the complete leave at once."""
    policies: Policies = field(default_factory=Policies)
    limit_factor: float = 12.0
    """When a simulation is called stuck, as a multiple of the fluid limit (plus a minute)."""
    last_max: float | None = None
    """What the last finish may be, as a multiple of the fluid limit; `sim.bounds` adds what depends on the size."""
    grace_s: float = 0.0
    """What a fault may add to the last finish, however large the dataset is: a death is noticed after 6 s."""
    origin_max: float | None = None
    """What may leave the origin, as a multiple of the dataset; `sim.bounds` adds a few blocks."""
