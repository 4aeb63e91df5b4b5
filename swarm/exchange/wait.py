"""What a block waits for: a fact for people and scripts, made by `why`, decided on by nobody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WaitKind(StrEnum):
    """Waits of one kind have one reason; their numbers differ."""

    NONE = "none"
    """It is here, or not wanted, or of a version that is not open: nothing waits."""
    LEAVING = "leaving"
    MOVING = "moving"
    """Promised by a neighbour, and bytes of it have come."""
    PROMISED = "promised"
    """Promised by a neighbour, and no byte of it has come."""
    LIMIT = "limit"
    """It moves, or would, as fast as a rate limit lets it."""
    READING = "reading"
    """A read from the store is under way."""
    LEASED = "leased"
    """It may be read from the store, and is about to be."""
    FULL = "full"
    """A neighbour has it; every reception is taken by other blocks."""
    MEMORY = "memory"
    """A neighbour has it; as many bytes as may be in memory are promised already."""
    OFFER = "offer"
    """A neighbour has it and has not offered a slot."""
    CONNECTION = "connection"
    """A neighbour has it, and no connection to receive it on."""
    BORDER = "border"
    """Only agents of other sites have it, and it is to cross the border once."""
    SEEDER = "seeder"
    """A seeder is to give it."""
    LEASE = "lease"
    """The tracker is to say who reads it from the store."""
    PAUSE = "pause"
    """The store has refused, and is left alone for a while."""
    FAILED = "failed"
    """The store has not got it, or has it corrupt."""
    TRACKER = "tracker"
    """The tracker is away, and is waited for."""
    EARLY = "early"
    """Others may be about to be discovered."""
    OWN = "own"
    """It is this agent's to read from the store, when the reads before it are done."""
    OWNER = "owner"
    """Another agent is to read it from the store."""
    LACKED = "lacked"
    """No neighbour has it, and there is no store to read it from."""
    ALONE = "alone"
    """There is no neighbour either."""
    DISK = "disk"
    """It has come, and waits for the disk."""


FOLLOWING = (WaitKind.FULL, WaitKind.MEMORY, WaitKind.OWN)
"""They wait for other blocks, which say more."""


@dataclass(frozen=True, slots=True)
class Wait:
    """`what` and `then` are halves of one sentence: what is waited for; what happens at the bound.

    Seconds: `since_s` for so long already; `bound_s` so long at most, counted from the same moment, None where nothing
    else can be tried here.
    """

    kind: WaitKind
    what: str
    since_s: float = 0.0
    bound_s: float | None = None
    then: str = ""

    def __str__(self) -> str:
        if self.kind is WaitKind.NONE:
            return self.what
        return f"{self.what} for {self.since_s:.1f} s{f'; {self.then}' if self.then else ''}"


def merged(waits: list[tuple[Wait, int]]) -> tuple[tuple[Wait, int], ...]:
    """One of each kind, the longest, with the number of blocks: causes before what follows from them, and those that
    wait longest first."""
    longest: dict[WaitKind, Wait] = {}
    blocks: dict[WaitKind, int] = {}
    for wait, count in waits:
        blocks[wait.kind] = blocks.get(wait.kind, 0) + count
        if wait.kind not in longest or wait.since_s > longest[wait.kind].since_s:
            longest[wait.kind] = wait
    found = [(wait, blocks[kind]) for kind, wait in longest.items()]
    return tuple(sorted(found, key=lambda each: (each[0].kind in FOLLOWING, -each[0].since_s, each[0].kind)))
