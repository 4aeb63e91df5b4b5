"""What can happen to a tracker. Events are in the past tense; their counterpart is `commands`.

Each is a fact that the driver (or the simulator) observed; `now` is handed to `Tracker.handle` beside it, in seconds
of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.ids import AgentId, ConnectionId, VersionId
from swarm.protocol.messages import Message, PeerInfo
from swarm.tracker.commands import Question


@dataclass(frozen=True, slots=True)
class AgentConnected:
    """A control connection with a valid hello. `reads_store`: it can read this realm's store by itself."""

    connection: ConnectionId
    peer: PeerInfo
    reads_store: bool


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A control message of an agent."""

    connection: ConnectionId
    message: Message


@dataclass(frozen=True, slots=True)
class AgentGone:
    """The connection has ended, whoever closed it."""

    connection: ConnectionId
    reason: str


@dataclass(frozen=True, slots=True)
class VersionLearned:
    """The shape of a version, from a root whose hash was right: leases need it, introductions do not."""

    version: VersionId
    page_count: int
    space: int


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The store's answer to a `LookUp`. `failure` says why there is none; empty without it means "no such thing".

    `chains` are name-record chains by name. Where what was asked for does not exist, `tags` are the name's tags that
    do, or, where there is no such name, `names` the names. `cut_at`: there is more after this tag (or name).
    """

    question: Question
    tag_records: tuple[bytes, ...] = ()
    chains: tuple[tuple[str, tuple[bytes, ...]], ...] = ()
    root: bytes | None = None
    tags: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    failure: str = ""
    cut_at: str = ""


@dataclass(frozen=True, slots=True)
class PresignFailed:
    """A `PresignAndSend` came to nothing: the lease was not sent, and goes back."""

    agent: AgentId
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """The deadline that `next_deadline` asked for has come."""


Event = AgentConnected | MessageReceived | AgentGone | VersionLearned | LookedUp | PresignFailed | Ticked
