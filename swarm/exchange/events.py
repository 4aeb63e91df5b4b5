"""What can happen to a node. Events are in the past tense; their counterpart is `commands`.

Payload bytes never enter: the driver hashes and stores a block and then says so. Every event is a fact that the
driver (or the simulator) observed; `now` is handed to `Node.handle` beside it, in seconds of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.ids import AgentId, ConnectionId, Index, Runs, VersionId
from swarm.protocol.messages import Direction, ExchangeMessage, PeerInfo


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A version's root is known: from here on the node takes part in it.

    `page_lengths`: bytes of each page, in index order; `block_count`: entries of the block table; `longest`: the
    cutter's maximum, a bound for every block whose length is not known yet. `have` is what verified bytes are here,
    `want` what is to be fetched (runs; None means everything). `is_origin`: this node is a seeder of the version.
    `reads_store`: it may read blocks of the version from a store.
    """

    version: VersionId
    page_lengths: tuple[int, ...]
    block_count: int
    longest: int
    have: Runs
    want: Runs | None
    is_origin: bool
    reads_store: bool
    want_grows: bool = False
    """`want` is only the pages so far, and a `WantChanged` follows when they are here. Neighbours are told that we want
    everything, so that nobody who alone holds a block takes us for satisfied and leaves in between."""


@dataclass(frozen=True, slots=True)
class LengthsLearned:
    """Pages were read: the lengths of the blocks from `first` on."""

    version: VersionId
    first: Index
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WantChanged:
    """Replaces what is to be fetched (pages included, where still lacking)."""

    version: VersionId
    want: Runs
    grows: bool = False
    """As `SessionOpened.want_grows`: another follows."""


@dataclass(frozen=True, slots=True)
class WantBy:
    """A reader waits for a block: it comes before all others, at the latest by `deadline`."""

    version: VersionId
    index: Index
    deadline: float


@dataclass(frozen=True, slots=True)
class BlocksFound:
    """Verified blocks that are here without having been fetched (another holding, an earlier run)."""

    version: VersionId
    runs: Runs


@dataclass(frozen=True, slots=True)
class BlocksLost:
    """Blocks that were here and are no longer what they were."""

    version: VersionId
    runs: Runs
    reason: int
    """A `LostReason`."""


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """The version is given up, or no longer served."""

    version: VersionId


@dataclass(frozen=True, slots=True)
class VersionUnknown:
    """The answer to `LoadVersion`: it is not here."""

    version: VersionId


@dataclass(frozen=True, slots=True)
class PeersFound:
    """Somebody other than the tracker names peers (LAN discovery, a command's option). `version` None: any."""

    version: VersionId | None
    peers: tuple[PeerInfo, ...]


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A connection with a valid hello. `sends_blocks`: we are the bulk sender on it; CONTROL connections send none."""

    connection: ConnectionId
    peer: PeerInfo
    direction: Direction
    sends_blocks: bool
    reads_store: bool
    rtt_s: float


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """The connection is gone, whoever closed it."""

    connection: ConnectionId
    reason: str


@dataclass(frozen=True, slots=True)
class DialFailed:
    """A `Dial` did not lead to a connection."""

    agent: AgentId
    reason: str


@dataclass(frozen=True, slots=True)
class TrackerConnected:
    """A control connection to a tracker with a valid hello."""

    connection: ConnectionId
    rtt_s: float


@dataclass(frozen=True, slots=True)
class TrackerLost:
    """The tracker cannot be reached; the driver keeps trying (0.5 to 1 s apart)."""

    reason: str


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """An exchange message from a peer or the tracker."""

    connection: ConnectionId
    message: ExchangeMessage


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes that moved for one block since the last `Progressed`."""

    connection: ConnectionId
    request: int
    index: Index
    bytes: int


@dataclass(frozen=True, slots=True)
class Progressed:
    """Every 100 ms while anything moves: what moved, who was heard of, measured round trips.

    `store_reads` are (version, index, bytes) of reads from the store in flight.
    """

    received: tuple[Transfer, ...]
    sent: tuple[Transfer, ...]
    heard: tuple[ConnectionId, ...]
    store_reads: tuple[tuple[VersionId, Index, int], ...] = ()
    rtts: tuple[tuple[ConnectionId, float], ...] = ()


@dataclass(frozen=True, slots=True)
class BlockArrived:
    """A whole block came from a peer, its hash was right, and it is stored."""

    connection: ConnectionId
    request: int
    version: VersionId
    index: Index
    bytes: int


@dataclass(frozen=True, slots=True)
class BlockRefused:
    """A whole block came and its hash was wrong: the sender is a liar."""

    connection: ConnectionId
    request: int
    version: VersionId
    index: Index
    bytes: int


@dataclass(frozen=True, slots=True)
class PeerOffended:
    """What came on the block stream was not asked for, or does not fit together; the connection is ending."""

    connection: ConnectionId
    reason: str


@dataclass(frozen=True, slots=True)
class BlockAborted:
    """The sender said that it will not finish this block (cancelled, or lost it)."""

    connection: ConnectionId
    request: int
    version: VersionId
    index: Index
    is_lost: bool


@dataclass(frozen=True, slots=True)
class BlockSent:
    """The last byte of a block was handed to the network."""

    connection: ConnectionId
    request: int
    version: VersionId
    index: Index
    bytes: int


@dataclass(frozen=True, slots=True)
class SendFailed:
    """A block could not be sent: cancelled, or (`is_lost`) it can no longer be read here."""

    connection: ConnectionId
    request: int
    version: VersionId
    index: Index
    is_lost: bool


@dataclass(frozen=True, slots=True)
class StoreRead:
    """A block came from the store, its hash was right, and it is stored here."""

    version: VersionId
    index: Index
    bytes: int


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """A read from the store failed. `kind` is `missing` (or it will not give it to us), `corrupt`, `slow_down`,
    `unavailable` or `cancelled`."""

    version: VersionId
    index: Index
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class LimitsChanged:
    """Rate limits in bytes per second; None means none."""

    upload: int | None
    download: int | None
    origin: int | None


@dataclass(frozen=True, slots=True)
class LeaveAsked:
    """The agent wants to end: finish what is being sent, return leases, say goodbye."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """The deadline that `next_deadline` asked for has come."""


Event = (
    SessionOpened
    | LengthsLearned
    | WantChanged
    | WantBy
    | BlocksFound
    | BlocksLost
    | SessionClosed
    | VersionUnknown
    | PeersFound
    | PeerConnected
    | PeerDisconnected
    | DialFailed
    | TrackerConnected
    | TrackerLost
    | MessageReceived
    | Progressed
    | BlockArrived
    | BlockRefused
    | PeerOffended
    | BlockAborted
    | BlockSent
    | SendFailed
    | StoreRead
    | StoreFailed
    | LimitsChanged
    | LeaveAsked
    | Ticked
)
