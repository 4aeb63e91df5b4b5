"""The frozen configurations that `swarm.service` takes: every value checked, every path absolute.

Fields are named as the options are (`--upload-limit` is `upload_limit`). The command line makes them through
`swarm.config.loading`; a program may make them itself. Rates are bytes per second, None means no limit. What belongs
to a screen (`--json`, `-q`, `-v`, `--color`) is the command line's own and not here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from swarm.config.addresses import Listen
from swarm.protocol.ids import Realm
from swarm.protocol.names import Reference

FOREVER = math.inf
"""A linger that ends only with the process."""


@dataclass(frozen=True, slots=True)
class Pin:
    """Whom to believe about a name: the publisher key's fingerprint, and the realm once it is known."""

    publisher: str
    realm: Realm | None = None


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Rate limits that follow `config.toml` while a service runs: those that no option has set. `names` are settings,
    `section` is the command's own table in the file."""

    section: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommonConfig:
    """What every command knows. `listen` is what was asked for or what is safe, one socket each."""

    home: Path
    store: str | None = None
    store_options: Mapping[str, str | bool | int] = field(default_factory=dict)
    """The words of `[store-options]` and of `--single-writer`: `store_options.options_of` makes `StoreOptions`."""
    tracker: tuple[str, ...] = ()
    secret: bytes | None = field(default=None, repr=False)
    key: Path | None = None
    """The publisher key's file; None: `$SWARM_HOME/publisher.key`."""
    key_text: str | None = field(default=None, repr=False)
    """The publisher key itself, where SWARM_KEY holds it; goes before `key`."""
    listen: tuple[Listen, ...] = ()
    open: bool = False
    lan: bool = True
    site: str = ""
    upload_limit: int | None = None
    download_limit: int | None = None
    origin_limit: int | None = None
    live_limits: LiveLimits | None = None
    """None: they stay as they are."""
    trust: Mapping[str, Pin] = field(default_factory=dict)
    """Pins of the configuration file; those made by `swarm trust` and on first use are in `pins.PinFile`."""


@dataclass(frozen=True, slots=True)
class FetchConfig:
    """`swarm fetch`. `linger` None is `auto`: while a neighbour lacks something, at most 10 s.

    With `background` the service commits and returns without lingering: the command line starts the process that does.
    """

    common: CommonConfig
    dataset: Reference
    dest: Path
    publisher: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    linger: float | None = None
    background: bool = False
    repair: bool = False
    atomic: bool = False
    in_place: bool = False
    dry_run: bool = False
    price_per_gb: float | None = None
    """What 10^9 bytes from the store cost, in whatever currency; None: the receipt says nothing of money."""


@dataclass(frozen=True, slots=True)
class FollowConfig:
    """`swarm follow`. `dataset` has a tag: a channel, or a range. `exec`: the hook's words; empty: there is none.

    `poll` is how often it is asked where no tracker pushes, in seconds; it is jittered by a quarter.
    """

    common: CommonConfig
    dataset: Reference
    dest: Path
    publisher: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exec: tuple[str, ...] = ()
    exec_timeout: float = 300.0
    keep: int = 1
    poll: float = 30.0
    once: bool = False
    retry: bool = False


class Links(StrEnum):
    """What publishing does with symlinks."""

    KEEP = "keep"
    FOLLOW = "follow"
    SKIP = "skip"


class MtimeKind(StrEnum):
    """Which modification times go into a version."""

    KEEP = "keep"
    NONE = "none"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Mtime:
    """`fixed_ns` is set for FIXED: every file gets this time (Unix ns)."""

    kind: MtimeKind = MtimeKind.KEEP
    fixed_ns: int | None = None


@dataclass(frozen=True, slots=True)
class SeedConfig:
    """`swarm seed`. Either `path` is published, or what a bucket has at the URL `bucket`, or (`from_store`) a version
    that the store has is served.

    `tag` holds the further tags (`-t`). Without `common.tracker` the seeder runs a tracker inside itself, on `http`.
    `block_size` None: chosen by the size, or taken from the name's newest version. `label` holds `key=value`.
    """

    common: CommonConfig
    dataset: Reference
    path: Path | None = None
    bucket: str | None = None
    from_store: bool = False
    tag: tuple[Reference, ...] = ()
    http: tuple[Listen, ...] = ()
    identity: Path | None = None
    once: bool = False
    block_size: int | None = None
    rechunk: bool = False
    mtime: Mtime = Mtime()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    links: Links = Links.KEEP
    skip_special: bool = False
    latest: bool = True
    realm: Realm | None = None
    dry_run: bool = False
    single_writer: bool = False
    note: str | None = None
    label: tuple[str, ...] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class OriginBudget:
    """How often a block may leave the origin: `copies` in all (or per site), or `bytes` in all."""

    copies: int | None = 1
    is_per_site: bool = False
    bytes: int | None = None


Sites = tuple[tuple[IPv4Network | IPv6Network, str], ...]
"""Networks and the sites they are, longest prefix first."""


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """`swarm tracker`. `origin_budget_fails_open`: whether agents read the store all the same where the budget would
    be exceeded or no tracker can grant a lease; else they wait, and say why."""

    common: CommonConfig
    http: tuple[Listen, ...] = ()
    identity: Path | None = None
    origin_budget: OriginBudget = OriginBudget()
    origin_budget_fails_open: bool = True
    sites: Sites = ()


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """`swarm serve`. `what` are directories of holdings or names; empty: everything that is held here.

    `linger`: how long, by default until stopped; None is `auto`, as for a fetch.
    """

    common: CommonConfig
    what: tuple[str, ...] = ()
    identity: Path | None = None
    linger: float | None = FOREVER
