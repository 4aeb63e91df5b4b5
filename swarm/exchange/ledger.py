"""What has been asked of whom: requests in flight, the blocks they promise, and when bytes last came for them.

A promise without a byte for two seconds is broken: the block is asked for elsewhere, and what may still come is dropped
unseen. Bytes on the same connection for an earlier request count: one connection sends one block after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from swarm.exchange.config import LATE_S, LATE_TIMES, PROMISE_S
from swarm.exchange.peers import Link
from swarm.protocol.ids import ConnectionId


@dataclass(slots=True, eq=False)
class Reception:
    """One request. `lengths` are the bytes expected of each block still to come."""

    number: int
    link: Link
    lengths: dict[int, int]
    asked_at: float
    moved_at: float
    total: int
    left: int
    """Bytes still to come, as far as reported."""
    bytes_by_index: dict[int, int] = field(default_factory=dict)
    due: float = float("inf")
    """When the last byte will have come, as of the last report; infinite while nothing is known of the pace."""

    def look_ahead(self) -> None:
        """Reckons `due` anew."""
        self.due = self.link.pace.ends_at(self.asked_at, self.moved_at, self.total, self.left)

    @property
    def mask(self) -> int:
        """The blocks still to come."""
        mask = 0
        for index in self.lengths:
            mask |= 1 << index
        return mask


class Ledger:
    """The requests of one session."""

    def __init__(self) -> None:
        self._receptions: dict[tuple[ConnectionId, int], Reception] = {}
        self._by_index: dict[int, Reception] = {}
        self.moved_at = float("-inf")
        """When a byte last came for any of them."""
        self.bytes_wasted = 0
        """Bytes of blocks that came in part and were given up."""

    def __len__(self) -> int:
        return len(self._receptions)

    def __iter__(self) -> Iterator[Reception]:
        return iter(self._receptions.values())

    def open(self, number: int, link: Link, lengths: dict[int, int], now: float) -> Reception:
        """A request was sent for blocks that nobody has promised."""
        total = sum(lengths.values())
        reception = Reception(number, link, lengths, now, now, total, total)
        reception.look_ahead()
        self._receptions[link.id, number] = reception
        for index in lengths:
            self._by_index[index] = reception
        return reception

    def get(self, connection: ConnectionId, number: int) -> Reception | None:
        """The request, while any block of it is to come."""
        return self._receptions.get((connection, number))

    def of(self, index: int) -> Reception | None:
        """The request that promises a block."""
        return self._by_index.get(index)

    def moved(self, reception: Reception, index: int, count: int, now: float) -> None:
        """Bytes came."""
        self.moved_at = reception.moved_at = reception.link.moved_at = now
        reception.left = max(0, reception.left - count)
        if index in reception.lengths:
            reception.bytes_by_index[index] = reception.bytes_by_index.get(index, 0) + count
        reception.look_ahead()

    def settle(self, reception: Reception, index: int) -> int:
        """A block is no longer to come (it is here, or never will be); returns the bytes that were expected."""
        length = reception.lengths.pop(index, None)
        if length is None:
            return 0
        self._by_index.pop(index, None)
        reception.bytes_by_index.pop(index, None)
        if not reception.lengths:
            del self._receptions[reception.link.id, reception.number]
        return length

    def close(self, reception: Reception) -> int:
        """The whole request is given up; returns the bytes that were still expected."""
        self.bytes_wasted += sum(reception.bytes_by_index.values())
        return sum(self.settle(reception, index) for index in list(reception.lengths))

    def of_link(self, link: Link) -> list[Reception]:
        """The requests on one connection."""
        return [reception for reception in self if reception.link is link]

    def overdue(self, now: float) -> list[Reception]:
        """Requests that have waited too long for a byte."""
        before = now - PROMISE_S
        return [r for r in self._receptions.values() if r.moved_at <= before and r.link.moved_at <= before]

    def late(self, now: float, usual_rate: float) -> list[Reception]:
        """Requests whose bytes trickle: `usual_rate` is that of single transfers, in bytes per second."""
        if not usual_rate:
            return []
        receptions = self._receptions.values()
        return [r for r in receptions if now - r.asked_at >= LATE_S and r.due - now >= _patience_s(r, usual_rate)]

    def check(self) -> None:
        """Raises AssertionError where the two tables contradict each other."""
        assert sum(len(reception.lengths) for reception in self) == len(self._by_index)
        for index, reception in self._by_index.items():
            assert index in reception.lengths
            assert self.get(reception.link.id, reception.number) is reception


def _patience_s(reception: Reception, usual_rate: float) -> float:
    return max(LATE_S, LATE_TIMES * reception.total / usual_rate)
