"""The leases this agent holds: permissions of the tracker to read one block each from the store.

A lease is *waiting* until its read moves bytes, *done* when the block is here, *passed* when a neighbour has it too;
*returned* when the store would not give it. Every state is told at once where the tracker waits for it, and otherwise
every second, which renews it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarm.protocol.ids import VersionId
from swarm.protocol.messages import LeaseReport, LeaseState

HELD_MAX = 64
"""Leases held at once: four times what the tracker gives one agent."""

DONE_MAX = 4096
"""Arrived blocks whose passing on is still to be told."""


@dataclass(slots=True, eq=False)
class HeldLease:
    """`token` is what the tracker signed: a tracker that has forgotten is told by it."""

    number: int
    tracker_epoch: int
    token: bytes
    version: VersionId
    index: int
    url: str | None
    state: LeaseState = LeaseState.WAITING
    bytes: int = 0
    is_reading: bool = False


class HeldLeases:
    """By number, and by block."""

    def __init__(self) -> None:
        self._held: dict[int, HeldLease] = {}
        self._by_block: dict[tuple[VersionId, int], HeldLease] = {}
        self._done: dict[int, HeldLease] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[HeldLease]:
        return iter(self._held.values())

    @property
    def has_done(self) -> bool:
        """Whether anything was done and not passed on yet."""
        return bool(self._done)

    def is_full(self) -> bool:
        """Whether no lease more is taken."""
        return len(self._held) >= HELD_MAX

    def add(self, lease: HeldLease) -> None:
        """A lease was granted."""
        self._held[lease.number] = lease
        self._by_block[lease.version, lease.index] = lease

    def get(self, number: int) -> HeldLease | None:
        """The lease of that number, while it is held."""
        return self._held.get(number)

    def of(self, version: VersionId, index: int) -> HeldLease | None:
        """The lease for a block."""
        return self._by_block.get((version, index))

    def end(self, lease: HeldLease, state: LeaseState) -> LeaseReport:
        """It is done, or returned; the report says so. What is done is remembered until it was passed on."""
        lease.state = state
        self._held.pop(lease.number, None)
        self._by_block.pop((lease.version, lease.index), None)
        if state is LeaseState.DONE:
            self._done[lease.number] = lease
            if len(self._done) > DONE_MAX:
                del self._done[next(iter(self._done))]
        return LeaseReport(lease.number, state, lease.bytes)

    def passed(self, version: VersionId, held: int) -> list[LeaseReport]:
        """Done leases whose blocks a neighbour has by now (`held`: a set of indexes)."""
        passed = [lease for lease in self._done.values() if lease.version == version and held >> lease.index & 1]
        for lease in passed:
            del self._done[lease.number]
        return [LeaseReport(lease.number, LeaseState.PASSED, lease.bytes) for lease in passed]

    def reports(self) -> list[LeaseReport]:
        """A line for each that is held."""
        return [LeaseReport(lease.number, lease.state, lease.bytes) for lease in self]

    def forget_version(self, version: VersionId) -> list[HeldLease]:
        """The version is given up; returns what was held of it."""
        for number in [number for number, lease in self._done.items() if lease.version == version]:
            del self._done[number]
        return [lease for lease in self if lease.version == version]

    def done(self, version: VersionId) -> int:
        """Blocks that are here by a lease and not passed on."""
        mask = 0
        for lease in self._done.values():
            mask |= (lease.version == version) << lease.index
        return mask

    def check(self) -> None:
        """Raises AssertionError where the tables contradict each other."""
        assert len(self._held) == len(self._by_block)
        assert len(self._held) <= HELD_MAX
        for number, lease in self._held.items():
            assert lease.number == number
            assert self._by_block[lease.version, lease.index] is lease
