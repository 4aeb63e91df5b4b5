"""What a running service tells whoever watches it: plain frozen values, made by services, shown by the command line.

A notice is a fact for a person or a script, never control flow: dropping all of them changes nothing. `as_json`
gives the object that `--json` prints; its keys are a promise (docs/cli.md). Bytes are bytes, times seconds, rates
bytes per second.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from swarm.agent.follow_notices import FollowNotice


class Phase(StrEnum):
    """What a service is busy with; `Progress.phase`."""

    SCAN = "scan"
    """Walking a directory that is to be published."""
    PREPARE = "prepare"
    """Cutting and hashing."""
    UPLOAD = "upload"
    """Sending blocks to the store."""
    RESOLVE = "resolve"
    """Asking what a tag means."""
    MANIFEST = "manifest"
    """Root and pages."""
    REUSE = "reuse"
    """Looking for blocks that are already on this machine."""
    FETCH = "fetch"
    COMMIT = "commit"
    LINGER = "linger"
    """Done; staying while a neighbour lacks something."""
    SERVE = "serve"
    VERIFY = "verify"


class Level(StrEnum):
    """How loud a `Note` is: DETAIL is shown with `-v` only, INFO unless `-q`, WARNING always."""

    DETAIL = "detail"
    INFO = "info"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Ready:
    """The service listens and can be used (or, for a fetch, has begun to ask).

    `kind` is `seed`, `tracker`, `fetch`, `serve` or `follow`; `addresses` multiaddrs with `/p2p/…`; `http` the
    tracker's URL (`http://10.0.0.7:4180`); `command` the line that a consumer can paste.
    """

    event: ClassVar[str] = "ready"
    kind: str
    addresses: tuple[str, ...] = ()
    http: str | None = None
    peer_id: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A name and tag (or query, or none) turned out to mean this version; `source` is who said so."""

    event: ClassVar[str] = "resolved"
    dataset: str
    """`name:tag`, or `name@digest` where no tag was asked for."""
    digest: str
    publisher: str | None = None
    """The fingerprint of the key that signed the tag record."""
    source: str | None = None
    """`tracker`, `store`, `lan` or `local`."""
    time: int | None = None
    """The record's time, Unix ms."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The manifest is here, nothing has been written: what the fetch will (or, with `--dry-run`, would) cost.

    `files_added`, `files_changed` and `files_removed` say what becomes of DEST, with `--dry-run`; None otherwise, since
    to know it every file must be looked at.
    """

    event: ClassVar[str] = "planned"
    dataset: str
    digest: str
    files: int
    bytes: int
    bytes_local: int
    bytes_to_fetch: int
    bytes_needed: int
    """Room that the file system must have."""
    bytes_free: int
    dest: str
    bytes_resumed: int = 0
    """Of `bytes_local`: what an earlier, interrupted run has left."""
    files_added: int | None = None
    files_changed: int | None = None
    files_removed: int | None = None
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Several times a second while something moves. `waiting` says in one line why nothing does.

    `bytes_done` = local + peer + origin in the FETCH phase. `bytes_total` None: not known yet.
    """

    event: ClassVar[str] = "progress"
    phase: Phase
    bytes_done: int
    bytes_total: int | None = None
    rate: float = 0.0
    seconds_left: float | None = None
    bytes_peer: int = 0
    bytes_origin: int = 0
    bytes_local: int = 0
    peers: int = 0
    waiting: str | None = None
    bytes_sent: int = 0
    """Given to others so far."""
    files_done: int | None = None
    """Where files are what is counted (SCAN, VERIFY)."""
    bytes_resumed: int = 0
    """Of `bytes_local`: what an earlier, interrupted run has left."""
    waiting_since_s: float | None = None
    """Of what `waiting` says: for so long already."""
    waiting_bound_s: float | None = None
    """So long at most, counted from the same moment; then something else is tried. None: see `waiting`."""
    waiting_blocks: int | None = None
    """How many blocks wait for the same; 0 where there are none yet."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Nothing has moved for some seconds: one of the reasons, a notice for each kind, told again while it lasts.

    `since_s` and `bound_s` as in `Progress`. `blocks`: how many wait for it.
    """

    event: ClassVar[str] = "waits"
    phase: Phase
    reason: str
    since_s: float
    bound_s: float | None
    blocks: int


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence for the user: a pin made on first use, a peer banned, an atomicity that could not be had."""

    event: ClassVar[str] = "note"
    text: str
    level: Level = Level.INFO


