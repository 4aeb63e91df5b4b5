"""How many strangers may be in the middle of their opening: handshakes cost CPU, and each holds a socket and memory.

Nobody is refused for coming in a crowd: who finds no place waits in line, up to a bound. One address gets so many
places and no more, so that it cannot fill the line for the others.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

PENDING_PER_ADDRESS = 8
"""Openings at once from one address; more of its connections wait for these."""

PENDING_AT_ONCE = 64
"""Openings at once in all: one takes some 10 ms of CPU here, so these end within a second."""

WAITING_MAX = 1024
"""Sockets that wait in line; the next is closed, and its dialer tries again."""


class Admission:
    """`admit` before anything is read from a connection."""

    def __init__(self) -> None:
        self._waiting = 0
        self._places = trio.CapacityLimiter(PENDING_AT_ONCE)
        self._lines: dict[str, trio.CapacityLimiter] = {}
        self._queued: Counter[str] = Counter()

    @property
    def is_full(self) -> bool:
        return self._waiting >= WAITING_MAX

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Waits for a place, first in the line of the address, then among all."""
        group = address_group(host)
        line = self._lines.setdefault(group, trio.CapacityLimiter(PENDING_PER_ADDRESS))
        self._waiting += 1
        self._queued[group] += 1
        try:
            async with line, self._places:
                yield
        finally:
            self._waiting -= 1
            self._queued[group] -= 1
            if not self._queued[group]:
                del self._queued[group], self._lines[group]

    def check(self) -> None:
        """Nothing is remembered of who has left."""
        assert self._waiting == sum(self._queued.values())
        assert set(self._lines) == set(self._queued)


def address_group(host: str) -> str:
    """Whom to count as one: an IPv4 address, or the /64 that one IPv6 machine usually has to itself."""
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
