"""Every control message, as plain values. `codec` turns them into bytes and back; nothing here decides anything.

Three families, told apart so that a driver can route them without looking inside:

- connection: `Hello`, `Prove`, `Alive`, `Goodbye`, `GoodbyeAck`, `Unsupported` (the transport and liveness);
- catalog: what exists (`Resolve`, `ListDatasets`, `RootRequest`, `Publish`, ...), question and answer by `request`;
- exchange: who has, wants, gives and takes blocks, between agents and between agent and tracker.

`handle` names a version on one connection: the sender of `Open` chooses it and it is valid both ways. `Runs` are
ascending (first, count) pairs in the version's index space. Times are seconds, rates bytes per second.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from swarm.protocol.ids import AgentId, PeerId, Realm, Runs, VersionId

WIRE_VERSION = 1
"""What this program speaks: `Hello.v`."""


class Direction(IntEnum):
    """Which way blocks flow on a connection. Two-way bulk on one connection deadlocks, so there is one way each."""

    TO_DIALER = 0
    TO_ACCEPTOR = 1
    CONTROL = 2


# --- connection ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentProof:
    """An agent key's signature over the peer id, where the agent key is not the peer key itself."""

    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of both sides. `nonce` is 16 fresh random bytes; `dial_nonce` echoes a `DialMe`.

    Any `v` can be read, so that who speaks another version is told so, and which side is to be updated.
    """

    realm: Realm | None
    agent_id: AgentId
    agent_proof: AgentProof | None
    peer_id: PeerId
    site: str
    direction: Direction
    is_origin: bool
    reads_store: bool
    is_tracker: bool
    nonce: bytes
    addresses: tuple[str, ...] = ()
    dial_nonce: bytes | None = None
    needs_proof: bool = False
    v: int = WIRE_VERSION
    required: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Prove:
    """Proof of the shared secret: keyed BLAKE3 over the context, own role, both nonces, both peer ids."""

    proof: bytes


@dataclass(frozen=True, slots=True)
class Alive:
    """Sent by who has sent nothing else for a second."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The sender is about to close and wants the other side to have read everything first."""

    reason: str


@dataclass(frozen=True, slots=True)
class GoodbyeAck:
    """The other side has read everything up to the goodbye."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An answer to a message type that the receiver does not know."""

    type: int


# --- catalog ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resolve:
    """What does `name:tag` mean? `tag` None asks for the newest record of every tag of the name."""

    request: int
    name: str
    tag: str | None
    capability: bytes | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """Signed tag records, the chain of name records (n = 0 first), and the root of the only record, if there is one.

    An empty `tag_records` means "I know the name or nothing, but not this tag"; `near` then lists the nearest names.
    """

    request: int
    tag_records: tuple[bytes, ...]
    name_records: tuple[bytes, ...]
    root: bytes | None
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListDatasets:
    """Which names (or, with a name, tags) does the other side know? `after` continues a listing that was incomplete:
    only names (tags) that sort after it."""

    request: int
    name: str | None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Newest signed tag records, at most one page of them."""

    request: int
    tag_records: tuple[bytes, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class RootRequest:
    """Asks for the root of a version."""

    request: int
    version: VersionId
    capability: bytes | None = None


@dataclass(frozen=True, slots=True)
class RootReply:
    """The root's bytes (at most 1 MiB), or None where the other side does not have it."""

    request: int
    root: bytes | None


@dataclass(frozen=True, slots=True)
class Publish:
    """A seeder tells a tracker a tag record that is new, with what is needed to believe and serve it."""

    request: int
    tag_record: bytes
    name_records: tuple[bytes, ...]
    root: bytes | None


@dataclass(frozen=True, slots=True)
class Published:
    """The tracker's answer: `is_accepted`, or the reason and the newest record that it holds instead."""

    request: int
    is_accepted: bool
    reason: str
    newest: bytes | None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Tell me when tags of this name move."""

    request: int
    name: str
    tag: str | None
    capability: bytes | None = None


@dataclass(frozen=True, slots=True)
class TagMoved:
    """Pushed to subscribers."""

    tag_record: bytes
    root: bytes | None


@dataclass(frozen=True, slots=True)
class Redirect:
    """This tracker does not keep that dataset: ask one of these."""

    request: int
    trackers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """A catalog question could not be answered. `code` is one of `missing`, `unavailable`, `denied`, `bad`."""

    request: int
    code: str
    text: str


# --- exchange, between agents -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    """From here on `handle` means `version` on this connection, both ways."""

    handle: int
    version: VersionId
    capability: bytes | None = None


@dataclass(frozen=True, slots=True)
class Bitfield:
    """What the sender has, and wants (None: everything it has not). Exactly the index space's size."""

    handle: int
    have: bytes
    want: bytes | None


@dataclass(frozen=True, slots=True)
class Want:
    """Replaces what the sender wants by these runs."""

    handle: int
    runs: Runs


@dataclass(frozen=True, slots=True)
class Haves:
    """Blocks that the sender has got since it last said so, by handle."""

    runs_by_handle: tuple[tuple[int, Runs], ...]


class LostReason(IntEnum):
    """Why somebody can no longer give a block."""

    EDITED = 0
    REMOVED = 1
    UNREADABLE = 2
    STORE_FAILED = 3


@dataclass(frozen=True, slots=True)
class Lost:
    """The sender has these no longer (or, with STORE_FAILED, cannot get them from the store)."""

    handle: int
    runs: Runs
    reason: LostReason


@dataclass(frozen=True, slots=True)
class Ready:
    """A free uplink slot is offered. `named` is set by an origin, which names the block itself."""

    grant: int
    handle: int
    new_haves: Runs
    named: Runs | None


