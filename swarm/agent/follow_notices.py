"""What a follower tells whoever watches it, beside what its fetches tell. Times are Unix ms by this machine's clock,
except where it says that they are the record's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Standing(StrEnum):
    """How a follower stands to its channel; `Following.state`."""

    CURRENT = "current"
    """`current` is what the channel means, as far as this machine knows."""
    BEHIND = "behind"
    """A newer version is known and on its way."""
    REFUSED = "refused"
    """The newest version's hook failed: it is not tried again until the channel moves."""
    WAITING = "waiting"
    """What the channel means, or what it needs, cannot be had now; `waiting` says why."""


class HookEnd(StrEnum):
    """How a hook ended; `HookEnded.outcome`."""

    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Moved:
    """The channel means another version than before. `time` is the record's, `heard` when this machine heard of it.

    `source`: who said so first: `push` (the tracker by itself), `tracker`, `store`, `lan` or `local`.
    """

    event: ClassVar[str] = "moved"
    dataset: str
    digest: str
    tag: str
    epoch: int
    seq: int
    time: int
    heard: int
    source: str
    behind_versions: int | None
    """By `seq`; None where that says nothing (the first version, another tag of a range, a new epoch)."""
    behind_s: float


@dataclass(frozen=True, slots=True)
class FirstAsked:
    """The first byte of the new version was asked for, of whomever."""

    event: ClassVar[str] = "asked"
    dataset: str
    digest: str
    time: int


@dataclass(frozen=True, slots=True)
class Flipped:
    """`current` is another version now. `is_back`: the one before, since the hook failed; `digest` None: there is none,
    and `current` is gone. Bytes are those that were moved for it."""

    event: ClassVar[str] = "current"
    dataset: str
    digest: str | None
    previous: str | None
    dest: str
    time: int
    is_back: bool = False
    seconds: float = 0.0
    bytes_local: int = 0
    bytes_peer: int = 0
    bytes_origin: int = 0


@dataclass(frozen=True, slots=True)
class HookEnded:
    """`exit_code` is negative for a signal, None where it never began."""

    event: ClassVar[str] = "hook"
    dataset: str
    digest: str
    previous: str | None
    outcome: HookEnd
    exit_code: int | None
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Following:
    """How things stand: when that changes, and every ten seconds while it is behind."""

    event: ClassVar[str] = "following"
    dataset: str
    state: Standing
    current: str | None
    newest: str | None
    behind_versions: int | None
    behind_s: float
    waiting: str | None = None
    told_by: tuple[str, ...] = ()
    """From whom moves are heard: `push`, `store`."""


FollowNotice = Moved | FirstAsked | Flipped | HookEnded | Following