@dataclass(frozen=True, slots=True)
class Committed:
    """The new version is visible at `dest`; what follows (lingering) is for others."""

    event: ClassVar[str] = "committed"
    dataset: str
    digest: str
    dest: str
    is_atomic: bool


@dataclass(frozen=True, slots=True)
class Published:
    """A seed has made its version public (or found the tag's content unchanged, or, with `--dry-run`, would).

    `tags` are all tags that now point to it; `bytes_new` is what the store (or, without one, the tag's last version)
    did not have.
    """

    event: ClassVar[str] = "published"
    dataset: str
    digest: str
    tags: tuple[str, ...]
    files: int
    bytes: int
    blocks: int
    bytes_new: int
    blocks_new: int
    seconds: float
    publisher: str
    realm: str
    """Hex."""
    is_unchanged: bool = False
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The account of a fetch. The fields are exactly those of `--json`'s last line.

    `bytes` = local + peer + origin, data blocks only; repeats within a version count as local, root and pages only in
    `bytes_manifest`; `bytes_refetched` is what an earlier, interrupted run had already received.
    """

    event: ClassVar[str] = "receipt"
    dataset: str
    digest: str
    files: int
    bytes: int
    bytes_local: int
    bytes_peer: int
    bytes_origin: int
    bytes_wasted: int
    bytes_refetched: int
    bytes_manifest: int
    seconds: float
    seconds_to_ready: float
    peers: int
    banned: tuple[str, ...]
    """Agents (hex) that sent wrong bytes."""
    dest: str
    bytes_lan: int = 0
    """Of `bytes_peer`: from agents that zeroconf has found on this network."""
    bytes_seeder: int = 0
    bytes_store: int = 0
    """Of `bytes_origin`, which is both together."""
    origin_copies: float | None = None
    """`bytes_origin` / `bytes`: how often the data left the origin for this fetch. Summed over a fleet, in all."""
    seconds_exchange: float = 0.0
    """Of `seconds`: while pages and blocks were to come."""
    link_rate: float | None = None
    """The greatest rate over a whole second that the link has shown in this fetch; None: it was too short for that."""
    link_share: float | None = None
    """What came in `seconds_exchange`, as part of what `link_rate` would have brought in it: 0 to 1."""
    store_alone_bytes: int = 0
    """What the store would have had to send to this machine without peers and seeders, manifest included."""
    saved_bytes: int = 0
    """Of these: what it did not have to send."""
    price_per_gb: float | None = None
    """What the user says that a GB (10^9 bytes) from the store costs; without it the next two are None."""
    store_alone_cost: float | None = None
    saved: float | None = None


Notice = Ready | Resolved | Planned | Progress | Waits | Note | Committed | Published | Receipt | FollowNotice


class Observer(Protocol):
    """Whoever wants to know. Called from the trio thread; must return at once and must not raise."""

    def notify(self, notice: Notice, /) -> None: ...


class Silence:
    """The observer of who does not want to know."""

    def notify(self, notice: Notice, /) -> None:
        """Does nothing."""


def as_json(notice: Notice) -> dict[str, Any]:
    """The notice as `--json` prints it: `event` first, then its fields in order; tuples become lists."""
    found: dict[str, Any] = {"event": notice.event}
    for field in fields(notice):
        value = getattr(notice, field.name)
        found[field.name] = list(value) if isinstance(value, tuple) else value
    return found