@dataclass(frozen=True, slots=True)
class Request:
    """Binds a grant to blocks (at most 64). `request` is unique among the sender's on this connection."""

    request: int
    grant: int
    handle: int
    runs: Runs


class DeclineReason(IntEnum):
    """Why a grant is not used."""

    NOTHING = 0
    NO_CREDIT = 1
    ENDED = 2


@dataclass(frozen=True, slots=True)
class Decline:
    """The grant is given back."""

    grant: int
    reason: DeclineReason


@dataclass(frozen=True, slots=True)
class Credit:
    """How many more receptions, and bytes, the sender can take now."""

    slots: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """The request is no longer wanted; frames on their way are ignored."""

    request: int


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """How to reach an agent."""

    agent_id: AgentId
    peer_id: PeerId
    addresses: tuple[str, ...]
    site: str
    is_origin: bool


@dataclass(frozen=True, slots=True)
class Denied:
    """The version of `handle` is not served to this peer; `others` are known to serve it."""

    handle: int
    reason: str
    others: tuple[PeerInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class Busy:
    """Too many peers; come back later or ask the others."""

    retry_after_s: float
    others: tuple[PeerInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class DialMe:
    """Please dial me at one of these, with this nonce and TO_ACCEPTOR. `target` is set where a tracker relays."""

    addresses: tuple[str, ...]
    nonce: bytes
    target: AgentId | None = None
    sender: AgentId | None = None


# --- exchange, between agent and tracker --------------------------------------------------------


class LeaseState(IntEnum):
    """What an agent says of a lease it holds."""

    WAITING = 0
    MOVING = 1
    DONE = 2
    RETURNED = 3
    PASSED = 4
    """Done, and at least one other agent has it from the sender."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The tracker's first message. A changed epoch means that it has forgotten everything.

    `fails_closed`: nobody who has heard this reads the store without a lease, also when the tracker is away.
    """

    tracker_epoch: int
    tracker_key: bytes
    fails_closed: bool = False


@dataclass(frozen=True, slots=True)
class Join:
    """The sender takes part in a version; sent again to a tracker that has forgotten.

    `held` and `receiving` are only for a tracker that has just started: leased blocks must not leave the origin twice.
    `space` is the size of the index space.
    """

    version: VersionId
    space: int
    have_count: int
    lacks: bool
    is_origin: bool
    reads_store: bool
    site: str
    addresses: tuple[str, ...]
    leases: tuple[bytes, ...] = ()
    held: Runs | None = None
    receiving: Runs = ()
    capability: bytes | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """The sender takes no further part in a version."""

    version: VersionId


@dataclass(frozen=True, slots=True)
class Count:
    """Every few seconds: how far the sender is."""

    version: VersionId
    have_count: int
    lacks: bool


@dataclass(frozen=True, slots=True)
class NeedPeers:
    """The sender has too few neighbours; `lost` says whom it could not reach or has lost."""

    version: VersionId
    count: int
    lost: tuple[AgentId, ...] = ()


@dataclass(frozen=True, slots=True)
class HandOut:
    """Peers to connect to. One that is the receiver itself says in which site the tracker takes it to be."""

    version: VersionId
    peers: tuple[PeerInfo, ...]


@dataclass(frozen=True, slots=True)
class LeaseWanted:
    """The sender could hold `count` leases at once, those it holds among them; 0: none. `lacks` narrows the choice.

    `from_peers`: leases to take blocks from agents of other sites, beside those of the store. `lacks` then is what such
    agents have and nobody in the sender's site is known to have.
    """

    version: VersionId
    count: int
    lacks: Runs | None = None
    from_peers: bool = False


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """A signed lease (`swarm.protocol.lease`), with a presigned URL where the agent cannot sign itself."""

    lease: bytes
    url: str | None = None


@dataclass(frozen=True, slots=True)
class LeaseReport:
    """One line of `Leases`."""

    number: int
    state: LeaseState
    bytes: int


@dataclass(frozen=True, slots=True)
class Leases:
    """Sent every second while the sender holds any; each line renews its lease."""

    reports: tuple[LeaseReport, ...]


@dataclass(frozen=True, slots=True)
class LeaseFenced:
    """The tracker has taken a lease back: stop reading."""

    number: int
    tracker_epoch: int


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a version that this seeder is to give; replaces the one before."""

    tracker_epoch: int
    version: VersionId
    runs: Runs


@dataclass(frozen=True, slots=True)
class Orphans:
    """Blocks that the sender lacks and that nobody it knows holds or receives, after its patience is over.

    `from_peers`: agents of other sites hold them, but nobody in its own.
    """

    version: VersionId
    runs: Runs
    from_peers: bool = False


@dataclass(frozen=True, slots=True)
class Entered:
    """Blocks that a seeder is giving the sender: so they enter its site without a lease.

    Sent only by who knows an agent of another site.
    """

    version: VersionId
    runs: Runs


ConnectionMessage = Hello | Prove | Alive | Goodbye | GoodbyeAck | Unsupported
CatalogMessage = (
    Resolve
    | Resolved
    | ListDatasets
    | Listing
    | RootRequest
    | RootReply
    | Publish
    | Published
    | Subscribe
    | TagMoved
    | Redirect
    | Failed
)
PeerMessage = (
    Open | Bitfield | Want | Haves | Lost | Ready | Request | Decline | Credit | Cancel | Denied | Busy | DialMe
)
TrackerMessage = (
    Welcome
    | Join
    | Leave
    | Count
    | NeedPeers
    | HandOut
    | LeaseWanted
    | LeaseGrant
    | Leases
    | LeaseFenced
    | Share
    | Orphans
    | Entered
)
ExchangeMessage = PeerMessage | TrackerMessage | Alive
Message = ConnectionMessage | CatalogMessage | PeerMessage | TrackerMessage
