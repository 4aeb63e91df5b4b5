"""What a tracker wants done. Commands are imperative; their counterpart is `events`.

A driver performs a command at once or starts a task whose result is a new event; it never decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.ids import AgentId, ConnectionId, Index, VersionId
from swarm.protocol.messages import Message


@dataclass(frozen=True, slots=True)
class TagQuestion:
    """The newest record of one tag, its name's chain and its root; where there is none, which names exist."""

    name: str
    tag: str


@dataclass(frozen=True, slots=True)
class TagsQuestion:
    """The newest record of every tag of a name, and the name's chain; where there is none, which names exist.

    As many as fit one answer: of those that sort after `after`, or (None) those that are wanted most.
    """

    name: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class NamesQuestion:
    """The newest records of all tags of the names that sort after `after`, and their chains; as many as fit a page."""

    after: str = ""


@dataclass(frozen=True, slots=True)
class RootQuestion:
    """The root of a version."""

    version: VersionId


Question = TagQuestion | TagsQuestion | NamesQuestion | RootQuestion


@dataclass(frozen=True, slots=True)
class Send:
    """Put a control message on a connection. A closed connection swallows it; `AgentGone` follows anyway."""

    connection: ConnectionId
    message: Message


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close a connection; `AgentGone` follows."""

    connection: ConnectionId
    reason: str


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the store; the result is `LookedUp` with the same question. Never asked twice at once."""

    question: Question


@dataclass(frozen=True, slots=True)
class PresignAndSend:
    """Make a URL for the block of `index`, valid for `seconds`; send it with the lease to an agent without credentials.

    Where that cannot be done the result is `PresignFailed`.
    """

    connection: ConnectionId
    agent: AgentId
    number: int
    lease: bytes
    version: VersionId
    index: Index
    seconds: int


Command = Send | Disconnect | LookUp | PresignAndSend
