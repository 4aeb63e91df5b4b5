"""What a node wants done. Commands are imperative; their counterpart is `events`.

A driver performs a command at once or starts a task whose result is a new event; it never decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.ids import AgentId, ConnectionId, Index, VersionId
from swarm.protocol.messages import Message, PeerInfo


@dataclass(frozen=True, slots=True)
class Send:
    """Put a control message on a connection. A closed connection swallows it; `PeerDisconnected` follows anyway."""

    connection: ConnectionId
    message: Message


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to a peer to receive blocks from it (direction TO_DIALER), or, with `dial_nonce`, to send it some."""

    peer: PeerInfo
    dial_nonce: bytes | None = None


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close a connection; `is_graceful` sends goodbye and waits for its answer, bounded."""

    connection: ConnectionId
    reason: str
    is_graceful: bool


@dataclass(frozen=True, slots=True)
class SendBlock:
    """Read a block, hash it, send it in frames; the result is `BlockSent` or `SendFailed`."""

    connection: ConnectionId
    request: int
    version: VersionId
    index: Index


@dataclass(frozen=True, slots=True)
class CancelSend:
    """Stop sending a block at the next frame; the last frame says aborted."""

    connection: ConnectionId
    request: int
    index: Index


@dataclass(frozen=True, slots=True)
class ExpectBlocks:
    """A request was sent: frames with this number are for these blocks, and no others are accepted."""

    connection: ConnectionId
    request: int
    version: VersionId
    indexes: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """The request was cancelled: frames still on their way are dropped unseen."""

    connection: ConnectionId
    request: int


@dataclass(frozen=True, slots=True)
class ReadStore:
    """Read a block from the store (`url`: a presigned one); the result is `StoreRead` or `StoreFailed`."""

    version: VersionId
    index: Index
    url: str | None


@dataclass(frozen=True, slots=True)
class CancelStoreRead:
    """The lease was fenced or the block came otherwise: close the read."""

    version: VersionId
    index: Index


@dataclass(frozen=True, slots=True)
class LoadVersion:
    """A peer asks for a version that has no session: answer `SessionOpened` or `VersionUnknown`."""

    version: VersionId


@dataclass(frozen=True, slots=True)
class Completed:
    """Everything wanted of a version is here."""

    version: VersionId


@dataclass(frozen=True, slots=True)
class Released:
    """After completion: no neighbour lacks anything that we could give, so leaving harms nobody."""

    version: VersionId


@dataclass(frozen=True, slots=True)
class BlockUnavailable:
    """No living source has this block and the store has said that it is missing or corrupt: the fetch cannot end."""

    version: VersionId
    index: Index
    is_corrupt: bool


@dataclass(frozen=True, slots=True)
class Banned:
    """For the receipt and the log: this agent lied and is dropped for the life of the process."""

    agent: AgentId
    reason: str


Command = (
    Send
    | Dial
    | Disconnect
    | SendBlock
    | CancelSend
    | ExpectBlocks
    | ForgetRequest
    | ReadStore
    | CancelStoreRead
    | LoadVersion
    | Completed
    | Released
    | BlockUnavailable
    | Banned
)
